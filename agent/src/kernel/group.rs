//! Membership of the VRRP multicast groups for adverts that no socket reads.
//!
//! XDP sees only what the network card and snooping switches let through, and those go by memberships. The
//! socket that holds one is closed to every packet, so it never wakes anybody.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};
use vipward_common::wire::{GROUP_V4, GROUP_V6};

use super::error::KernelError;

/// Classic BPF `ret #0`: keep no byte of any packet.
const BPF_RET_K: u16 = 0x06;

/// Memberships by interface and group, each for as long as a router needs it.
#[derive(Default)]
pub(super) struct Groups {
    joined: HashMap<(u32, IpAddr), Membership>,
}

struct Membership {
    routers: usize,
    _socket: Socket,
}

impl Groups {
    /// One more router hears this group on this interface.
    pub(super) fn join(&mut self, ifindex: u32, group: IpAddr) -> Result<(), KernelError> {
        if let Some(membership) = self.joined.get_mut(&(ifindex, group)) {
            membership.routers += 1;
            return Ok(());
        }
        let socket = closed_socket(group).and_then(|socket| {
            join(&socket, ifindex, group)?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| KernelError::Socket {
            action: format!("join the group {group} on interface {ifindex}"),
            source,
        })?;
        self.joined.insert((ifindex, group), Membership { routers: 1, _socket: socket });
        Ok(())
    }

    /// One router less.
    pub(super) fn leave(&mut self, ifindex: u32, group: IpAddr) {
        if let Some(membership) = self.joined.get_mut(&(ifindex, group)) {
            membership.routers -= 1;
            if membership.routers == 0 {
                self.joined.remove(&(ifindex, group));
            }
        }
    }
}

/// The protocol's own group for a family.
pub(super) fn own(family: u8) -> IpAddr {
    if family == 4 { Ipv4Addr::from(GROUP_V4).into() } else { Ipv6Addr::from(GROUP_V6).into() }
}

/// Joins a group on one interface.
pub(super) fn join(socket: &Socket, ifindex: u32, group: IpAddr) -> io::Result<()> {
    match group {
        IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(ifindex)),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, ifindex),
    }
}

fn closed_socket(group: IpAddr) -> io::Result<Socket> {
    let domain = if group.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM.cloexec(), Some(Protocol::UDP))?;
    socket.attach_filter(&[SockFilter::new(BPF_RET_K, 0, 0, 0)])?;
    Ok(socket)
}
