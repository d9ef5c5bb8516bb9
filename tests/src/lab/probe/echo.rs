//! ICMP echo, IPv4 and IPv6: answered by the kernel of whoever holds the address, stamped by our own.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::ledger::Ledger;
use super::timeline::{Reply, Shared, Silence, Timeline};
use crate::lab::clock::Moment;
use crate::lab::host::Host;
use crate::lab::observer;

/// How often the receivers look whether they should end.
const CHECK: Duration = Duration::from_millis(50);
/// Answers that may wait for a receiver that is not scheduled: seconds of them.
const BUFFER: usize = 4 << 20;
/// ICMP's and ICMPv6's types of an echo request (RFC 792, RFC 4443 §4.1).
const REQUEST: u8 = 8;
const REQUEST_V6: u8 = 128;

/// One ledger per target.
type Ledgers = Arc<[Mutex<Ledger>]>;

/// A running probe. Dropping it ends it.
pub struct Echo {
    timelines: Shared,
    ledgers: Ledgers,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Echo {
    /// Asks every one of `targets` once in each `period`, from `client`.
    pub fn start(client: &Host, targets: &[IpAddr], period: Duration) -> Result<Echo> {
        // Ping sockets need no header of ours and get only our own answers, but a namespace allows them to nobody.
        client.namespace().sysctl("net/ipv4/ping_group_range", "0 2147483647")?;
        let timelines = Shared::new(targets.len());
        let stop = Arc::new(AtomicBool::new(false));
        let ledgers = targets.iter().map(|_| Mutex::default()).collect();
        let mut echo = Echo { timelines, ledgers, stop, threads: Vec::new() };
        let (v4, v6): (Vec<_>, Vec<_>) =
            targets.iter().copied().enumerate().partition(|(_, ip)| ip.is_ipv4());
        for (targets, domain, protocol, request) in
            [(v4, Domain::IPV4, Protocol::ICMPV4, REQUEST), (v6, Domain::IPV6, Protocol::ICMPV6, REQUEST_V6)]
        {
            if !targets.is_empty() {
                let make = || Socket::new(domain, Type::DGRAM, Some(protocol));
                let socket = client.namespace().enter(make)?.context("cannot open a ping socket")?;
                echo.run(socket, &targets, request, period)?;
            }
        }
        Ok(echo)
    }

    fn run(
        &mut self,
        socket: Socket,
        targets: &[(usize, IpAddr)],
        request: u8,
        period: Duration,
    ) -> Result<()> {
        socket.set_read_timeout(Some(CHECK))?;
        socket.set_recv_buffer_size(BUFFER)?;
        setsockopt(&socket, ReceiveTimestampns, &true).context("cannot have answers stamped")?;
        let socket = Arc::new(socket);
        let numbers: HashMap<IpAddr, usize> = targets.iter().map(|(number, ip)| (*ip, *number)).collect();
        let targets = targets.to_vec();
        let (out, ledgers, ending) = (Arc::clone(&socket), Arc::clone(&self.ledgers), Arc::clone(&self.stop));
        self.threads.push(thread::spawn(move || ask(&out, &targets, request, period, &ledgers, &ending)));
        let (timelines, ledgers, ending) =
            (self.timelines.clone(), Arc::clone(&self.ledgers), Arc::clone(&self.stop));
        self.threads.push(thread::spawn(move || listen(&socket, &numbers, &timelines, &ledgers, &ending)));
        Ok(())
    }

    /// The longest time that `target` (its number in the list) left unanswered within `from..to`.
    pub fn longest_silence(&self, target: usize, from: Moment, to: Moment) -> Silence {
        self.timelines.look(target, |timeline| timeline.longest_silence(from, to))
    }

    /// Probes that were sent to `target` within `from..to`, and how many of them nobody has answered so far.
    pub fn lost(&self, target: usize, from: Moment, to: Moment) -> (usize, usize) {
        self.ledgers.get(target).map_or((0, 0), |ledger| open(ledger, |ledger| ledger.lost(from, to)))
    }

    /// Drops what was answered before `moment`, of no use to who asks about later: a probe runs for an hour.
    pub fn forget(&self, moment: Moment) {
        self.timelines.forget(moment);
    }

    /// When `target` first answered after `from`.
    pub fn first_after(&self, target: usize, from: Moment) -> Option<Moment> {
        self.timelines.look(target, |timeline| timeline.first_after(from).map(|reply| reply.at))
    }

    /// Everything that `target` answered so far.
    pub fn timeline(&self, target: usize) -> Timeline {
        self.timelines.look(target, Timeline::clone)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn open<T>(ledger: &Mutex<Ledger>, look: impl FnOnce(&mut Ledger) -> T) -> T {
    look(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner))
}

fn ask(
    socket: &Socket,
    targets: &[(usize, IpAddr)],
    request: u8,
    period: Duration,
    ledgers: &[Mutex<Ledger>],
    stop: &AtomicBool,
) {
    observer::keep_time();
    let mut next = Moment::now();
    let mut sequence: u16 = 0;
    while !stop.load(Ordering::Relaxed) {
        let [high, low] = sequence.to_be_bytes();
        // The kernel fills in the identifier and the checksum.
        let packet = [request, 0, 0, 0, 0, 0, high, low];
        for (number, target) in targets {
            if let Some(ledger) = ledgers.get(*number) {
                open(ledger, |ledger| ledger.ask(Moment::now()));
            }
            // Unreachable for now is what we are here to measure.
            let _ = socket.send_to(&packet, &SocketAddr::new(*target, 0).into());
        }
        sequence = sequence.wrapping_add(1);
        // A probe that was not scheduled for a while goes on from now and does not catch up in a burst.
        next = (next + period).max(Moment::now());
        next.sleep_until();
    }
}

fn listen(
    socket: &Socket,
    numbers: &HashMap<IpAddr, usize>,
    timelines: &Shared,
    ledgers: &[Mutex<Ledger>],
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        if let Some((from, at, sequence)) = receive(socket)
            && let Some(number) = numbers.get(&from)
        {
            timelines.push(*number, Reply { at, by: None });
            if let Some(ledger) = ledgers.get(*number) {
                open(ledger, |ledger| ledger.answer(sequence));
            }
        }
    }
}

/// One answer: from whom, when the kernel had it, and to which probe. Nothing after [`CHECK`].
fn receive(socket: &Socket) -> Option<(IpAddr, Moment, u16)> {
    let mut answer = [0_u8; 64];
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(&mut answer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())
            .ok()?;
    let address = message.address?;
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    let from = v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))?;
    let at = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Moment::from_realtime(stamp)),
        _ => None,
    });
    let at = at.unwrap_or_else(Moment::now);
    // The sequence number is where it was in the request.
    let [.., high, low] = *answer.first_chunk::<8>()?;
    Some((from, at, u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, wait};

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn measures_how_long_a_host_was_away() {
        let lab = Lab::new().unwrap();
        let (client, server) = (lab.host("client").unwrap(), lab.host("server").unwrap());
        let targets = [IpAddr::V4(server.address()), IpAddr::V6(server.address_v6())];
        let echo = Echo::start(&client, &targets, Duration::from_millis(1)).unwrap();
        let answers = |since: Moment| (0..2).all(|target| echo.first_after(target, since).is_some());
        wait::until("both families to answer", LIMIT, || answers(Moment::default())).unwrap();

        let gone = Moment::now();
        server.isolate().unwrap();
        let back_after = Duration::from_millis(300);
        (Moment::now() + back_after).sleep_until();
        server.rejoin().unwrap();
        let back = Moment::now();
        wait::until("both to answer again", LIMIT, || answers(back)).unwrap();
        for target in 0..2 {
            let silence = echo.longest_silence(target, gone, Moment::now());
            assert!(silence.length() >= back_after, "{silence:?}");
            assert!(
                silence.from >= gone - Duration::from_millis(50) && silence.to >= back - back_after,
                "{silence:?}"
            );
        }
    }
}
