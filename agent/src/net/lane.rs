//! The announcements of one interface: which are waiting, in what order they go, and the socket they go through.
//!
//! Interfaces are apart, so that one with a full transmit queue holds up nobody else.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use nix::errno::Errno;
use nix::libc;
use vipward_common::wire::eth;

use crate::net::announce::Announcement;
use crate::net::error::NetError;
use crate::net::socket::{Destination, Outbox, RawSocket, family};
use crate::net::{garp, na};

/// Room for a few hundred addresses' frames between a slow driver's interrupts: each occupies about 770 bytes.
const SEND_BUFFER: libc::c_int = 1024 * 1024;

/// Tries in a row that a transmit queue may take nothing, about a millisecond apart: one that is stuck for longer
/// will not get over it, and need not be asked for ever.
const VAIN_TRIES: u16 = 5000;

/// A place in a queue. It counts only while the ticket is the pending one's: an address that was cancelled and
/// queued again has a new place.
type Place = (IpAddr, u64);

struct Pending {
    announcement: Announcement,
    ticket: u64,
    /// Frames still to send.
    left: u8,
}

/// Which of a lane's queues has its turn.
#[derive(Clone, Copy)]
pub(super) enum Turn {
    /// First announcements.
    First,
    /// What follows them.
    Repeats,
}

/// What waits for one interface.
#[derive(Default)]
pub(super) struct Lane {
    /// Opened with the first frame, and again after a failure.
    socket: Option<RawSocket>,
    outbox: Outbox,
    pending: HashMap<IpAddr, Pending>,
    first: VecDeque<Place>,
    repeats: VecDeque<Place>,
    tickets: u64,
    /// Tries in a row of which the transmit queue took nothing.
    vain: u16,
}

impl Lane {
    /// Queues `times` frames, of which there must be one, or brings up to date what is waiting.
    pub(super) fn queue(&mut self, announcement: Announcement, times: u8) {
        if let Some(pending) = self.pending.get_mut(&announcement.address) {
            pending.announcement = announcement;
            pending.left = pending.left.max(times);
        } else {
            if self.pending.is_empty() {
                self.vain = 0;
            }
            self.tickets += 1;
            let ticket = self.tickets;
            self.pending.insert(announcement.address, Pending { announcement, ticket, left: times });
            self.first.push_back((announcement.address, ticket));
        }
    }

    /// Drops what is queued for an address.
    pub(super) fn cancel(&mut self, address: IpAddr) {
        // The queues are cleaned as they are read.
        self.pending.remove(&address);
    }

    /// Addresses that are waiting for at least one frame.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends at most `max` frames of a queue and returns how many went out. `gate` says whether one more may leave
    /// now, of IPv6 or not.
    pub(super) fn send(
        &mut self,
        turn: Turn,
        max: usize,
        gate: &mut impl FnMut(bool) -> bool,
        failures: &mut Vec<NetError>,
    ) -> usize {
        let taken = self.take(turn, max, gate);
        if taken.is_empty() {
            return 0;
        }
        let refused = self.transmit(&taken);
        self.settle(turn, taken, refused, failures)
    }

