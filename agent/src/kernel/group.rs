//! Membership of the VRRP multicast groups for adverts that no socket reads.
//!
//! XDP sees only what the network card and snooping switches let through, and those go by memberships. The
//! socket that holds one is closed to every packet, so it never wakes anybody.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};
use vipward_common::wire::{GROUP_V4, GROUP_V6};

use super::error::KernelError;

/// Classic BPF `ret #0`: keep no byte of any packet.
const BPF_RET_K: u16 = 0x06;

/// Memberships by interface and family, each for as long as a router needs it.
#[derive(Default)]
pub(super) struct Groups {
    joined: HashMap<(u32, u8), Membership>,
}

struct Membership {
    routers: usize,
    _socket: Socket,
}

impl Groups {
    /// One more router of this family hears multicast on this interface.
    pub(super) fn join(&mut self, ifindex: u32, family: u8) -> Result<(), KernelError> {
        if let Some(membership) = self.joined.get_mut(&(ifindex, family)) {
            membership.routers += 1;
            return Ok(());
        }
        let socket = closed_socket(family).and_then(|socket| {
            join(&socket, ifindex, family)?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| KernelError::Socket {
            action: format!("join the IPv{family} VRRP group on interface {ifindex}"),
            source,
        })?;
        self.joined.insert((ifindex, family), Membership { routers: 1, _socket: socket });
        Ok(())
    }

    /// One router less.
    pub(super) fn leave(&mut self, ifindex: u32, family: u8) {
        if let Some(membership) = self.joined.get_mut(&(ifindex, family)) {
            membership.routers -= 1;
            if membership.routers == 0 {
                self.joined.remove(&(ifindex, family));
            }
        }
    }
}

/// Joins the family's group on one interface.
pub(super) fn join(socket: &Socket, ifindex: u32, family: u8) -> io::Result<()> {
    if family == 4 {
        socket.join_multicast_v4_n(&Ipv4Addr::from(GROUP_V4), &InterfaceIndexOrAddress::Index(ifindex))
    } else {
        socket.join_multicast_v6(&Ipv6Addr::from(GROUP_V6), ifindex)
    }
}

fn closed_socket(family: u8) -> io::Result<Socket> {
    let (domain, protocol) =
        if family == 4 { (Domain::IPV4, Protocol::UDP) } else { (Domain::IPV6, Protocol::UDP) };
    let socket = Socket::new(domain, Type::DGRAM.cloexec(), Some(protocol))?;
    socket.attach_filter(&[SockFilter::new(BPF_RET_K, 0, 0, 0)])?;
    Ok(socket)
}
