//! Interfaces and their addresses: the table at start, and the changes since.
//!
//! Open the [`Monitor`] first, then read [`Links::dump`], then drain the monitor into the table: no change can
//! fall between the two. After [`LinkEvent::Overrun`] the table must be read again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::Socket;
use nix::errno::Errno;
use nix::libc::{RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_LINK};

use crate::net::decode;
use crate::net::error::{NetError, errno_of};
use crate::net::netlink::{Messages, Netlink, open_socket, receive};

/// Datagrams read per call of [`Monitor::drain`]; the descriptor stays readable when there are more.
const DRAIN_DATAGRAMS: usize = 256;

/// An interface, as far as elections care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index: a re-created interface of the same name has another one.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Has a carrier and is operational (`IFF_RUNNING` and `IFF_LOWER_UP`).
    pub running: bool,
    /// Ethernet address, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// Ethernet with neighbour resolution, so that announcing an address makes sense.
    pub arp: bool,
}

impl Interface {
    /// Whether packets can be sent and received: keepalived's test for FAULT.
    pub fn usable(&self) -> bool {
        self.up && self.running
    }
}

/// An address that an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface.
    pub ifindex: u32,
    /// The local address.
    pub address: IpAddr,
    /// The other end, on a point-to-point link.
    pub peer: Option<IpAddr>,
    /// Length of its prefix in bits.
    pub prefix_len: u8,
    /// `RT_SCOPE_…`: 0 is global, 253 link.
    pub scope: u8,
    /// IPv4: not the first of its subnet.
    pub secondary: bool,
    /// IPv6: duplicate address detection is under way or has failed.
    pub unusable: bool,
    /// IPv6: not to be chosen as a source.
    pub deprecated: bool,
    /// IPv4: the label, by default the interface's name.
    pub label: Option<String>,
}

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// An interface appeared, or is now as described. The kernel repeats itself: compare before acting.
    Link(Interface),
    /// An interface was removed.
    Gone {
        /// Its index, never used again for another.
        ifindex: u32,
        /// Its name.
        name: String,
    },
    /// An address was added, or is now as described.
    AddressAdded(InterfaceAddress),
    /// An address was removed, by whomever.
    AddressRemoved(InterfaceAddress),
    /// Changes were lost: read the table again. Those that follow are newer than this.
    Overrun,
}

/// The stream of changes.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Subscribes, in the network namespace of the calling thread.
    pub fn open() -> Result<Self, NetError> {
        let what = "link and address changes (rtnetlink)";
        let socket = open_socket(what, |_| Ok(()))?;
        for group in [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] {
            socket.add_membership(group).map_err(|error| NetError::Open { what, errno: errno_of(&error) })?;
        }
        Ok(Self { socket, buffer: vec![0; 64 * 1024] })
    }

    /// The descriptor that becomes readable when something changed.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Appends the changes so far to `events` without waiting; bounded, so call again while readable.
    pub fn drain(&mut self, events: &mut Vec<LinkEvent>) {
        for _ in 0..DRAIN_DATAGRAMS {
            match receive(&self.socket, &mut self.buffer) {
                Ok(length) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    events.extend(
                        Messages::of(datagram).filter_map(|part| decode::event(part.kind, part.payload)),
                    );
                }
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                // ENOBUFS: the kernel dropped changes. Anything else is as bad, and the remedy is the same.
                Err(_) => {
                    self.discard();
                    events.push(LinkEvent::Overrun);
                    return;
                }
            }
        }
    }

    /// Throws away what is queued, which is older than the table that will be read now. Until nothing is left
    /// the kernel drops every further change, without saying so again; hence this is bounded by what the
    /// receive buffer holds.
    fn discard(&mut self) {
        while matches!(
            receive(&self.socket, &mut self.buffer),
            Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS | Errno::EMSGSIZE)
        ) {}
    }
}

/// The table of interfaces and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    interfaces: BTreeMap<u32, Interface>,
    /// Per interface, in the kernel's order.
    addresses: BTreeMap<u32, Vec<InterfaceAddress>>,
}

impl Links {
    /// Reads the table from the kernel.
    pub fn dump(netlink: &mut Netlink) -> Result<Self, NetError> {
        let all_links = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut links = Self::default();
        for event in netlink.dump("interfaces", &all_links, decode::event)? {
            links.apply(&event);
        }
        for address in dump_addresses(netlink, None)? {
            links.apply(&LinkEvent::AddressAdded(address));
        }
        Ok(links)
    }

    /// Takes a change over. `Overrun` changes nothing: dump again.
    pub fn apply(&mut self, event: &LinkEvent) {
        match event {
            LinkEvent::Link(interface) => {
                self.interfaces.insert(interface.ifindex, interface.clone());
            }
            LinkEvent::Gone { ifindex, .. } => {
                self.interfaces.remove(ifindex);
                self.addresses.remove(ifindex);
            }
            LinkEvent::AddressAdded(added) => {
                let known = self.addresses.entry(added.ifindex).or_default();
                match known.iter_mut().find(|address| same(address, added)) {
                    Some(address) => *address = added.clone(),
                    None => known.push(added.clone()),
                }
            }
            LinkEvent::AddressRemoved(removed) => {
                if let Some(known) = self.addresses.get_mut(&removed.ifindex) {
                    known.retain(|address| !same(address, removed));
                    if known.is_empty() {
                        self.addresses.remove(&removed.ifindex);
                    }
                }
            }
            LinkEvent::Overrun => {}
        }
    }

    /// The interface of that name, if it is there.
    pub fn by_name(&self, name: &str) -> Option<&Interface> {
        self.interfaces.values().find(|interface| interface.name == name)
    }

