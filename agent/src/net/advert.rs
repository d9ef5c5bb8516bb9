//! Adverts on their way out: raw sockets per interface and family, and one system call for all that are due.
//!
//! A [`Frame`] is a whole IP packet, built once per (priority, interval, addresses) and queued as often as it
//! is due. Packets take the kernel's IP output path, so a firewall's output chain sees them. The sockets are
//! of protocol `IPPROTO_RAW`: adverts that arrive are not theirs, and neither are ICMP errors about those sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;
use nix::libc;
use vipward_common::wire::{IPPROTO_VRRP, ipv4, ipv6};

use crate::net::error::NetError;
use crate::net::socket::{Destination, Outbox, RawSocket, family};

/// Type of service of adverts: internetwork control, as routers and keepalived send it.
const TOS: u8 = 0xc0;

/// Why no packet can be made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Source and destination are not of one family.
    #[error("source {from} and destination {to} are of different families")]
    Families {
        /// The source.
        from: IpAddr,
        /// The destination.
        to: IpAddr,
    },
    /// Longer than an IP packet can be.
    #[error("a message of {0} bytes does not fit into an IP packet")]
    TooLong(usize),
}

/// An advert as an IP packet, ready to be sent any number of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    ifindex: u32,
    destination: IpAddr,
    packet: Vec<u8>,
}

impl Frame {
    /// Puts an IP header before an encoded VRRP message, whose checksum must be complete.
    ///
    /// `hop_limit` is 255 for multicast (RFC 9568 §5.1.1.3, §5.1.2.3); a unicast instance may lower it.
    pub fn new(
        ifindex: u32,
        source: IpAddr,
        destination: IpAddr,
        hop_limit: u8,
        message: &[u8],
    ) -> Result<Self, FrameError> {
        let packet = match (source, destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => packet_v4(from, to, hop_limit, message),
            (IpAddr::V6(from), IpAddr::V6(to)) => packet_v6(from, to, hop_limit, message),
            (from, to) => return Err(FrameError::Families { from, to }),
        };
        let packet = packet.ok_or(FrameError::TooLong(message.len()))?;
        Ok(Self { ifindex, destination, packet })
    }

    /// The interface it leaves by.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Where it goes: the group or a unicast peer.
    pub fn destination(&self) -> IpAddr {
        self.destination
    }

    /// The IP packet.
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    fn address(&self) -> Destination {
        address(self.destination, self.ifindex)
    }
}

/// Where a packet to `destination` goes.
fn address(destination: IpAddr, ifindex: u32) -> Destination {
    {
        match destination {
            IpAddr::V4(to) => Destination::V4(libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: 0,
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.octets()) },
                sin_zero: [0; 8],
            }),
            IpAddr::V6(to) => Destination::V6(libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: to.octets() },
                sin6_scope_id: ifindex,
            }),
        }
    }
}

/// The kernel fills in total length (again), identification and header checksum.
fn packet_v4(from: Ipv4Addr, to: Ipv4Addr, ttl: u8, message: &[u8]) -> Option<Vec<u8>> {
    const VERSION_4_WITHOUT_OPTIONS: u8 = 0x45;
    let total = u16::try_from(ipv4::MIN_LEN + message.len()).ok()?;
    let mut packet = Vec::with_capacity(usize::from(total));
    packet.extend([VERSION_4_WITHOUT_OPTIONS, TOS]);
    packet.extend(total.to_be_bytes());
    packet.extend([0; 4]); // identification, flags and fragment offset
    packet.extend([ttl, IPPROTO_VRRP]);
    packet.extend([0; 2]); // checksum
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(message);
    Some(packet)
}

fn packet_v6(from: Ipv6Addr, to: Ipv6Addr, hop_limit: u8, message: &[u8]) -> Option<Vec<u8>> {
    const VERSION_6: u32 = 6 << 28;
    const TRAFFIC_CLASS: u32 = (TOS as u32) << 20;
    let payload = u16::try_from(message.len()).ok()?;
    let mut packet = Vec::with_capacity(ipv6::LEN + message.len());
    packet.extend((VERSION_6 | TRAFFIC_CLASS).to_be_bytes());
    packet.extend(payload.to_be_bytes());
    packet.extend([IPPROTO_VRRP, hop_limit]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(message);
    Some(packet)
}

/// Sockets are apart by interface, so that one with a stuck transmit queue holds up nobody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    ifindex: u32,
    v6: bool,
}

#[derive(Default)]
struct Lane {
    /// Opened with the first advert, and again after a failure.
    socket: Option<RawSocket>,
    outbox: Outbox,
    /// Per packet of the outbox, for reporting.
    waiting: Vec<(u64, IpAddr)>,
}

/// Sends adverts in batches.
#[derive(Default)]
pub struct AdvertSender {
    lanes: BTreeMap<Port, Lane>,
}

