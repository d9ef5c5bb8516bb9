//! A raw socket for one interface and family, and what it takes to know a packet's destination and TTL from it.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::sys::socket::sockopt::{Ipv6RecvHopLimit, Ipv6RecvPacketInfo};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt};
use socket2::{Domain, Protocol, Socket, Type};
use vipward_common::abi::Address;
use vipward_common::wire::{IPPROTO_VRRP, ipv4, vrrp};
use vipward_vrrp::packet::{Arrival, Envelope, Expectations, Verdict, check, decode_ip_packet};
use vipward_vrrp::types::Family;

use super::error::KernelError;
use super::group;

/// Room for the longest packet that passes the checks, and one byte more to see that a message is too long.
const BUFFER: usize = ipv4::MAX_LEN + vrrp::MAX_LEN + 1;

/// Packets that may have come in before the socket was bound: more than its default buffer holds.
const STRAYS: usize = 1024;

/// A bound, non-blocking socket that has joined the group.
pub(super) struct RawSocket {
    socket: Socket,
    ifindex: u32,
    family: Family,
    buffer: Box<[u8; BUFFER]>,
    control: Vec<u8>,
}

impl RawSocket {
    /// Opens a socket that hears VRRP of this family on this interface, and nothing else.
    pub(super) fn open(ifindex: u32, family: Family) -> Result<RawSocket, KernelError> {
        let socket = open(ifindex, family).map_err(|source| {
            if source.raw_os_error() == Some(Errno::EPERM as i32) {
                return KernelError::Privileges(
                    "the socket data path needs CAP_NET_RAW, which this process lacks".into(),
                );
            }
            KernelError::Socket {
                action: format!("open a raw {family} socket on interface {ifindex}"),
                source,
            }
        })?;
        let control = nix::cmsg_space!(nix::libc::in6_pktinfo, i32);
        Ok(RawSocket { socket, ifindex, family, buffer: Box::new([0; BUFFER]), control })
    }

    /// The verdict on the next packet; `None` when there is none at the moment.
    pub(super) fn receive(&mut self, expectations: &impl Expectations) -> Option<Verdict> {
        match self.family {
            Family::V4 => self.receive_v4(expectations),
            Family::V6 => self.receive_v6(expectations),
        }
    }

    /// A raw IPv4 socket delivers the header too.
    fn receive_v4(&mut self, expectations: &impl Expectations) -> Option<Verdict> {
        let result =
            nix::sys::socket::recv(self.socket.as_raw_fd(), &mut self.buffer[..], MsgFlags::MSG_DONTWAIT);
        let length = received(result)?;
        let packet = self.buffer.get(..length)?;
        Some(decode_ip_packet(packet, Arrival::on(self.ifindex), expectations))
    }

    /// A raw IPv6 socket delivers the message, and what was in front of it on request.
    fn receive_v6(&mut self, expectations: &impl Expectations) -> Option<Verdict> {
        let mut slices = [IoSliceMut::new(&mut self.buffer[..])];
        let result = recvmsg::<SockaddrIn6>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut self.control),
            MsgFlags::MSG_DONTWAIT,
        );
        let message = received(result)?;
        let length = message.bytes;
        let source = message.address.map(|address| address.ip().octets());
        let mut destination: Option<Address> = None;
        let mut ttl = None;
        for ancillary in message.cmsgs().into_iter().flatten() {
            match ancillary {
                ControlMessageOwned::Ipv6PacketInfo(info) => destination = Some(info.ipi6_addr.s6_addr),
                ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                _ => {}
            }
        }
        let message = self.buffer.get(..length)?;
        let arrival = Arrival::on(self.ifindex);
        let verdict = match (source, destination, ttl, message.get(vrrp::VRID)) {
            (Some(source), Some(destination), Some(ttl), Some(vrid)) => {
                let key = arrival.key(Family::V6, *vrid);
                let envelope = Envelope { key, mac: None, source, destination, ttl, fragment: false, length };
                match expectations.rules(&key) {
                    Some(rules) => check(&envelope, &rules, message, expectations),
                    None => Verdict::NotOurs,
                }
            }
            _ => Verdict::NotOurs,
        };
        Some(verdict)
    }
}

impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `None` for an empty socket, and for an interface that is down or gone: the links' monitor tells about those.
fn received<T>(result: nix::Result<T>) -> Option<T> {
    result.ok()
}

fn open(ifindex: u32, family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let protocol = Protocol::from(i32::from(IPPROTO_VRRP));
    let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    let name = if_indextoname(ifindex)?;
    socket.bind_device(Some(name.to_bytes()))?;
    match family {
        Family::V4 => socket.set_multicast_all_v4(false)?,
        Family::V6 => {
            socket.set_multicast_all_v6(false)?;
            setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
            setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
        }
    }
    group::join(&socket, ifindex, group::own(family.number()))?;
    // Until it was bound it heard every interface, and what it heard there would count as heard here.
    for _ in 0..STRAYS {
        if nix::sys::socket::recv(socket.as_raw_fd(), &mut [0], MsgFlags::MSG_DONTWAIT).is_err() {
            break;
        }
    }
    Ok(socket)
}