    /// The interface of that index, if it is there.
    pub fn by_index(&self, ifindex: u32) -> Option<&Interface> {
        self.interfaces.get(&ifindex)
    }

    /// All interfaces.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }

    /// The addresses of an interface, in the kernel's order.
    pub fn addresses(&self, ifindex: u32) -> &[InterfaceAddress] {
        self.addresses.get(&ifindex).map_or(&[], Vec::as_slice)
    }

    /// All interfaces that have this address.
    pub fn holders(&self, address: IpAddr) -> impl Iterator<Item = &InterfaceAddress> {
        self.addresses.values().flatten().filter(move |held| held.address == address)
    }

    /// The source of IPv4 adverts: the interface's primary address (RFC 9568 §5.1.1.1), never a virtual one.
    ///
    /// A virtual address may be first in its subnet and so be flagged primary, which would leave the real one
    /// flagged secondary: hence the second choice.
    pub fn source_v4(&self, ifindex: u32, is_virtual: impl Fn(IpAddr) -> bool) -> Option<Ipv4Addr> {
        let real = || {
            self.addresses(ifindex).iter().filter_map(|held| match held.address {
                IpAddr::V4(address) if !is_virtual(held.address) => Some((held.secondary, address)),
                _ => None,
            })
        };
        let primary = real().find(|(secondary, _)| !secondary);
        primary.or_else(|| real().next()).map(|(_, address)| address)
    }

    /// The source of IPv6 adverts: a link-local address that may be used (RFC 9568 §5.1.2.1), never a virtual one.
    pub fn source_v6(&self, ifindex: u32, is_virtual: impl Fn(IpAddr) -> bool) -> Option<Ipv6Addr> {
        let usable =
            self.addresses(ifindex).iter().filter(|held| !held.unusable && !is_virtual(held.address));
        let link_local = usable.filter_map(|held| match held.address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some((held.deprecated, address)),
            _ => None,
        });
        link_local.min_by_key(|(deprecated, _)| *deprecated).map(|(_, address)| address)
    }
}

/// Reads the addresses of one interface, or of all.
pub(super) fn dump_addresses(
    netlink: &mut Netlink,
    ifindex: Option<u32>,
) -> Result<Vec<InterfaceAddress>, NetError> {
    let mut request = AddressMessage::default();
    request.header.index = ifindex.unwrap_or(0);
    netlink.dump("addresses", &RouteNetlinkMessage::GetAddress(request), |kind, payload| {
        match decode::event(kind, payload)? {
            // An old kernel ignores the index in the request.
            LinkEvent::AddressAdded(address) if ifindex.is_none_or(|wanted| wanted == address.ifindex) => {
                Some(address)
            }
            _ => None,
        }
    })
}

/// Whether two records are about the same address, by the kernel's idea of identity.
fn same(one: &InterfaceAddress, other: &InterfaceAddress) -> bool {
    one.address == other.address && (one.address.is_ipv6() || one.prefix_len == other.prefix_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(address: &str, prefix_len: u8) -> InterfaceAddress {
        InterfaceAddress {
            ifindex: 2,
            address: address.parse().unwrap(),
            peer: None,
            prefix_len,
            scope: 0,
            secondary: false,
            unusable: false,
            deprecated: false,
            label: None,
        }
    }

    fn table(addresses: Vec<InterfaceAddress>) -> Links {
        let mut links = Links::default();
        for address in addresses {
            links.apply(&LinkEvent::AddressAdded(address));
        }
        links
    }

    #[test]
    fn ipv4_source_is_the_primary_and_never_virtual() {
        let vip = |address: IpAddr| address == IpAddr::from([10, 0, 0, 50]);
        let secondary = InterfaceAddress { secondary: true, ..held("10.0.0.3", 24) };
        let links = table(vec![held("10.0.0.50", 32), secondary.clone(), held("10.0.0.2", 24)]);
        assert_eq!(links.source_v4(2, vip), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(
            table(vec![held("10.0.0.50", 24), secondary]).source_v4(2, vip),
            Some(Ipv4Addr::new(10, 0, 0, 3))
        );
        assert_eq!(table(vec![held("10.0.0.50", 24)]).source_v4(2, vip), None);
        assert_eq!(links.source_v4(3, vip), None, "another interface");
        assert_eq!(links.source_v6(2, vip), None, "another family");
    }

    #[test]
    fn ipv6_source_is_link_local_and_not_tentative() {
        let tentative = InterfaceAddress { unusable: true, ..held("fe80::1", 64) };
        let deprecated = InterfaceAddress { deprecated: true, ..held("fe80::2", 64) };
        let links = table(vec![held("fd00::9", 64), tentative, deprecated, held("fe80::3", 64)]);
        assert_eq!(links.source_v6(2, |_| false), Some("fe80::3".parse().unwrap()));
        let vip: IpAddr = "fe80::3".parse().unwrap();
        assert_eq!(links.source_v6(2, |address| address == vip), Some("fe80::2".parse().unwrap()));
    }

    #[test]
    fn changes_are_taken_over() {
        let mut links = table(vec![held("10.0.0.2", 24), held("10.0.0.2", 32)]);
        assert_eq!(links.addresses(2).len(), 2, "IPv4 addresses differ by their prefix");
        links.apply(&LinkEvent::AddressRemoved(held("10.0.0.2", 24)));
        assert_eq!(links.addresses(2), [held("10.0.0.2", 32)]);
        links.apply(&LinkEvent::Gone { ifindex: 2, name: "eth0".into() });
        assert_eq!(links, Links::default());
    }
}
