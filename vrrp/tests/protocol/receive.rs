//! The receive checks: what is accepted, what is none of ours, every reason, and which of two reasons counts.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use vipward_common::abi::{FLAG_CHECK_PEER, FLAG_UNICAST, Peer, PeerKey, RouterKey, Rules};
use vipward_common::reason::Reason;
use vipward_common::wire::{eth, ipv4, ipv6, vrrp};
use vipward_vrrp::address::to_abi;
use vipward_vrrp::packet::{
    Advert, Arrival, ChecksumForm, Facts, Verdict, decode_frame, decode_ip_packet, encode,
};
use vipward_vrrp::types::{Family, Interval, Version};

use crate::frames::{CAPTURED, Captured, IFINDEX, Table, ethernet, frame, ip_packet, with_options};

/// Indices of [`CAPTURED`].
const V2_PASS: usize = 0;
const V3: usize = 2;
const V6: usize = 5;
/// Where the VRRP message of an untagged frame begins.
const AT_V4: usize = eth::LEN + ipv4::MIN_LEN;
const AT_V6: usize = eth::LEN + ipv6::LEN;

fn verdict(frame: &[u8], table: &Table) -> Verdict {
    decode_frame(frame, IFINDEX, table)
}

fn reason(frame: &[u8], table: &Table) -> Option<Reason> {
    match verdict(frame, table) {
        Verdict::Rejected(rejection) => {
            assert_eq!(rejection.key, table.key);
            Some(rejection.reason)
        }
        Verdict::NotOurs | Verdict::Accepted(_) => None,
    }
}

fn accepted(frame: &[u8], table: &Table) -> Facts {
    match verdict(frame, table) {
        Verdict::Accepted(facts) => facts,
        other => panic!("{other:?}"),
    }
}

/// The captured advert, changed, with a checksum that holds.
fn changed(captured: &Captured, change: impl FnOnce(&mut Advert)) -> Vec<u8> {
    let mut advert = captured.advert();
    change(&mut advert);
    frame(&advert, captured.form, captured.source(), captured.destination())
}

/// Writes a byte into the message of a captured frame and mends the checksum, incrementally (RFC 1624).
fn patched(captured: &Captured, offset: usize, value: u8) -> Vec<u8> {
    let mut frame = captured.frame();
    let at = if captured.source().is_ipv4() { AT_V4 } else { AT_V6 };
    let word =
        |frame: &[u8], offset: usize| u32::from(u16::from_be_bytes([frame[offset], frame[offset + 1]]));
    let even = at + offset / 2 * 2;
    let before = word(&frame, even);
    frame[at + offset] = value;
    let sum = (0xffff - word(&frame, at + vrrp::CHECKSUM)) + (0xffff - before) + word(&frame, even);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = 0xffff - u16::try_from(sum).unwrap();
    frame[at + vrrp::CHECKSUM..][..2].copy_from_slice(&checksum.to_be_bytes());
    frame
}

#[test]
fn keepalived_s_adverts_are_accepted() {
    for captured in &CAPTURED {
        let table = captured.expectations();
        let expected = Facts {
            key: table.key,
            source: captured.source(),
            mac: captured.frame().get(6..12).and_then(|mac| mac.try_into().ok()),
            priority: captured.advert().priority,
            interval: captured.interval,
            addresses_differ: false,
            interval_differs: false,
        };
        assert_eq!(accepted(&captured.frame(), &table), expected, "VRID {}", captured.vrid);
    }
}

#[test]
fn padding_options_tags_and_trailing_bytes_change_nothing() {
    for captured in &CAPTURED {
        let table = captured.expectations();
        let whole = captured.frame();
        let packet = &whole[eth::LEN..];
        let mut padded = whole.clone();
        padded.extend([0xff; 30]);
        accepted(&padded, &table);
        if captured.source().is_ipv4() {
            for words in [1, 10] {
                accepted(&ethernet(&with_options(packet, words), &[]), &table);
            }
        }
        for (tags, outer_vid, inner_vid) in [
            (&[(eth::VLAN, 7)][..], 7, 0),
            (&[(eth::VLAN, 0)][..], 0, 0),
            (&[(eth::SERVICE_VLAN, 7), (eth::VLAN, 9)][..], 7, 9),
            (&[(eth::VLAN, 0), (eth::VLAN, 9)][..], 9, 0),
            (&[(eth::VLAN, 7), (eth::SERVICE_VLAN, 0)][..], 7, 0),
        ] {
            let tagged = ethernet(packet, tags);
            let key = RouterKey { outer_vid, inner_vid, ..table.key };
            let facts = accepted(&tagged, &Table { key, ..table.clone() });
            assert_eq!(facts.key, key);
            if key != table.key {
                assert_eq!(verdict(&tagged, &table), Verdict::NotOurs);
            }
        }
    }
}

