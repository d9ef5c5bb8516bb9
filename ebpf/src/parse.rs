//! From the frame's first byte to the VRID: is this packet for one of our routers?

use vipward_common::abi::RouterKey;
use vipward_common::wire::{IPPROTO_VRRP, eth, ipv4, ipv6};

use crate::address::Words;
use crate::frame::{Bytes, Frame};

/// What the headers in front of the VRRP message say.
pub(crate) struct Packet {
    /// The router that it is for.
    pub(crate) key: RouterKey,
    /// MAC of the sender, as it lies in memory.
    pub(crate) mac: [u16; 3],
    /// Sender.
    pub(crate) source: Words,
    /// Receiver.
    pub(crate) destination: Words,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
    /// The first of several fragments.
    pub(crate) fragment: bool,
    /// First byte of the VRRP message: version and type.
    pub(crate) version_type: u8,
    /// Where the VRRP message begins.
    pub(crate) offset: usize,
    /// Length of the message by the IP header; `None` if that contradicts itself.
    pub(crate) length: Option<usize>,
    /// Sum of the pseudo-header's words in host order.
    pub(crate) pseudo_sum: u32,
}

impl Packet {
    /// Sent to a group, and not to one host.
    #[inline(always)]
    pub(crate) fn is_multicast(&self) -> bool {
        if self.key.family == 4 {
            self.destination.first() >> 4 == ipv4::MULTICAST
        } else {
            self.destination.first() == ipv6::MULTICAST
        }
    }
}

/// Ethernet header and tags.
pub(crate) struct Link {
    /// What is behind them.
    pub(crate) ethertype: u16,
    /// Where that begins.
    pub(crate) network: usize,
    /// VLAN of the outer tag, 0 without.
    pub(crate) outer_vid: u16,
    inner_vid: u16,
}

/// The packet's headers; `None` when it is too short, too strange or not VRRP, and so not for us.
#[inline(always)]
pub(crate) fn packet(frame: &Frame, ifindex: u32) -> Option<Packet> {
    let link = link(frame)?;
    let mut packet = match link.ethertype {
        eth::IPV4 => v4(frame, link.network)?,
        eth::IPV6 => v6(frame, link.network)?,
        _ => return None,
    };
    packet.mac = frame.halves(eth::SOURCE)?;
    packet.key.ifindex = ifindex;
    packet.key.outer_vid = link.outer_vid;
    packet.key.inner_vid = link.inner_vid;
    let [version_type, vrid] = frame.u16(packet.offset)?.to_be_bytes();
    packet.version_type = version_type;
    packet.key.vrid = vrid;
    Some(packet)
}

/// Follows up to two VLAN tags. VID 0 is a priority tag and no VLAN.
#[inline(always)]
pub(crate) fn link(frame: &impl Bytes) -> Option<Link> {
    let mut link = Link { ethertype: frame.u16(eth::TYPE)?, network: eth::LEN, outer_vid: 0, inner_vid: 0 };
    for _ in 0..eth::MAX_VLANS {
        if link.ethertype != eth::VLAN && link.ethertype != eth::SERVICE_VLAN {
            break;
        }
        let vid = frame.u16(link.network)? & eth::VID_MASK;
        if link.outer_vid == 0 {
            link.outer_vid = vid;
        } else {
            link.inner_vid = vid;
        }
        link.ethertype = frame.u16(link.network + eth::VLAN_LEN - 2)?;
        link.network += eth::VLAN_LEN;
    }
    Some(link)
}

#[inline(always)]
fn v4(frame: &Frame, at: usize) -> Option<Packet> {
    let header = frame.halves::<{ ipv4::MIN_LEN / 2 }>(at)?;
    let word = |offset: usize| u16::from_be(header[offset / 2]);
    let [ttl, protocol] = word(ipv4::TTL).to_be_bytes();
    // First, for it turns nearly everything away.
    if protocol != IPPROTO_VRRP {
        return None;
    }
    let [version_ihl, _] = word(ipv4::VERSION_IHL).to_be_bytes();
    let header_len = usize::from(version_ihl & 0xf) * 4;
    let fragment = word(ipv4::FRAGMENT);
    if version_ihl >> 4 != 4 || header_len < ipv4::MIN_LEN || fragment & ipv4::OFFSET_MASK != 0 {
        return None;
    }
    let (source, destination) = (ipv4::SOURCE / 2, ipv4::DESTINATION / 2);
    let length = usize::from(word(ipv4::TOTAL_LEN)).checked_sub(header_len);
    let mut pseudo_sum = u32::from(IPPROTO_VRRP) + length.unwrap_or(0) as u32;
    for half in 0..4 {
        pseudo_sum += u32::from(u16::from_be(header[source + half]));
    }
    Some(Packet {
        key: RouterKey { family: 4, ..RouterKey::default() },
        mac: [0; 3],
        source: Words::from_halves([header[source], header[source + 1], 0, 0, 0, 0, 0, 0]),
        destination: Words::from_halves([header[destination], header[destination + 1], 0, 0, 0, 0, 0, 0]),
        ttl,
        fragment: fragment & ipv4::FRAGMENT_MASK != 0,
        version_type: 0,
        offset: at + header_len,
        length,
        pseudo_sum,
    })
}

#[inline(always)]
fn v6(frame: &Frame, at: usize) -> Option<Packet> {
    let header = frame.halves::<{ ipv6::LEN / 2 }>(at)?;
    let word = |offset: usize| u16::from_be(header[offset / 2]);
    let [version, _] = word(0).to_be_bytes();
    let [next_header, hop_limit] = word(ipv6::NEXT_HEADER).to_be_bytes();
    if next_header != IPPROTO_VRRP || version >> 4 != 6 {
        return None;
    }
    let length = word(ipv6::PAYLOAD_LEN);
    let mut pseudo_sum = u32::from(IPPROTO_VRRP) + u32::from(length);
    let (source, destination) = (ipv6::SOURCE / 2, ipv6::DESTINATION / 2);
    for half in 0..16 {
        pseudo_sum += u32::from(u16::from_be(header[source + half]));
    }
    let address = |first: usize| {
        Words::from_halves([
            header[first],
            header[first + 1],
            header[first + 2],
            header[first + 3],
            header[first + 4],
            header[first + 5],
            header[first + 6],
            header[first + 7],
        ])
    };
    Some(Packet {
        key: RouterKey { family: 6, ..RouterKey::default() },
        mac: [0; 3],
        source: address(source),
        destination: address(destination),
        ttl: hop_limit,
        fragment: false,
        version_type: 0,
        offset: at + ipv6::LEN,
        length: Some(usize::from(length)),
        pseudo_sum,
    })
}
