//! A witness: a client that asks everybody, every few milliseconds, who has an address, and writes down every answer
//! with its time and its sender. So it sees two that answer, which a probe that needs one answer does not.

mod question;
mod record;

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, sendto, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::clock::Moment;
use super::host::{Host, INTERFACE};
use super::observer;

pub use record::{Answer, PATIENCE, Question, Record, Span};

/// How often the listener looks whether it should end.
const CHECK: Duration = Duration::from_millis(50);
/// Answers that may wait for a listener that is not scheduled: seconds of them.
const BUFFER: usize = 4 << 20;
/// Longest frame of interest: a neighbour advertisement.
const LONGEST: usize = 128;

/// A running witness. Dropping it ends it.
pub struct Witness {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What its threads share.
struct Shared {
    targets: Vec<IpAddr>,
    records: Mutex<Vec<Record>>,
    hosts: Mutex<HashMap<[u8; 6], Arc<str>>>,
    stop: AtomicBool,
}

impl Witness {
    /// Asks for every one of `targets` once in each `period`, from `client`. `hosts` are those whose names are known.
    pub fn start(client: &Host, hosts: &[&Host], targets: &[IpAddr], period: Duration) -> Result<Witness> {
        // Answers go to the hardware address that the question names, which is nobody's.
        client.ip(&format!("link set dev {INTERFACE} promisc on\n"))?;
        let socket = Arc::new(client.namespace().enter(open)??);
        let shared = Arc::new(Shared {
            targets: targets.to_vec(),
            records: Mutex::new(vec![Record::default(); targets.len()]),
            hosts: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let mut witness = Witness { shared, threads: Vec::new() };
        for host in hosts {
            witness.meet(host)?;
        }
        let link = client.link_address()?;
        let (out, work) = (Arc::clone(&socket), Arc::clone(&witness.shared));
        witness.threads.push(thread::spawn(move || ask(&out, &link, period, &work)));
        let work = Arc::clone(&witness.shared);
        witness.threads.push(thread::spawn(move || listen(&socket, &work)));
        Ok(witness)
    }

    /// Learns the hardware address of a host.
    pub fn meet(&self, host: &Host) -> Result<()> {
        let mac = host.link_address()?.addr().context("a link has no hardware address")?;
        lock(&self.shared.hosts).insert(mac, host.name().into());
        Ok(())
    }

    /// Looks at what is known of `target`, by its number in the list; at nothing if there is no such target.
    pub fn look<T>(&self, target: usize, look: impl FnOnce(&Record) -> T) -> T {
        match lock(&self.shared.records).get(target) {
            Some(record) => look(record),
            None => look(&Record::default()),
        }
    }

    /// A copy of it.
    pub fn record(&self, target: usize) -> Record {
        self.look(target, Record::clone)
    }

    /// Drops what was asked before `moment`.
    pub fn forget(&self, moment: Moment) {
        lock(&self.shared.records).iter_mut().for_each(|record| record.forget(moment));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A packet socket for ARP replies and neighbour advertisements alone, so that its own questions wake nobody.
fn open() -> Result<Socket> {
    const ALL: i32 = 0x0003; // ETH_P_ALL
    let protocol = Protocol::from(i32::from(u16::try_from(ALL)?.to_be()));
    let socket =
        Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("cannot open a packet socket")?;
    socket.attach_filter(&filter()).context("cannot attach the witness's filter")?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).context("cannot enlarge the witness's buffer")?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("cannot have answers stamped")?;
    socket.set_read_timeout(Some(CHECK))?;
    Ok(socket)
}

fn filter() -> [SockFilter; 10] {
    const BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const HALF: u16 = 0x28;
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06;
    let load = |size, offset| SockFilter::new(size, 0, 0, offset);
    let equal = |value, then, otherwise| SockFilter::new(EQUAL, then, otherwise, value);
    [
        load(HALF, 12),
        equal(0x0806, 0, 2),
        load(HALF, 20),
        equal(2, 4, 5), // ARP reply
        equal(0x86dd, 0, 4),
        load(BYTE, 20),
        equal(58, 0, 2),
        load(BYTE, 54), // ICMPv6 type: an IPv6 header without extensions
        SockFilter::new(RETURN, 0, 0, 0xffff),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

fn ask(socket: &Socket, link: &LinkAddr, period: Duration, shared: &Shared) {
    observer::keep_time();
    let own = link.addr().unwrap_or_default();
    let mut next = Moment::now();
    while !shared.stop.load(Ordering::Relaxed) {
        for (target, address) in (0_u8..).zip(&shared.targets) {
            let number = {
                let mut records = lock(&shared.records);
                let Some(record) = records.get_mut(usize::from(target)) else { continue };
                let number = record.next();
                record.asked(Moment::now());
                number
            };
            // A link that is down for now answers nothing, which is what we are here to see.
            let _ = sendto(
                socket.as_raw_fd(),
                &question::ask(own, target, *address, number),
                link,
                MsgFlags::empty(),
            );
        }
        // One that was not scheduled for a while goes on from now and does not catch up in a burst.
        next = (next + period).max(Moment::now());
        next.sleep_until();
    }
}

fn listen(socket: &Socket, shared: &Shared) {
    let mut buffer = [0_u8; LONGEST];
    while !shared.stop.load(Ordering::Relaxed) {
        let Some((at, answer)) = receive(socket, &mut buffer) else { continue };
        let target = usize::from(answer.target);
        if shared.targets.get(target) != Some(&answer.address) {
            continue;
        }
        let by = Arc::clone(lock(&shared.hosts).entry(answer.mac).or_insert_with(|| spelt(answer.mac)));
        if let Some(record) = lock(&shared.records).get_mut(target) {
            record.answered(answer.number, Answer { at, by });
        }
    }
}

/// The name of who is not known.
fn spelt(mac: [u8; 6]) -> Arc<str> {
    mac.map(|byte| format!("{byte:02x}")).join(":").into()
}

/// One answer, and when the kernel had it. Nothing after [`CHECK`].
fn receive(socket: &Socket, buffer: &mut [u8]) -> Option<(Moment, question::Answer)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty()).ok()?;
    let at = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Moment::from_realtime(stamp)),
        _ => None,
    });
    let length = message.bytes;
    Some((at.unwrap_or_else(Moment::now), question::parse(buffer.get(..length)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, wait};

    const LIMIT: Duration = Duration::from_secs(10);
    const PERIOD: Duration = Duration::from_millis(4);

    /// Both families: one holder, two, one again, none.
    #[test]
    fn sees_one_two_and_none() {
        let lab = Lab::new().unwrap();
        let (client, a, b) = (lab.host("client").unwrap(), lab.host("a").unwrap(), lab.host("b").unwrap());
        let targets = ["10.77.0.200".parse().unwrap(), "fd77::200".parse().unwrap()];
        let witness = Witness::start(&client, &[&a, &b], &targets, PERIOD).unwrap();
        let vip = |word: &str| {
            format!("addr {word} 10.77.0.200/32 dev eth0\naddr {word} fd77::200/128 dev eth0 nodad\n")
        };
        let both = |what: &str, look: &dyn Fn(&Record) -> bool| {
            wait::until(what, LIMIT, || (0..2).all(|target| witness.look(target, |record| look(record))))
                .unwrap();
        };
        let end = Moment(u64::MAX);

        a.ip(&vip("add")).unwrap();
        both("the first to answer", &|record| record.first_by("a", Moment(0)).is_some());
        let one = Moment::now();
        both("it alone to be seen", &|record| record.sole_since(one).as_deref() == Some("a"));
        assert_eq!(witness.look(0, |record| record.two(Moment(0), end)), []);

        b.ip(&vip("add")).unwrap();
        both("two to be seen", &|record| record.two(one, end).iter().any(|span| span.length() > 10 * PERIOD));
        a.ip(&vip("del").replace(" nodad", "")).unwrap();
        let other = Moment::now();
        both("the second alone", &|record| record.sole_since(other).as_deref() == Some("b"));
        assert_eq!(witness.look(0, |record| record.two(other, end)), []);

        b.ip(&vip("del").replace(" nodad", "")).unwrap();
        let gone = Moment::now();
        both("nobody to be seen", &|record| record.longest_none(gone, end) > 10 * PERIOD);
        assert_eq!(witness.look(0, |record| record.last_by("a", other, end)), None);
        assert_eq!(witness.look(2, Record::next), 0, "there is no third");

        witness.forget(Moment::now());
        assert_eq!(witness.look(0, |record| record.first_by("a", Moment(0))), None);
    }

    /// Who is not known is called by its hardware address.
    #[test]
    fn strangers_are_seen_too() {
        let lab = Lab::new().unwrap();
        let (client, a) = (lab.host("client").unwrap(), lab.host("a").unwrap());
        let witness = Witness::start(&client, &[], &[a.address().into()], PERIOD).unwrap();
        let mac = spelt(a.link_address().unwrap().addr().unwrap());
        wait::until("a stranger", LIMIT, || {
            witness.look(0, |record| record.first_by(&mac, Moment(0)).is_some())
        })
        .unwrap();
    }
}