/// RFC 9568 §5.2.8 sums the entire message, so bytes behind the last address count if the IP header counts them.
#[test]
fn a_longer_message_is_summed_whole() {
    for captured in &CAPTURED {
        let (source, destination) = (captured.source(), captured.destination());
        let mut message = encode(&captured.advert(), captured.form, source, destination).unwrap();
        message.extend([0, 0, 0]);
        let with_pseudo_header = captured.form == ChecksumForm::PseudoHeader;
        let lengthened = ethernet(&ip_packet(&message, source, destination), &[]);
        // Zeros change the sum only through the pseudo-header's length.
        let expected = with_pseudo_header.then_some(Reason::Checksum);
        assert_eq!(reason(&lengthened, &captured.expectations()), expected, "VRID {}", captured.vrid);
        message[vrrp::CHECKSUM + 1] = message[vrrp::CHECKSUM + 1].wrapping_sub(3);
        let mended = ethernet(&ip_packet(&message, source, destination), &[]);
        assert_eq!(reason(&mended, &captured.expectations()).is_none(), with_pseudo_header);
    }
}

#[test]
fn what_is_not_ours_passes() {
    let captured = &CAPTURED[V3];
    let table = captured.expectations();
    let packet = captured.frame()[eth::LEN..].to_vec();
    let poked = |offset: usize, value: u8| {
        let mut frame = captured.frame();
        frame[offset] = value;
        frame
    };
    let cases = [
        ("another EtherType", poked(eth::TYPE, 0x09)),
        (
            "IPv6's EtherType on IPv4",
            ethernet(&packet, &[])[..12].iter().copied().chain([0x86, 0xdd]).chain(packet.clone()).collect(),
        ),
        ("three tags", ethernet(&packet, &[(eth::VLAN, 1), (eth::VLAN, 2), (eth::VLAN, 3)])),
        ("another protocol", poked(eth::LEN + ipv4::PROTOCOL, 17)),
        ("IHL below five", poked(eth::LEN, 0x44)),
        ("IP version 5", poked(eth::LEN, 0x55)),
        ("a later fragment", poked(eth::LEN + ipv4::FRAGMENT + 1, 1)),
        ("another VRID", poked(AT_V4 + vrrp::VRID, 99)),
        ("options to beyond the frame", poked(eth::LEN, 0x4f)),
    ];
    for (name, frame) in cases {
        assert_eq!(verdict(&frame, &table), Verdict::NotOurs, "{name}");
    }
    assert_eq!(decode_frame(&captured.frame(), IFINDEX + 1, &table), Verdict::NotOurs, "another interface");
}

/// Even where the byte that would be the VRID names one of our routers.
#[test]
fn a_header_shorter_than_ipv4_s_is_not_ours() {
    let captured = &CAPTURED[4];
    let mut frame = captured.frame();
    frame[eth::LEN] = 0x44;
    let vrid = frame[eth::LEN + 16 + vrrp::VRID];
    let table = captured.expectations();
    let key = RouterKey { vrid, ..table.key };
    assert_eq!(verdict(&frame, &Table { key, ..table }), Verdict::NotOurs);
}

#[test]
fn every_truncation_passes_or_is_too_short() {
    for captured in &CAPTURED {
        let (whole, table) = (captured.frame(), captured.expectations());
        let vrid_at = if captured.source().is_ipv4() { AT_V4 } else { AT_V6 } + vrrp::VRID;
        for length in 0..whole.len() {
            let (result, ours) = (verdict(&whole[..length], &table), length > vrid_at);
            match result {
                Verdict::NotOurs => assert!(!ours, "{length} bytes of VRID {}", captured.vrid),
                Verdict::Rejected(rejection) => {
                    assert!(ours && rejection.reason == Reason::Length, "{length} bytes: {rejection:?}");
                }
                Verdict::Accepted(_) => panic!("{length} bytes of VRID {} accepted", captured.vrid),
            }
        }
    }
}

