//! A virtual address, and what rtnetlink is told to add or remove it.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, CacheInfo};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::link::InterfaceAddress;
use crate::net::netlink::Request;

/// A virtual address as it is put on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The interface.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix in bits.
    pub prefix_len: u8,
    /// IPv4: a label other than the interface's name.
    pub label: Option<String>,
    /// IPv4: broadcast address; none unless configured.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4: `RT_SCOPE_…`, 0 for global. IPv6 scopes follow from the address.
    pub scope: u8,
    /// IPv6: for how many seconds the kernel may choose it as a source, `u32::MAX` for ever. It answers as any other
    /// in any case.
    pub preferred: u32,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// Further properties, by the kernel's names. IPv6: without `Nodad` it is of no use for a second or more.
    pub flags: AddressFlags,
    /// Whether it is put back when somebody else removes it.
    pub tracked: bool,
}

/// A preferred lifetime without an end.
const FOREVER: u32 = u32::MAX;

impl Vip {
    /// A virtual address with keepalived's defaults: global, no broadcast, an IPv6 /128 deprecated so that
    /// the host's own connections do not leave from an address that moves away.
    pub fn new(ifindex: u32, address: IpAddr, prefix_len: u8) -> Self {
        Self {
            ifindex,
            address,
            prefix_len,
            label: None,
            broadcast: None,
            scope: 0,
            preferred: if address.is_ipv6() && prefix_len == 128 { 0 } else { FOREVER },
            peer: None,
            // Duplicate address detection would leave the address unusable, and the election has just settled whose
            // it is.
            flags: if address.is_ipv6() { AddressFlags::Nodad } else { AddressFlags::empty() },
            tracked: true,
        }
    }

    /// An address as an interface has it, to be removed from there.
    pub fn found(held: &InterfaceAddress) -> Self {
        Self { peer: held.peer, ..Self::new(held.ifindex, held.address, held.prefix_len) }
    }

    /// Whether this is the address that was found.
    pub fn is(&self, held: &InterfaceAddress) -> bool {
        (self.ifindex, self.address, self.prefix_len) == (held.ifindex, held.address, held.prefix_len)
    }

    /// The request that puts it on its interface.
    pub(super) fn add(&self) -> Request {
        let mut message = self.identity();
        match self.address {
            IpAddr::V4(_) => {
                message.header.scope = self.scope.into();
                message.attributes.extend(self.broadcast.map(AddressAttribute::Broadcast));
                message.attributes.extend(self.label.clone().map(AddressAttribute::Label));
            }
            IpAddr::V6(_) if self.preferred != FOREVER => {
                let mut lifetime = CacheInfo::default();
                lifetime.ifa_valid = FOREVER;
                lifetime.ifa_preferred = self.preferred;
                message.attributes.push(AddressAttribute::CacheInfo(lifetime));
            }
            IpAddr::V6(_) => {}
        }
        message.attributes.push(AddressAttribute::Address(self.peer.unwrap_or(self.address)));
        if !self.flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(self.flags));
        }
        Request { message: RouteNetlinkMessage::NewAddress(message), flags: NLM_F_CREATE | NLM_F_EXCL }
    }

    /// The request that takes it off, without label and scope: an address that was found in place may have others.
    /// The kernel compares the prefix length only if the peer, or else the address itself, is named as well. Both must
    /// be those that the address has there.
    pub(super) fn remove(&self, prefix_len: u8, peer: Option<IpAddr>) -> Request {
        let mut message = self.identity();
        message.attributes.push(AddressAttribute::Address(peer.unwrap_or(self.address)));
        message.header.prefix_len = prefix_len;
        Request { message: RouteNetlinkMessage::DelAddress(message), flags: 0 }
    }

    fn identity(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family =
            if self.address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        message.header.prefix_len = self.prefix_len;
        message.header.index = self.ifindex;
        message.attributes = vec![AddressAttribute::Local(self.address)];
        message
    }
}
