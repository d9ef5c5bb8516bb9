//! A frame in words: an advert, a gratuitous ARP or an unsolicited neighbour advert, and what is wrong about it by itself.
//! What is wrong about an advert is found by [`super::judge`].

use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;
use vipward_common::wire::{arp, eth, ipv6, nd};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::packet::{Advert, Envelope, dissect};
use vipward_vrrp::types::Family;

/// Operation of an ARP request, and of a reply.
const ARP_OPERATIONS: [u16; 2] = [1, 2];
/// Hop limit of neighbour discovery (RFC 4861 §7.1.2).
const HOPS: u8 = 255;
/// RFC 4861 §4.4: it answers somebody; it replaces what is known.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Where in the ARP packet the sender's MAC is.
const ARP_MAC: usize = 8;
/// Where in the neighbour advert its flags are, and its options begin.
const NA_FLAGS: usize = 4;
const NA_OPTIONS: usize = 24;
/// The option with the link-layer address.
const TARGET_MAC: u8 = 2;

/// What somebody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Body {
    /// A VRRP advert, or what was to be one.
    Advert(Heard),
    /// A gratuitous ARP.
    Garp {
        /// The address that is told.
        address: IpAddr,
        /// The MAC that is told for it.
        told: String,
    },
    /// An unsolicited neighbour advert.
    Na {
        /// The address that is told.
        address: IpAddr,
        /// The MAC that is told for it.
        told: Option<String>,
    },
}

/// An advert, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Heard {
    /// Sender.
    pub(crate) source: IpAddr,
    /// Group, or one host.
    pub(crate) destination: IpAddr,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
    /// VRRP version.
    pub(crate) version: u8,
    /// Virtual router identifier.
    pub(crate) vrid: u8,
    /// Priority; the rest too is absent if the message is damaged.
    pub(crate) priority: Option<u8>,
    /// Milliseconds from one advert to the next.
    pub(crate) interval_ms: Option<u64>,
    /// Addresses that it lists.
    pub(crate) addresses: Vec<IpAddr>,
    /// It carries a password, which is not shown.
    pub(crate) password: bool,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    /// A word for it; of adverts that would be rejected, the name of the counter.
    pub(crate) what: String,
    /// The same for a person.
    pub(crate) message: String,
}

impl Fault {
    /// Of this kind.
    pub(crate) fn new(what: &str, message: impl Into<String>) -> Fault {
        Fault { what: what.to_owned(), message: message.into() }
    }
}

/// What a frame is, if it is anything that concerns us, with the faults that need no configuration to be seen. An advert
/// comes with its headers and message, for its checks.
pub(crate) struct Read<'a> {
    /// MAC of its sender.
    pub(crate) mac: [u8; 6],
    /// What it is.
    pub(crate) body: Body,
    /// What is wrong about it; nothing yet of an advert.
    pub(crate) faults: Vec<Fault>,
    /// What the checks of an advert look at.
    pub(crate) advert: Option<(Envelope, &'a [u8])>,
}

/// Reads a frame.
pub(crate) fn read(frame: &[u8], ifindex: u32) -> Option<Read<'_>> {
    let mac = *frame.get(eth::SOURCE..)?.first_chunk()?;
    if let Some((envelope, message)) = dissect(frame, ifindex) {
        let body = Body::Advert(heard(&envelope, message));
        return Some(Read { mac, body, faults: Vec::new(), advert: Some((envelope, message)) });
    }
    let (ethertype, packet) = payload(frame)?;
    let (body, faults) = match ethertype {
        eth::ARP => garp(packet, mac)?,
        eth::IPV6 => na(packet, mac)?,
        _ => return None,
    };
    Some(Read { mac, body, faults, advert: None })
}

/// Bytes as a MAC is written.
pub(crate) fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_be_bytes(*half))
}

