//! Telling the segment where the virtual addresses are: a queue of gratuitous ARPs and neighbour
//! advertisements, sent in slices.
//!
//! First announcements go before repeats, so that with hundreds of addresses each is announced once before any
//! is announced twice, and a repeat of one instance never delays the takeover of another.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nix::errno::Errno;

use vipward_vrrp::types::Mono;

use crate::clock;
use crate::net::error::NetError;
use crate::net::lane::{Lane, Turn};
use crate::net::link::Interface;
use crate::net::pace::Paces;

/// An address and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The interface that has the address.
    pub ifindex: u32,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// The address.
    pub address: IpAddr,
    /// IPv6: whether this host forwards on the interface, which the advertisement must say.
    pub router: bool,
}

impl Announcement {
    /// The announcement of an address on an interface, or none where there is no ARP, as on a tunnel. Whether
    /// the host forwards IPv6 there is looked up each time: an administrator may change it at any moment, of
    /// which no link event tells.
    pub fn on(interface: &Interface, address: IpAddr) -> Option<Self> {
        let mac = interface.mac.filter(|_| interface.arp)?;
        let router = address.is_ipv6() && is_ipv6_router(&interface.name);
        Some(Self { ifindex: interface.ifindex, mac, address, router })
    }

    pub(super) fn failure(&self, errno: Errno) -> NetError {
        let what = if self.address.is_ipv4() { "a gratuitous ARP" } else { "a neighbour advertisement" };
        NetError::Send { what, subject: self.address, ifindex: self.ifindex, errno }
    }
}

/// Reading takes the kernel a few microseconds and no lock. A name that the kernel gave is one component of a path.
fn is_ipv6_router(interface: &str) -> bool {
    std::fs::read(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"))
        .is_ok_and(|value| value.first().is_some_and(|digit| (b'1'..=b'9').contains(digit)))
}

/// Sends announcements in batches. An address is queued at most once, so the queue is as bounded as the
/// configuration.
#[derive(Default)]
pub struct Announcer {
    lanes: BTreeMap<u32, Lane>,
    paces: Paces,
}

impl Announcer {
    /// An announcer without sockets: each is opened with the first frame through its interface.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how fast frames may leave from now on.
    pub fn set_paces(&mut self, paces: Paces) {
        self.paces = paces;
    }

    /// When something may leave that waits for its interface's pace.
    pub fn next(&self) -> Option<Mono> {
        if self.paces.is_free() { None } else { self.paces.next(clock::now()) }
    }

    /// Queues `times` frames for an address. One that is waiting already is brought up to date and sent the
    /// greater number of times.
    pub fn queue(&mut self, announcement: Announcement, times: u8) {
        if times > 0 {
            self.lanes.entry(announcement.ifindex).or_default().queue(announcement, times);
        }
    }

    /// Drops what is queued for an address that this host gave up.
    pub fn cancel(&mut self, ifindex: u32, address: IpAddr) {
        if let Some(lane) = self.lanes.get_mut(&ifindex) {
            lane.cancel(address);
        }
    }

    /// Closes the socket of an interface that is gone, and drops what was queued for it.
    pub fn forget(&mut self, ifindex: u32) {
        self.lanes.remove(&ifindex);
    }

    /// Addresses that are waiting for at least one frame.
    pub fn pending(&self) -> usize {
        self.lanes.values().map(Lane::pending).sum()
    }

    /// Sends at most `max` frames without waiting and returns how many went out: first announcements if any can
    /// be sent, repeats otherwise.
    ///
    /// What an interface's full transmit queue does not take stays where it is and is no failure: none sent,
    /// none failed and some pending means to try again a little later. Frames that fail otherwise, or whose queue
    /// has taken nothing in thousands of tries, are appended to `failures` and are not tried again; what repeats
    /// are left follow in their turn, so a stuck interface is given up on after a bounded effort.
    pub fn send_slice(&mut self, max: usize, failures: &mut Vec<NetError>) -> usize {
        match self.send(Turn::First, max, failures) {
            0 => self.send(Turn::Repeats, max, failures),
            sent => sent,
        }
    }

    /// Sends like [`Announcer::send_slice`], but no repeats: for while more addresses are on their way, whose
    /// first announcements the repeats would hold up.
    pub fn send_first(&mut self, max: usize, failures: &mut Vec<NetError>) -> usize {
        self.send(Turn::First, max, failures)
    }

    fn send(&mut self, turn: Turn, max: usize, failures: &mut Vec<NetError>) -> usize {
        let (mut sent, before) = (0, failures.len());
        let free = self.paces.is_free();
        let now = if free { Mono(0) } else { clock::now() };
        for (ifindex, lane) in &mut self.lanes {
            let left = max.saturating_sub(sent + failures.len() - before);
            let paces = &mut self.paces;
            sent += lane.send(turn, left, &mut |ipv6| free || paces.pass(*ifindex, ipv6, now), failures);
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_without_arp_announce_nothing() {
        let interface = Interface {
            ifindex: 2,
            name: "eth0".into(),
            up: true,
            running: true,
            mac: Some([2; 6]),
            arp: true,
        };
        let vip = IpAddr::from([10, 0, 0, 1]);
        assert!(Announcement::on(&interface, vip).is_some());
        assert!(Announcement::on(&Interface { arp: false, ..interface.clone() }, vip).is_none());
        assert!(Announcement::on(&Interface { mac: None, ..interface }, vip).is_none());
    }
}
