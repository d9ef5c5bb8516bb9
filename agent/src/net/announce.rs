//! Telling the segment where the virtual addresses are: a queue of gratuitous ARPs and neighbour
//! advertisements, sent in slices.
//!
//! First announcements go before repeats, so that with hundreds of addresses each is announced once before any
//! is announced twice, and a repeat of one instance never delays the takeover of another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use nix::errno::Errno;
use nix::libc;
use vipward_common::wire::eth;

use crate::net::error::NetError;
use crate::net::link::Interface;
use crate::net::socket::{Destination, Outbox, RawSocket, family};
use crate::net::{garp, na};

/// Room for a few hundred addresses' frames between a slow driver's interrupts: each occupies about 770 bytes.
const SEND_BUFFER: libc::c_int = 1024 * 1024;

/// An address and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The interface that has the address.
    pub ifindex: u32,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// The address.
    pub address: IpAddr,
    /// IPv6: whether this host forwards on the interface, see [`ipv6_router`].
    pub router: bool,
}

impl Announcement {
    /// The announcement of an address on an interface, or none where there is no ARP, as on a tunnel.
    pub fn on(interface: &Interface, address: IpAddr, router: bool) -> Option<Self> {
        let mac = interface.mac.filter(|_| interface.arp)?;
        Some(Self { ifindex: interface.ifindex, mac, address, router })
    }

    fn key(&self) -> Key {
        (self.ifindex, self.address)
    }

    fn what(&self) -> &'static str {
        if self.address.is_ipv4() { "a gratuitous ARP" } else { "a neighbour advertisement" }
    }
}