/// What is behind the Ethernet header and its tags.
fn payload(frame: &[u8]) -> Option<(u16, &[u8])> {
    let mut at = eth::TYPE;
    for _ in 0..eth::MAX_VLANS {
        if !matches!(half(frame, at)?, eth::VLAN | eth::SERVICE_VLAN) {
            break;
        }
        at += eth::VLAN_LEN;
    }
    Some((half(frame, at)?, frame.get(at + 2..)?))
}

fn heard(envelope: &Envelope, message: &[u8]) -> Heard {
    let family = if envelope.key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
    let advert = message.get(..envelope.length).and_then(|message| Advert::decode(message, family).ok());
    Heard {
        source: from_abi(envelope.source, family),
        destination: from_abi(envelope.destination, family),
        ttl: envelope.ttl,
        version: message.first().map_or(0, |first| first >> 4),
        vrid: envelope.key.vrid,
        priority: advert.as_ref().map(|advert| advert.priority.0),
        interval_ms: advert.as_ref().map(|advert| advert.interval.nanos() / 1_000_000),
        password: advert.as_ref().is_some_and(|advert| advert.auth != vipward_vrrp::packet::Auth::None),
        addresses: advert.map(|advert| advert.addresses).unwrap_or_default(),
    }
}

/// A gratuitous ARP: sender and target are one address.
fn garp(packet: &[u8], from: [u8; 6]) -> Option<(Body, Vec<Fault>)> {
    const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
    if packet.get(..6)? != ETHERNET_IPV4 || !ARP_OPERATIONS.contains(&half(packet, 6)?) {
        return None;
    }
    let told: [u8; 6] = *packet.get(ARP_MAC..)?.first_chunk()?;
    let sender: [u8; 4] = *packet.get(arp::SENDER..)?.first_chunk()?;
    let target: [u8; 4] = *packet.get(arp::TARGET..)?.first_chunk()?;
    // An address that is probed for has no sender yet (RFC 5227 §2.1.1).
    if sender != target || sender == [0; 4] {
        return None;
    }
    let mut faults = Vec::new();
    if told != from {
        faults.push(other_mac(told, from));
    }
    Some((Body::Garp { address: sender.into(), told: mac(told) }, faults))
}

fn na(packet: &[u8], from: [u8; 6]) -> Option<(Body, Vec<Fault>)> {
    let message = packet.get(ipv6::LEN..)?;
    let is_na = *packet.get(ipv6::NEXT_HEADER)? == nd::ICMPV6 && *message.first()? == nd::ADVERTISEMENT;
    let flags = *message.get(NA_FLAGS)?;
    if !is_na || flags & SOLICITED != 0 {
        return None;
    }
    let target: [u8; 16] = *message.get(nd::TARGET..)?.first_chunk()?;
    let told = option(message.get(NA_OPTIONS..)?);
    let mut faults = Vec::new();
    if *packet.get(ipv6::HOP_LIMIT)? != HOPS {
        faults.push(Fault::new("ttl", "its hop limit is not 255: everybody ignores it"));
    }
    if flags & OVERRIDE == 0 {
        faults.push(Fault::new(
            "override",
            "without the override flag: neighbours keep the MAC that they know",
        ));
    }
    match told {
        Some(told) if told != from => faults.push(other_mac(told, from)),
        Some(_) => {}
        None => faults.push(Fault::new("no_mac", "it tells no MAC: neighbours learn nothing from it")),
    }
    Some((Body::Na { address: Ipv6Addr::from(target).into(), told: told.map(mac) }, faults))
}

fn other_mac(told: [u8; 6], from: [u8; 6]) -> Fault {
    Fault::new("mac", format!("it tells {}, and its frame comes from {}", mac(told), mac(from)))
}