    /// Moves up to `max` frames of a queue into the outbox. Repeats wait until each address was announced once.
    fn take(&mut self, turn: Turn, max: usize, gate: &mut impl FnMut(bool) -> bool) -> Vec<Place> {
        let queue = match turn {
            Turn::First => &mut self.first,
            Turn::Repeats if self.first.is_empty() => &mut self.repeats,
            Turn::Repeats => return Vec::new(),
        };
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some(place) = queue.pop_front() else { break };
            let Some(pending) = self.pending.get(&place.0).filter(|pending| pending.ticket == place.1) else {
                continue;
            };
            let Announcement { ifindex, mac, address, router } = pending.announcement;
            if !gate(address.is_ipv6()) {
                queue.push_front(place);
                break;
            }
            self.outbox.push(destination(ifindex, address), |frame| match address {
                IpAddr::V4(address) => garp::write(frame, mac, address),
                IpAddr::V6(address) => na::write(frame, mac, address, router),
            });
            taken.push(place);
        }
        taken
    }

    /// Sends what was taken; gives the position and the reason of each frame that did not go out.
    fn transmit(&mut self, taken: &[Place]) -> Vec<(usize, NetError)> {
        let mut refused = Vec::new();
        match self.socket.take().map_or_else(open, Ok) {
            Ok(socket) => {
                self.outbox.flush(&socket, |position, errno| {
                    let pending = taken.get(position).and_then(|(address, _)| self.pending.get(address));
                    refused.extend(pending.map(|pending| (position, pending.announcement.failure(errno))));
                });
                self.socket = Some(socket);
            }
            Err(errno) => {
                self.outbox.clear();
                let failure = NetError::Open { what: "gratuitous ARP and neighbour advertisements", errno };
                refused.extend((0..taken.len()).map(|position| (position, failure.clone())));
            }
        }
        refused
    }

    /// Puts back what met a full transmit queue, and queues what repeats are left of the rest.
    fn settle(
        &mut self,
        turn: Turn,
        mut taken: Vec<Place>,
        refused: Vec<(usize, NetError)>,
        failures: &mut Vec<NetError>,
    ) -> usize {
        // A full queue ends the attempt, so all behind the first that met it are untried too.
        let full = |(_, error): &&(usize, NetError)| {
            self.vain < VAIN_TRIES && matches!(error.errno(), Errno::EAGAIN | Errno::ENOBUFS)
        };
        let end = refused.iter().find(full).map_or(taken.len(), |(position, _)| *position);
        let queue = match turn {
            Turn::First => &mut self.first,
            Turn::Repeats => &mut self.repeats,
        };
        for place in taken.drain(end..).rev() {
            queue.push_front(place);
        }
        let before = failures.len();
        failures.extend(refused.into_iter().filter(|(position, _)| *position < end).map(|(_, error)| error));
        let sent = taken.len() - (failures.len() - before);
        if end == 0 {
            self.vain += 1;
        } else if sent > 0 {
            self.vain = 0;
        }
        for place in taken {
            let Some(pending) = self.pending.get_mut(&place.0) else { continue };
            pending.left -= 1;
            if pending.left > 0 {
                self.repeats.push_back(place);
            } else {
                self.pending.remove(&place.0);
            }
        }
        sent
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

    fn refusal(errno: Errno) -> NetError {
        announcement(1).failure(errno)
    }

    /// A slice's addresses, of which a transmit queue takes the first `room`.
    fn slice(lane: &mut Lane, turn: Turn, max: usize, room: usize) -> Vec<u8> {
        let taken = lane.take(turn, max, &mut |_| true);
        lane.outbox.clear();
        let last = |(address, _): &Place| if let IpAddr::V4(v4) = address { v4.octets()[3] } else { 0 };
        let mut sent: Vec<u8> = taken.iter().map(last).collect();
        let refused = (room..taken.len()).map(|position| (position, refusal(Errno::ENOBUFS))).collect();
        sent.truncate(lane.settle(turn, taken, refused, &mut Vec::new()));
        sent
    }

    fn first(lane: &mut Lane, max: usize) -> Vec<u8> {
        slice(lane, Turn::First, max, max)
    }

    fn repeats(lane: &mut Lane, max: usize) -> Vec<u8> {
        slice(lane, Turn::Repeats, max, max)
    }

    #[test]
    fn every_address_once_before_any_twice() {
        let mut lane = Lane::default();
        for last in 1..=3 {
            lane.queue(announcement(last), 2);
        }
        assert_eq!(first(&mut lane, 2), [1, 2]);
        assert!(repeats(&mut lane, 9).is_empty(), "one was not announced yet");
        lane.queue(announcement(4), 1);
        assert_eq!(first(&mut lane, 9), [3, 4]);
        assert!(first(&mut lane, 9).is_empty(), "only repeats are left");
        assert_eq!(repeats(&mut lane, 2), [1, 2]);
        assert_eq!(repeats(&mut lane, 9), [3]);
        assert!(repeats(&mut lane, 9).is_empty());
        assert_eq!(lane.pending(), 0);
    }

    #[test]
    fn what_must_not_leave_yet_keeps_its_place() {
        let mut lane = Lane::default();
        for last in 1..=3 {
            lane.queue(announcement(last), 1);
        }
        let mut open = true;
        let taken = lane.take(Turn::First, 9, &mut |_| std::mem::take(&mut open));
        lane.outbox.clear();
        assert_eq!(taken.len(), 1);
        assert_eq!(lane.settle(Turn::First, taken, Vec::new(), &mut Vec::new()), 1);
        assert_eq!(first(&mut lane, 9), [2, 3]);
    }

    #[test]
    fn what_a_full_queue_refuses_keeps_its_place_and_its_repeats() {
        let mut lane = Lane::default();
        for last in 1..=4 {
            lane.queue(announcement(last), 2);
        }
        assert_eq!(slice(&mut lane, Turn::First, 3, 1), [1]);
        lane.cancel(IpAddr::from([10, 0, 0, 3]));
        assert!(slice(&mut lane, Turn::First, 3, 0).is_empty());
        assert_eq!(first(&mut lane, 9), [2, 4]);
        assert_eq!(slice(&mut lane, Turn::Repeats, 9, 2), [1, 2]);
        assert_eq!(repeats(&mut lane, 9), [4]);
        assert_eq!(lane.pending(), 0);
    }

    #[test]
    fn other_failures_are_told_and_cost_one_frame() {
        let mut lane = Lane::default();
        for last in 1..=3 {
            lane.queue(announcement(last), 2);
        }
        let taken = lane.take(Turn::First, 9, &mut |_| true);
        let mut failures = Vec::new();
        let refused = vec![(0, refusal(Errno::EPERM)), (2, refusal(Errno::EAGAIN))];
        assert_eq!(lane.settle(Turn::First, taken, refused, &mut failures), 1);
        assert_eq!(failures, [refusal(Errno::EPERM)]);
        assert_eq!(first(&mut lane, 9), [3]);
        assert_eq!(repeats(&mut lane, 9), [1, 2, 3]);
        assert_eq!(lane.pending(), 0);
    }

    #[test]
    fn a_stuck_queue_is_given_up_on_in_the_end() {
        let mut lane = Lane::default();
        for last in 1..=2 {
            lane.queue(announcement(last), 2);
        }
        let mut failures = Vec::new();
        let mut attempt = |lane: &mut Lane, turn| {
            let taken = lane.take(turn, 9, &mut |_| true);
            let refused = (0..taken.len()).map(|position| (position, refusal(Errno::ENOBUFS))).collect();
            assert_eq!(lane.settle(turn, taken, refused, &mut failures), 0);
            failures.len()
        };
        assert_eq!((0..VAIN_TRIES).map(|_| attempt(&mut lane, Turn::First)).max(), Some(0));
        assert_eq!(attempt(&mut lane, Turn::First), 2);
        assert_eq!(attempt(&mut lane, Turn::Repeats), 4);
        assert_eq!(lane.pending(), 0);
        lane.queue(announcement(1), 1);
        assert_eq!(attempt(&mut lane, Turn::First), 4, "a new beginning");
    }

    #[test]
    fn given_up_addresses_are_silent() {
        let mut lane = Lane::default();
        for last in 1..=3 {
            lane.queue(announcement(last), 2);
        }
        lane.cancel(IpAddr::from([10, 0, 0, 2]));
        assert_eq!(first(&mut lane, 9), [1, 3]);
        lane.cancel(IpAddr::from([10, 0, 0, 1]));
        lane.queue(announcement(1), 1);
        assert_eq!(first(&mut lane, 9), [1], "taken over again: a new place");
        assert_eq!(repeats(&mut lane, 9), [3], "and not the old one");
        assert_eq!(lane.pending(), 0);
    }

    #[test]
    fn queued_again_while_waiting_is_queued_once() {
        let mut lane = Lane::default();
        lane.queue(announcement(1), 1);
        lane.queue(Announcement { mac: [2, 0, 0, 0, 0, 9], ..announcement(1) }, 3);
        assert_eq!(lane.pending(), 1);
        assert_eq!(first(&mut lane, 9), [1]);
        assert_eq!(repeats(&mut lane, 9), [1]);
        assert_eq!(repeats(&mut lane, 9), [1]);
        assert!(repeats(&mut lane, 9).is_empty());
    }
}
