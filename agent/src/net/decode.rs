//! rtnetlink messages about links and addresses, reduced to what the agent uses.
//!
//! Only the attributes that are needed are looked at: the many others change from kernel to kernel, and one
//! that a library does not understand must not hide an interface.

use std::net::IpAddr;

use netlink_packet_core::{NlaBuffer, NlasIterator};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressFlags, AddressHeader};
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType};
use nix::libc::{RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK};

use crate::net::link::{Interface, InterfaceAddress, LinkEvent};

const LINK_HEADER: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;

const ADDRESS_HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_FLAGS: u16 = 8;

/// What a message of the kernel says, or nothing when it is not about a link or an address.
pub(crate) fn event(kind: u16, payload: &[u8]) -> Option<LinkEvent> {
    match kind {
        RTM_NEWLINK => link(payload).map(LinkEvent::Link),
        RTM_DELLINK => {
            let gone = link(payload)?;
            Some(LinkEvent::Gone { ifindex: gone.ifindex, name: gone.name })
        }
        RTM_NEWADDR => address(payload).map(LinkEvent::AddressAdded),
        RTM_DELADDR => address(payload).map(LinkEvent::AddressRemoved),
        _ => None,
    }
}

fn link(payload: &[u8]) -> Option<Interface> {
    let header = LinkHeader::parse(payload).ok()?;
    // A bridge reports its ports as links too: RTM_DELLINK of that family means that the port left the
    // bridge, not that the interface is gone.
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut interface = Interface {
        ifindex: header.index,
        name: String::new(),
        up: header.flags.contains(LinkFlags::Up),
        running: header.flags.contains(LinkFlags::Running | LinkFlags::LowerUp),
        mac: None,
        arp: header.link_layer_type == LinkLayerType::Ether && !header.flags.contains(LinkFlags::Noarp),
    };
    for attribute in attributes(payload, LINK_HEADER) {
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => interface.name = text(value),
            IFLA_ADDRESS => interface.mac = value.try_into().ok(),
            _ => {}
        }
    }
    Some(interface)
}

fn address(payload: &[u8]) -> Option<InterfaceAddress> {
    let header = AddressHeader::parse(payload).ok()?;
    let mut flags = AddressFlags::from_bits_retain(u32::from(header.flags.bits()));
    let (mut local, mut peer, mut label) = (None, None, None);
    for attribute in attributes(payload, ADDRESS_HEADER) {
        let value = attribute.value();
        match attribute.kind() {
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => peer = ip(value),
            IFA_LABEL => label = Some(text(value)),
            // All 32 bits; the header has room for the lowest eight.
            IFA_FLAGS => flags = AddressFlags::from_bits_retain(u32::from_ne_bytes(value.try_into().ok()?)),
            _ => {}
        }
    }
    Some(InterfaceAddress {
        ifindex: header.index,
        // On a point-to-point link IFA_ADDRESS is the other end's; IPv6 mostly has no IFA_LOCAL.
        address: local.or(peer)?,
        peer: peer.filter(|peer| local.is_some_and(|local| local != *peer)),
        prefix_len: header.prefix_len,
        scope: header.scope.into(),
        secondary: flags.contains(AddressFlags::Secondary),
        unusable: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed)
            && !flags.contains(AddressFlags::Optimistic),
        deprecated: flags.contains(AddressFlags::Deprecated),
        label,
    })
}

fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).map_while(Result::ok)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => value.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => value.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link_message(family: u8, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![family, 0];
        bytes.extend(1u16.to_ne_bytes());
        bytes.extend(5u32.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(attributes.concat());
        bytes
    }

    #[test]
    fn a_link_with_an_attribute_nobody_knows() {
        let mac = [2, 0, 0, 0, 0, 9];
        let parts =
            [attribute(0x3f00, &[1, 2, 3]), attribute(IFLA_IFNAME, b"eth0\0"), attribute(IFLA_ADDRESS, &mac)];
        let up_and_running = 1 | 1 << 6 | 1 << 16;
        let expected =
            Interface { ifindex: 5, name: "eth0".into(), up: true, running: true, mac: Some(mac), arp: true };
        assert_eq!(
            event(RTM_NEWLINK, &link_message(0, up_and_running, &parts)),
            Some(LinkEvent::Link(expected))
        );
        assert_eq!(
            event(RTM_DELLINK, &link_message(0, 0, &parts)),
            Some(LinkEvent::Gone { ifindex: 5, name: "eth0".into() })
        );
        let bridge = 7;
        assert_eq!(event(RTM_DELLINK, &link_message(bridge, 0, &parts)), None, "the port left its bridge");
    }

    #[test]
    fn an_address_with_wide_flags_and_every_cut_of_it() {
        let mut bytes = vec![2, 24, 0x80, 253];
        bytes.extend(5u32.to_ne_bytes());
        let header = bytes.len();
        bytes.extend(attribute(IFA_ADDRESS, &[10, 0, 0, 2]));
        bytes.extend(attribute(IFA_LOCAL, &[10, 0, 0, 1]));
        bytes.extend(attribute(IFA_LABEL, b"eth0:1\0"));
        bytes.extend(attribute(IFA_FLAGS, &0x281u32.to_ne_bytes()));
        let Some(LinkEvent::AddressAdded(address)) = event(RTM_NEWADDR, &bytes) else { panic!("no address") };
        assert_eq!(address.address, IpAddr::from([10, 0, 0, 1]), "the local end, not the peer");
        assert_eq!((address.prefix_len, address.scope, address.secondary), (24, 253, true));
        assert_eq!(address.label.as_deref(), Some("eth0:1"));
        for length in 0..bytes.len() {
            let cut = event(RTM_NEWADDR, &bytes[..length]);
            assert!(cut.is_none() || length >= header + 8, "cut to {length}");
        }
    }
}