/// The MAC among a neighbour advert's options, which are so many times eight bytes long.
fn option(mut options: &[u8]) -> Option<[u8; 6]> {
    while let [kind, units @ 1..=u8::MAX, ..] = options {
        if *kind == TARGET_MAC {
            return options.get(2..)?.first_chunk().copied();
        }
        options = options.get(usize::from(*units) * 8..)?;
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::Ipv4Addr;

    use vipward_vrrp::packet::{Auth, ChecksumForm, encode, ipv4_header};
    use vipward_vrrp::types::{Interval, Priority, Version, Vrid};

    use super::*;
    use crate::net::{garp as garp_frame, na as na_frame};

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    /// A version 3 advert of VRID 51 from 10.0.0.1 for 10.0.0.50.
    pub(crate) fn advert_frame(priority: u8) -> Vec<u8> {
        let advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(51).expect("a VRID"),
            priority: Priority(priority),
            interval: Interval::from_centis(100),
            addresses: vec![[10, 0, 0, 50].into()],
            auth: Auth::None,
        };
        let (source, group) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(224, 0, 0, 18));
        let message =
            encode(&advert, ChecksumForm::PseudoHeader, source.into(), group.into()).expect("encoded");
        let header = ipv4_header(source, group, u16::try_from(message.len()).expect("short"));
        [&[1, 0, 0x5e, 0, 0, 18][..], &MAC, &eth::IPV4.to_be_bytes(), &header, &message].concat()
    }

    #[test]
    fn an_advert_is_read_with_and_without_tags() {
        let plain = advert_frame(150);
        let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
        for frame in [plain, tagged] {
            let read = read(&frame, 3).expect("an advert");
            let Body::Advert(heard) = read.body else { panic!("{:?}", read.body) };
            assert_eq!(
                (heard.vrid, heard.version, heard.priority, heard.interval_ms),
                (51, 3, Some(150), Some(1000))
            );
            assert_eq!(heard.addresses, [IpAddr::from([10, 0, 0, 50])]);
            assert_eq!(mac(read.mac), "02:00:00:00:00:07");
            assert!(
                read.advert.is_some_and(|(envelope, _)| envelope.ttl == 255 && envelope.key.ifindex == 3)
            );
        }
    }

    #[test]
    fn announcements_are_read_and_their_faults_seen() {
        let mut frame = Vec::new();
        garp_frame::write(&mut frame, MAC, Ipv4Addr::new(10, 0, 0, 50));
        let garp = read(&frame, 1).expect("a gratuitous ARP");
        assert!(garp.faults.is_empty(), "{:?}", garp.faults);
        assert_eq!(garp.body, Body::Garp { address: [10, 0, 0, 50].into(), told: mac(MAC) });
        frame[6] = 4;
        assert_eq!(read(&frame, 1).expect("still one").faults[0].what, "mac");
        frame[41] = 51;
        assert!(read(&frame, 1).is_none(), "asks for another address");

        let vip: Ipv6Addr = "fd00::50".parse().expect("address");
        let mut frame = Vec::new();
        na_frame::write(&mut frame, MAC, vip, false);
        let na = read(&frame, 1).expect("a neighbour advert");
        assert!(na.faults.is_empty(), "{:?}", na.faults);
        assert_eq!(na.body, Body::Na { address: vip.into(), told: Some(mac(MAC)) });
        let whats = |frame: &[u8]| -> Vec<String> {
            read(frame, 1).expect("still one").faults.into_iter().map(|fault| fault.what).collect()
        };
        frame[21] = 64;
        frame[58] = 0;
        assert_eq!(whats(&frame), ["ttl", "override"]);
        frame[79] = 0;
        assert_eq!(whats(&frame), ["ttl", "override", "no_mac"], "an option of no length ends the search");
        frame[58] = SOLICITED;
        assert!(read(&frame, 1).is_none(), "it answers somebody");
    }

    #[test]
    fn no_part_of_a_frame_harms() {
        let mut na = Vec::new();
        na_frame::write(&mut na, MAC, Ipv6Addr::LOCALHOST, false);
        let mut garp = Vec::new();
        garp_frame::write(&mut garp, MAC, Ipv4Addr::LOCALHOST);
        for whole in [advert_frame(1), na, garp] {
            for length in 0..whole.len() {
                let _ = read(&whole[..length], 1);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_do_not_either(frame in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            let _ = read(&frame, 1);
        }
    }
}