impl AdvertSender {
    /// A sender without sockets: each is opened with the first advert through its interface.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an advert to what the next [`AdvertSender::flush`] sends. `token` comes back if it fails.
    pub fn queue(&mut self, token: u64, frame: &Frame) {
        let port = Port { ifindex: frame.ifindex, v6: frame.destination.is_ipv6() };
        let lane = self.lanes.entry(port).or_default();
        lane.outbox.push(frame.address(), |bytes| bytes.extend_from_slice(&frame.packet));
        lane.waiting.push((token, frame.destination));
    }

    /// Number of adverts queued.
    pub fn queued(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// Sends everything queued without waiting and returns how many adverts went out. Those that did not are
    /// appended to `failures` with their tokens; they are not tried again, the next interval brings the next.
    pub fn flush(&mut self, failures: &mut Vec<(u64, NetError)>) -> usize {
        let mut sent = 0;
        for (port, lane) in &mut self.lanes {
            if lane.waiting.is_empty() {
                continue;
            }
            let before = failures.len();
            match lane.socket.take().map_or_else(|| open(port.ifindex, port.v6), Ok) {
                Ok(socket) => {
                    lane.outbox.flush(&socket, |position, errno| {
                        if let Some((token, subject)) = lane.waiting.get(position).copied() {
                            let (what, ifindex) = ("an advert", port.ifindex);
                            failures.push((token, NetError::Send { what, subject, ifindex, errno }));
                        }
                    });
                    lane.socket = Some(socket);
                }
                Err(errno) => {
                    lane.outbox.clear();
                    let failure = NetError::Open { what: "adverts", errno };
                    failures.extend(lane.waiting.iter().map(|(token, _)| (*token, failure.clone())));
                }
            }
            sent += lane.waiting.len() - (failures.len() - before);
            lane.waiting.clear();
        }
        sent
    }

    /// Closes the sockets of an interface that is gone.
    pub fn forget(&mut self, ifindex: u32) {
        self.lanes.retain(|port, _| port.ifindex != ifindex);
    }
}

/// Sends one packet, whole with its IP header, through a socket of [`open`].
pub(crate) fn send(
    socket: &RawSocket,
    ifindex: u32,
    destination: IpAddr,
    packet: &[u8],
) -> Result<(), Errno> {
    socket.send(address(destination, ifindex), packet)
}

/// A socket for adverts that leave by one interface.
pub(crate) fn open(ifindex: u32, v6: bool) -> Result<RawSocket, Errno> {
    // IPPROTO_RAW means that packets come with their IP header, in both families.
    let domain = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let socket = RawSocket::open(domain, libc::IPPROTO_RAW)?;
    let ifindex = libc::c_int::try_from(ifindex).map_err(|_| Errno::ENODEV)?;
    // Bound to the interface: no multicast route is needed, and unicast leaves by it too.
    socket.set(libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, ifindex)?;
    let off: libc::c_int = 0;
    if v6 {
        socket.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, ifindex)?;
        socket.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, off)?;
    } else {
        let any = libc::in_addr { s_addr: 0 };
        let interface = libc::ip_mreqn { imr_multiaddr: any, imr_address: any, imr_ifindex: ifindex };
        // Of all options, only this one looks whether the interface is there, and calls it an address.
        socket.set(libc::IPPROTO_IP, libc::IP_MULTICAST_IF, interface).map_err(|errno| match errno {
            Errno::EADDRNOTAVAIL => Errno::ENODEV,
            other => other,
        })?;
        socket.set(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, off)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [u8; 12] = [0x31, 7, 100, 1, 0, 100, 0xab, 0xcd, 10, 0, 0, 50];

    #[test]
    fn ipv4_packet() {
        let frame =
            Frame::new(3, IpAddr::from([10, 0, 0, 1]), IpAddr::from([224, 0, 0, 18]), 255, &MESSAGE).unwrap();
        let header = [0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18];
        assert_eq!(frame.packet(), [&header[..], &MESSAGE].concat());
        assert_eq!((frame.ifindex(), frame.destination()), (3, IpAddr::from([224, 0, 0, 18])));
    }

    #[test]
    fn ipv6_packet() {
        let (from, to): (Ipv6Addr, Ipv6Addr) = ("fe80::1".parse().unwrap(), "ff02::12".parse().unwrap());
        let frame = Frame::new(3, from.into(), to.into(), 255, &MESSAGE).unwrap();
        let fixed = [0x6c, 0, 0, 0, 0, 12, 112, 255];
        assert_eq!(frame.packet(), [&fixed[..], &from.octets(), &to.octets(), &MESSAGE].concat());
    }

    #[test]
    fn impossible_packets() {
        let (v4, v6) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([0u16; 8]));
        assert_eq!(Frame::new(3, v4, v6, 255, &[]), Err(FrameError::Families { from: v4, to: v6 }));
        let long = vec![0; 65516];
        assert_eq!(Frame::new(3, v4, v4, 255, &long), Err(FrameError::TooLong(65516)));
        assert!(Frame::new(3, v4, v4, 255, &long[1..]).is_ok());
    }
}