/// Whether this host forwards IPv6 on an interface, which its neighbour advertisements must say.
pub fn ipv6_router(interface: &str) -> bool {
    // A name comes from configuration: it must stay one component of the path.
    !interface.contains('/')
        && std::fs::read(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"))
            .is_ok_and(|value| value.first().is_some_and(|digit| (b'1'..=b'9').contains(digit)))
}

type Key = (u32, IpAddr);

/// A place in a queue. It counts only while the ticket is the pending one's: an address that was cancelled and
/// queued again has a new place.
type Place = (Key, u64);

struct Pending {
    announcement: Announcement,
    ticket: u64,
    /// Frames still to send.
    left: u8,
}

#[derive(Default)]
struct Lane {
    /// Opened with the first frame, and again after a failure.
    socket: Option<RawSocket>,
    outbox: Outbox,
    sending: Vec<Key>,
}

/// Sends announcements in batches. An address is queued at most once, so the queue is as bounded as the
/// configuration.
#[derive(Default)]
pub struct Announcer {
    pending: HashMap<Key, Pending>,
    first: VecDeque<Place>,
    repeats: VecDeque<Place>,
    tickets: u64,
    lanes: BTreeMap<u32, Lane>,
}

impl Announcer {
    /// An announcer without sockets: each is opened with the first frame through its interface.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues `times` frames for an address. One that is waiting already is brought up to date and sent the
    /// greater number of times.
    pub fn queue(&mut self, announcement: Announcement, times: u8) {
        if times == 0 {
            return;
        }
        let key = announcement.key();
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.announcement = announcement;
            pending.left = pending.left.max(times);
        } else {
            self.tickets += 1;
            let ticket = self.tickets;
            self.pending.insert(key, Pending { announcement, ticket, left: times });
            self.first.push_back((key, ticket));
        }
    }

    /// Drops what is queued for an address that this host gave up.
    pub fn cancel(&mut self, ifindex: u32, address: IpAddr) {
        // The queues are cleaned as they are read.
        self.pending.remove(&(ifindex, address));
    }

    /// Closes the socket of an interface that is gone, and drops what was queued for it.
    pub fn forget(&mut self, ifindex: u32) {
        self.pending.retain(|key, _| key.0 != ifindex);
        self.lanes.remove(&ifindex);
    }

    /// Addresses that are waiting for at least one frame.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends at most `max` frames without waiting and returns how many went out. Those that did not are
    /// appended to `failures` and are not tried again: what repeats are left follow in their turn, so a
    /// stuck interface is given up on after a bounded effort.
    pub fn send_slice(&mut self, max: usize, failures: &mut Vec<NetError>) -> usize {
        self.send(max, true, failures)
    }

    /// Sends like [`Announcer::send_slice`], but no repeats: for while more addresses are on their way, whose
    /// first announcements the repeats would hold up.
    pub fn send_first(&mut self, max: usize, failures: &mut Vec<NetError>) -> usize {
        self.send(max, false, failures)
    }

    fn send(&mut self, max: usize, repeats: bool, failures: &mut Vec<NetError>) -> usize {
        let taken = self.take(max, repeats);
        let mut sent = 0;
        for (ifindex, lane) in &mut self.lanes {
            if lane.sending.is_empty() {
                continue;
            }
            let mut failed: Vec<(usize, Errno)> = Vec::new();
            match lane.socket.take().map_or_else(open, Ok) {
                Ok(socket) => {
                    lane.outbox.flush(&socket, |position, errno| failed.push((position, errno)));
                    lane.socket = Some(socket);
                }
                Err(errno) => {
                    lane.outbox.clear();
                    failed.extend((0..lane.sending.len()).map(|position| (position, errno)));
                }
            }
            sent += lane.sending.len() - failed.len();
            for (position, errno) in failed {
                let Some(pending) = lane.sending.get(position).and_then(|key| self.pending.get_mut(key))
                else {
                    continue;
                };
                let what = pending.announcement.what();
                let subject = pending.announcement.address;
                failures.push(NetError::Send { what, subject, ifindex: *ifindex, errno });
            }
            lane.sending.clear();
        }
        self.requeue(taken);
        sent
    }

    /// Moves up to `max` frames into the outboxes, first announcements before repeats.
    fn take(&mut self, max: usize, repeats: bool) -> Vec<Key> {
        let mut taken = Vec::new();
        // Nothing is put back before the slice is over, so no address is taken twice.
        while taken.len() < max {
            let repeat = |queue: &mut VecDeque<Place>| if repeats { queue.pop_front() } else { None };
            let place = self.first.pop_front().or_else(|| repeat(&mut self.repeats));
            let Some((key, ticket)) = place else { break };
            let Some(pending) = self.pending.get_mut(&key).filter(|pending| pending.ticket == ticket) else {
                continue;
            };
            let Announcement { ifindex, mac, address, router } = pending.announcement;
            pending.left -= 1;
            let lane = self.lanes.entry(ifindex).or_default();
            lane.outbox.push(destination(ifindex, address), |frame| match address {
                IpAddr::V4(address) => garp::write(frame, mac, address),
                IpAddr::V6(address) => na::write(frame, mac, address, router),
            });
            lane.sending.push(key);
            taken.push(key);
        }
        taken
    }

    fn requeue(&mut self, taken: Vec<Key>) {
        for key in taken {
            let Some(pending) = self.pending.get(&key) else { continue };
            if pending.left > 0 {
                self.repeats.push_back((key, pending.ticket));
            } else {
                self.pending.remove(&key);
            }
        }
    }
}

/// The frame has its own Ethernet header; the kernel needs the interface and the protocol.
fn destination(ifindex: u32, address: IpAddr) -> Destination {
    let protocol = if address.is_ipv4() { eth::ARP } else { eth::IPV6 };
    Destination::Link(libc::sockaddr_ll {
        sll_family: family(libc::AF_PACKET),
        sll_protocol: protocol.to_be(),
        sll_ifindex: libc::c_int::try_from(ifindex).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff; 8],
    })
}