/// A frame for each reason that fails just that check, in the order of the checks.
pub(crate) fn a_frame_for_every_reason() -> Vec<(Reason, Vec<u8>, Table)> {
    let (v2, v3) = (&CAPTURED[V2_PASS], &CAPTURED[V3]);
    let (t2, t3) = (v2.expectations(), v3.expectations());
    let poked = |offset: usize, value: u8| {
        let mut frame = v3.frame();
        frame[offset] = value;
        frame
    };
    let with = |table: &Table, change: &dyn Fn(&mut Rules)| {
        let mut table = table.clone();
        change(&mut table.rules);
        table
    };
    let no_addresses = |advert: &mut Advert| advert.addresses.clear();
    let mut elsewhere = with(&t3, &|rules| rules.flags = FLAG_CHECK_PEER);
    elsewhere.peers.push((to_abi(v3.source()), Peer { has_mac: 1, mac: [2, 0, 0, 0, 0, 1], ..Peer::ANY }));
    vec![
        (Reason::Fragment, poked(eth::LEN + ipv4::FRAGMENT, 0x20), t3.clone()),
        (Reason::Destination, poked(eth::LEN + ipv4::DESTINATION + 3, 19), t3.clone()),
        (Reason::Ttl, poked(eth::LEN + ipv4::TTL, 254), t3.clone()),
        (Reason::Version, v3.frame(), with(&t3, &|rules| rules.version = 2)),
        (Reason::Type, poked(AT_V4, 0x32), t3.clone()),
        (Reason::Length, v3.frame()[..AT_V4 + 11].to_vec(), t3.clone()),
        (Reason::Checksum, poked(AT_V4 + vrrp::PRIORITY, 151), t3.clone()),
        (Reason::OwnPacket, v3.frame(), with(&t3, &|rules| rules.source = to_abi(v3.source()))),
        (Reason::UnknownPeer, v3.frame(), with(&t3, &|rules| rules.flags = FLAG_CHECK_PEER)),
        (Reason::PeerMac, v3.frame(), elsewhere),
        (Reason::AuthType, v2.frame(), with(&t2, &|rules| rules.auth_type = 0)),
        (Reason::AuthData, v2.frame(), with(&t2, &|rules| rules.auth_data[7] = 1)),
        (Reason::Interval, v2.frame(), with(&t2, &|rules| rules.interval_ns = 2_000_000_000)),
        (Reason::IntervalZero, patched(v3, vrrp::INTERVAL_V3 + 1, 0), t3.clone()),
        (Reason::NoAddresses, changed(v3, no_addresses), t3),
    ]
}

#[test]
fn every_reason_has_its_frame() {
    let cases = a_frame_for_every_reason();
    for (expected, frame, table) in &cases {
        assert_eq!(reason(frame, table), Some(*expected));
    }
    for reason in Reason::ALL {
        assert!(cases.iter().any(|(covered, ..)| *covered == reason), "no frame for {reason}");
    }
}

/// Rules that fail every check of the second half let the first half be told from each other, and the reverse.
#[test]
fn the_first_failed_check_is_the_reason() {
    let hostile = |rules: &mut Rules, captured: &Captured| {
        rules.source = to_abi(captured.source());
        rules.flags |= FLAG_CHECK_PEER;
        rules.auth_type = 0;
        rules.interval_ns = 1;
    };
    for (expected, frame, mut table) in a_frame_for_every_reason() {
        let late = matches!(
            expected,
            Reason::OwnPacket
                | Reason::UnknownPeer
                | Reason::PeerMac
                | Reason::AuthType
                | Reason::AuthData
                | Reason::Interval
                | Reason::IntervalZero
                | Reason::NoAddresses
        );
        hostile(&mut table.rules, &CAPTURED[V3]);
        let expected = if late { Reason::OwnPacket } else { expected };
        assert_eq!(reason(&frame, &table), Some(expected));
    }
}

#[test]
fn the_length_is_the_ip_headers_and_bounded() {
    let captured = &CAPTURED[V3];
    let table = captured.expectations();
    let with_total = |total: u16| {
        let mut frame = captured.frame();
        frame[eth::LEN + ipv4::TOTAL_LEN..][..2].copy_from_slice(&total.to_be_bytes());
        frame.extend([0; 2_000]);
        frame
    };
    for total in [0, 19, 20, 27, 28, 31, 1_501, 1_600] {
        assert_eq!(reason(&with_total(total), &table), Some(Reason::Length), "total length {total}");
    }
    // Exactly the cap: long enough, so the next check speaks.
    assert_eq!(reason(&with_total(1_500), &table), Some(Reason::Checksum));
    let mut six = CAPTURED[V6].frame();
    six[eth::LEN + ipv6::PAYLOAD_LEN + 1] = 39;
    assert_eq!(reason(&six, &CAPTURED[V6].expectations()), Some(Reason::Length));
}

#[test]
fn version_2_needs_its_authentication_data() {
    let captured = &CAPTURED[1];
    let (source, destination) = (captured.source(), captured.destination());
    let message = encode(&captured.advert(), captured.form, source, destination).unwrap();
    for short in 1..=8 {
        let packet = ip_packet(&message[..message.len() - short], source, destination);
        assert_eq!(reason(&ethernet(&packet, &[]), &captured.expectations()), Some(Reason::Length));
    }
}

