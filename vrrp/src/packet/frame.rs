//! From a frame on the wire to the VRRP message in it, exactly as the XDP program walks there.
//!
//! What is not VRRP for one of our routers passes untouched, damaged packets included: the headers up to the VRID
//! only find out whose packet it is. Judging it is the work of [`super::receive`].

use vipward_common::abi::{Address, RouterKey};
use vipward_common::wire::{IPPROTO_VRRP, eth, ipv4, ipv6, vrrp};

use super::receive::{Envelope, Expectations, Verdict, check};
use crate::types::Family;

/// Where a packet came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Interface index.
    pub ifindex: u32,
    /// First VLAN tag that the frame still carried, 0 without. A tag of VLAN 0 only carries a priority
    /// (IEEE 802.1Q §6.9) and counts as none.
    pub outer_vid: u16,
    /// Second VLAN tag, 0 without.
    pub inner_vid: u16,
    /// MAC of the sender, where it is known.
    pub mac: Option<[u8; 6]>,
}

impl Arrival {
    /// An untagged packet on an interface.
    #[must_use]
    pub const fn on(ifindex: u32) -> Arrival {
        Arrival { ifindex, outer_vid: 0, inner_vid: 0, mac: None }
    }

    /// Notes one more tag.
    fn tagged(self, vid: u16) -> Arrival {
        match self {
            _ if vid == 0 => self,
            Arrival { outer_vid: 0, .. } => Arrival { outer_vid: vid, ..self },
            _ => Arrival { inner_vid: vid, ..self },
        }
    }

    /// The router that a packet of this VRID belongs to.
    #[must_use]
    pub const fn key(self, family: Family, vrid: u8) -> RouterKey {
        RouterKey {
            ifindex: self.ifindex,
            outer_vid: self.outer_vid,
            inner_vid: self.inner_vid,
            family: family.number(),
            vrid,
            reserved: [0; 2],
        }
    }
}

/// The verdict on an Ethernet frame that came in on `ifindex`: up to two VLAN tags, IPv4 with options, or IPv6 with
/// VRRP right behind its header.
pub fn decode_frame(frame: &[u8], ifindex: u32, expectations: &impl Expectations) -> Verdict {
    match open_frame(frame) {
        Some((tags, packet)) => decode_ip_packet(packet, Arrival { ifindex, ..tags }, expectations),
        None => Verdict::NotOurs,
    }
}

/// The verdict on a packet from its IP header on, as a raw IPv4 or a packet socket delivers it. Bytes behind the
/// length that the IP header gives are link padding.
pub fn decode_ip_packet(packet: &[u8], arrival: Arrival, expectations: &impl Expectations) -> Verdict {
    let ours = open_packet(packet, arrival)
        .and_then(|(envelope, message)| Some((expectations.rules(&envelope.key)?, envelope, message)));
    match ours {
        Some((rules, envelope, message)) => check(&envelope, &rules, message, expectations),
        None => Verdict::NotOurs,
    }
}

/// What the headers of an Ethernet frame that came in on `ifindex` say, and the VRRP message behind them, whichever router
/// it is for; `None` unless it is VRRP. For whoever looks on: nothing is checked.
pub fn dissect(frame: &[u8], ifindex: u32) -> Option<(Envelope, &[u8])> {
    let (tags, packet) = open_frame(frame)?;
    open_packet(packet, Arrival { ifindex, ..tags })
}

/// Peels Ethernet and VLAN headers; `None` unless IP is next.
fn open_frame(frame: &[u8]) -> Option<(Arrival, &[u8])> {
    let mut at = eth::TYPE;
    let mac = frame.get(eth::SOURCE..)?.first_chunk().copied();
    let mut arrival = Arrival { mac, ..Arrival::default() };
    let mut ethertype = be16(frame, at)?;
    for _ in 0..eth::MAX_VLANS {
        if ethertype != eth::VLAN && ethertype != eth::SERVICE_VLAN {
            break;
        }
        arrival = arrival.tagged(be16(frame, at + 2)? & eth::VID_MASK);
        at += eth::VLAN_LEN;
        ethertype = be16(frame, at)?;
    }
    let packet = frame.get(at + 2..)?;
    let nibble = packet.first()? >> 4;
    match (ethertype, nibble) {
        (eth::IPV4, 4) | (eth::IPV6, 6) => Some((arrival, packet)),
        _ => None,
    }
}

/// Reads the IP header and the VRID behind it; `None` when the packet is no VRRP.
fn open_packet(packet: &[u8], arrival: Arrival) -> Option<(Envelope, &[u8])> {
    let (header, family) = match packet.first()? >> 4 {
        4 => (open_ipv4(packet)?, Family::V4),
        6 => (open_ipv6(packet)?, Family::V6),
        _ => return None,
    };
    let message = packet.get(header.len..)?;
    let key = arrival.key(family, *message.get(vrrp::VRID)?);
    let envelope = Envelope {
        key,
        mac: arrival.mac,
        source: header.source,
        destination: header.destination,
        ttl: header.ttl,
        fragment: header.fragment,
        length: header.payload,
    };
    Some((envelope, message))
}

/// What the IP header says of the message behind it.
struct Header {
    len: usize,
    source: Address,
    destination: Address,
    ttl: u8,
    fragment: bool,
    payload: usize,
}

fn open_ipv4(packet: &[u8]) -> Option<Header> {
    let len = usize::from(packet.get(ipv4::VERSION_IHL)? & 0x0f) * 4;
    let fragment = be16(packet, ipv4::FRAGMENT)?;
    if len < ipv4::MIN_LEN
        || *packet.get(ipv4::PROTOCOL)? != IPPROTO_VRRP
        || fragment & ipv4::OFFSET_MASK != 0
    {
        return None;
    }
    Some(Header {
        len,
        source: address::<4>(packet, ipv4::SOURCE)?,
        destination: address::<4>(packet, ipv4::DESTINATION)?,
        ttl: *packet.get(ipv4::TTL)?,
        fragment: fragment & ipv4::FRAGMENT_MASK != 0,
        // A total length below its own header length leaves a message of no length.
        payload: usize::from(be16(packet, ipv4::TOTAL_LEN)?).saturating_sub(len),
    })
}

fn open_ipv6(packet: &[u8]) -> Option<Header> {
    if *packet.get(ipv6::NEXT_HEADER)? != IPPROTO_VRRP {
        return None;
    }
    Some(Header {
        len: ipv6::LEN,
        source: address::<16>(packet, ipv6::SOURCE)?,
        destination: address::<16>(packet, ipv6::DESTINATION)?,
        ttl: *packet.get(ipv6::HOP_LIMIT)?,
        // A fragment header is another next header, so such a packet was not taken for VRRP.
        fragment: false,
        payload: usize::from(be16(packet, ipv6::PAYLOAD_LEN)?),
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))
}

fn address<const N: usize>(bytes: &[u8], at: usize) -> Option<Address> {
    let mut address = Address::default();
    for (to, from) in address.iter_mut().zip(bytes.get(at..)?.first_chunk::<N>()?) {
        *to = *from;
    }
    Some(address)
}