/// Protocol 0: the socket is not hooked into reception at all.
fn open() -> Result<RawSocket, Errno> {
    let socket = RawSocket::open(libc::AF_PACKET, 0)?;
    // Without the capability the default has to do: about 270 frames on their way at once.
    let _ = socket.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, SEND_BUFFER);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(last: u8) -> Announcement {
        Announcement {
            ifindex: 2,
            mac: [2, 0, 0, 0, 0, 1],
            address: IpAddr::from([10, 0, 0, last]),
            router: false,
        }
    }

    fn order(announcer: &mut Announcer, max: usize) -> Vec<u8> {
        take(announcer, max, true)
    }

    fn take(announcer: &mut Announcer, max: usize, repeats: bool) -> Vec<u8> {
        let taken = announcer.take(max, repeats);
        for lane in announcer.lanes.values_mut() {
            lane.outbox.clear();
            lane.sending.clear();
        }
        announcer.requeue(taken.clone());
        taken
            .iter()
            .map(|(_, address)| if let IpAddr::V4(v4) = address { v4.octets()[3] } else { 0 })
            .collect()
    }

    #[test]
    fn every_address_once_before_any_twice() {
        let mut announcer = Announcer::new();
        for last in 1..=3 {
            announcer.queue(announcement(last), 2);
        }
        assert_eq!(order(&mut announcer, 2), [1, 2]);
        announcer.queue(announcement(4), 1);
        assert_eq!(order(&mut announcer, 9), [3, 4, 1, 2], "first ones before repeats");
        assert_eq!(order(&mut announcer, 9), [3]);
        assert!(order(&mut announcer, 9).is_empty());
        assert_eq!(announcer.pending(), 0);
    }

    #[test]
    fn no_repeats_while_more_are_on_their_way() {
        let mut announcer = Announcer::new();
        announcer.queue(announcement(1), 2);
        assert_eq!(take(&mut announcer, 9, false), [1]);
        assert!(take(&mut announcer, 9, false).is_empty(), "only a repeat is left");
        announcer.queue(announcement(2), 2);
        assert_eq!(take(&mut announcer, 9, false), [2]);
        assert_eq!(order(&mut announcer, 9), [1, 2]);
        assert_eq!(announcer.pending(), 0);
    }

    #[test]
    fn given_up_addresses_are_silent() {
        let mut announcer = Announcer::new();
        for last in 1..=3 {
            announcer.queue(announcement(last), 5);
        }
        announcer.cancel(2, IpAddr::from([10, 0, 0, 2]));
        assert_eq!(order(&mut announcer, 9), [1, 3]);
        announcer.cancel(2, IpAddr::from([10, 0, 0, 1]));
        announcer.queue(announcement(1), 1);
        assert_eq!(order(&mut announcer, 9), [1, 3], "taken over again: one place in the queue, a new one");
        announcer.forget(2);
        assert!(order(&mut announcer, 9).is_empty());
        assert_eq!(announcer.pending(), 0);
    }

    #[test]
    fn queued_again_while_waiting_is_queued_once() {
        let mut announcer = Announcer::new();
        announcer.queue(announcement(1), 1);
        announcer.queue(Announcement { mac: [2, 0, 0, 0, 0, 9], ..announcement(1) }, 3);
        announcer.queue(announcement(1), 0);
        assert_eq!(announcer.pending(), 1);
        assert_eq!(order(&mut announcer, 9), [1]);
        assert_eq!(order(&mut announcer, 9), [1]);
        assert_eq!(order(&mut announcer, 9), [1]);
        assert!(order(&mut announcer, 9).is_empty());
    }

    #[test]
    fn interfaces_without_arp_announce_nothing() {
        let interface = Interface {
            ifindex: 2,
            name: "eth0".into(),
            up: true,
            running: true,
            mac: Some([2; 6]),
            mtu: 1500,
            arp: true,
        };
        let vip = IpAddr::from([10, 0, 0, 1]);
        assert!(Announcement::on(&interface, vip, false).is_some());
        assert!(Announcement::on(&Interface { arp: false, ..interface.clone() }, vip, false).is_none());
        assert!(Announcement::on(&Interface { mac: None, ..interface }, vip, false).is_none());
    }
}