#[test]
fn unicast_ttl_is_the_peers() {
    let captured = &CAPTURED[4];
    let mut table = captured.expectations();
    table.rules.flags = FLAG_UNICAST;
    let mut frame = captured.frame();
    frame[eth::LEN + ipv4::TTL] = 60;
    // Nobody is listed and nobody checked: any TTL will do.
    accepted(&frame, &table);
    table.peers.push((to_abi(captured.source()), Peer { min_ttl: 61, max_ttl: 64, ..Peer::ANY }));
    for (ttl, good) in [(60, false), (61, true), (64, true), (65, false), (255, false)] {
        frame[eth::LEN + ipv4::TTL] = ttl;
        for flags in [FLAG_UNICAST, FLAG_UNICAST | FLAG_CHECK_PEER] {
            table.rules.flags = flags;
            assert_eq!(reason(&frame, &table), (!good).then_some(Reason::Ttl), "TTL {ttl}");
        }
    }
    table.peers.clear();
    assert_eq!(reason(&frame, &table), Some(Reason::UnknownPeer));
}

#[test]
fn other_addresses_and_intervals_are_facts() {
    let captured = &CAPTURED[V3];
    let table = captured.expectations();
    let other: IpAddr = "10.9.0.200".parse().unwrap();
    let facts = accepted(&changed(captured, |advert| advert.addresses = vec![other]), &table);
    assert!(facts.addresses_differ && !facts.interval_differs);
    let facts = accepted(&changed(captured, |advert| advert.addresses.push(other)), &table);
    assert!(facts.addresses_differ);
    let slower = Interval::from_secs(2);
    let facts = accepted(&changed(captured, |advert| advert.interval = slower), &table);
    assert!(facts.interval_differs && !facts.addresses_differ);
    assert_eq!(facts.interval, slower);
}

/// RFC 9568 §5.2.6: the four bits in front of the interval are to be ignored.
#[test]
fn reserved_bits_are_ignored() {
    for bits in [0x10, 0x80, 0xf0] {
        let facts = accepted(&patched(&CAPTURED[V3], vrrp::INTERVAL_V3, bits), &CAPTURED[V3].expectations());
        assert_eq!(facts.interval, Interval::from_centis(10));
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), which in 0..CAPTURED.len()) {
        let table = CAPTURED[which].expectations();
        let _ = decode_frame(&bytes, IFINDEX, &table);
        let _ = decode_ip_packet(&bytes, Arrival::on(IFINDEX), &table);
    }

    /// Mutations reach every depth. What is still accepted must be whole, and for whom it says it is.
    #[test]
    fn mutations_are_judged_alike_in_a_frame_and_from_a_socket(
        which in 0..CAPTURED.len(),
        edits in vec((any::<usize>(), any::<u8>()), 1..4),
        cut in 0..40_usize,
    ) {
        let table = CAPTURED[which].expectations();
        let mut frame = CAPTURED[which].frame();
        for (at, value) in edits {
            let at = eth::LEN + at % (frame.len() - eth::LEN);
            frame[at] = value;
        }
        frame.truncate(frame.len() - cut.min(frame.len() - eth::LEN));
        // A socket is handed what the stack took for that family already.
        prop_assume!(frame.get(eth::LEN).is_some_and(|first| {
            (first >> 4 == 4) == CAPTURED[which].source().is_ipv4()
        }));
        // It does not tell the MAC.
        let mac = frame.get(eth::SOURCE..).and_then(|frame| frame.first_chunk().copied());
        let arrival = Arrival { mac, ..Arrival::on(IFINDEX) };
        let from_socket = decode_ip_packet(&frame[eth::LEN..], arrival, &table);
        prop_assert_eq!(verdict(&frame, &table), from_socket);
        if let Verdict::Accepted(facts) = from_socket {
            prop_assert_eq!(facts.key, table.key);
            prop_assert!(facts.interval.nanos() > 0);
        }
    }
}

#[test]
fn closures_serve_as_tables() {
    let captured = &CAPTURED[V3];
    let table = captured.expectations();
    let (key, rules) = (table.key, table.rules);
    let tables = (|asked: &RouterKey| (*asked == key).then_some(rules), |_: &PeerKey| None::<Peer>);
    let packet = &captured.frame()[eth::LEN..];
    let verdict = decode_ip_packet(packet, Arrival::on(IFINDEX), &tables);
    assert!(matches!(verdict, Verdict::Accepted(Facts { key: found, .. }) if found == key));
    assert_eq!(Family::of(captured.source()), Family::V4);
    assert_eq!(captured.version, Version::V3);
}
