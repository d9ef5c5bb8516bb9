//! Packets and netlink messages.

use std::cell::RefCell;
use std::path::Path;

use vipward::fuzzing;
use vipward_common::abi::{Peer, PeerKey, RouterKey};
use vipward_common::wire::{IPPROTO_VRRP, eth, ipv4, ipv6, vrrp};
use vipward_tests::frame::{LOOPBACK, rules};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::packet::{Advert, ChecksumForm, EncodeError, Verdict, decode_frame, encode};
use vipward_vrrp::types::Family;

use crate::twins::{Twins, twins};

/// Bytes of a netlink header.
const HEADER: usize = 16;
/// Requests whose answers a datagram may hold.
const REQUESTS: usize = 64;

/// A frame for routers of both versions and families. The first byte says whether its checksum is put right first, for
/// chance does not find one.
pub(crate) fn advert(data: &[u8], _: &Path) {
    let Some(frame) = frame(data) else { return };
    let tables = (
        |key: &RouterKey| {
            let version = if key.vrid == 52 { 2 } else { 3 };
            matches!(key.vrid, 51 | 52).then(|| rules(version, key.family))
        },
        |_: &PeerKey| None::<Peer>,
    );
    if let Verdict::Accepted(facts) = decode_frame(&frame, LOOPBACK, &tables) {
        assert!(facts.interval.nanos() > 0);
        assert!(matches!(facts.key.vrid, 51 | 52) && matches!(facts.key.family, 4 | 6));
    }
    says_the_same_again(&frame);
}

/// What a message says can be said again, and then means the same.
fn says_the_same_again(frame: &[u8]) {
    for (family, header) in [(Family::V4, ipv4::MIN_LEN), (Family::V6, ipv6::LEN)] {
        let Some(message) = frame.get(eth::LEN + header..) else { continue };
        let Ok(advert) = Advert::decode(message, family) else { continue };
        let rules = rules(advert.version.number(), family.number());
        let (source, destination) = (from_abi(rules.source, family), from_abi(rules.destination, family));
        match encode(&advert, ChecksumForm::default(), source, destination) {
            Ok(bytes) => assert_eq!(Advert::decode(&bytes, family), Ok(advert)),
            // Nobody may say it, and that somebody did is for the receive checks.
            Err(error) => assert!(matches!(error, EncodeError::Interval(..)), "{error}: {advert:?}"),
        }
    }
}

thread_local! {
    static TWINS: RefCell<Option<Twins>> = const { RefCell::new(None) };
}

/// A frame for the XDP program and for the decoder.
pub(crate) fn xdp(data: &[u8], _: &Path) {
    // BPF_PROG_TEST_RUN takes no less than an Ethernet header.
    let Some(frame) = frame(data).filter(|frame| frame.len() > eth::LEN) else { return };
    TWINS.with_borrow_mut(|made| {
        made.get_or_insert_with(twins).compare(&frame);
    });
}

/// The frame in an input.
fn frame(data: &[u8]) -> Option<Vec<u8>> {
    let (how, frame) = data.split_first()?;
    let mut frame = frame.to_vec();
    if how & 1 == 1 {
        // What has no place for a checksum is left alone.
        let _ = mend_checksum(&mut frame, how & 2 == 2);
    }
    Some(frame)
}

/// Puts the checksum of the VRRP message right, with or without a pseudo-header.
fn mend_checksum(frame: &mut [u8], pseudo_header: bool) -> Option<()> {
    let word = |frame: &[u8], at: usize| frame.get(at..)?.first_chunk().map(|it| u16::from_be_bytes(*it));
    let mut at = eth::TYPE;
    while matches!(word(frame, at)?, eth::VLAN | eth::SERVICE_VLAN) {
        at += eth::VLAN_LEN;
    }
    let ip = at + 2;
    let (start, length, addresses) = if frame.get(ip)? >> 4 == 4 {
        let header = usize::from(frame.get(ip)? & 15) * 4;
        let total = usize::from(word(frame, ip + ipv4::TOTAL_LEN)?);
        (ip + header, total.checked_sub(header)?, ip + ipv4::SOURCE..ip + ipv4::SOURCE + 8)
    } else {
        let length = usize::from(word(frame, ip + ipv6::PAYLOAD_LEN)?);
        (ip + ipv6::LEN, length, ip + ipv6::SOURCE..ip + ipv6::SOURCE + 32)
    };
    let mut sum = u32::from(IPPROTO_VRRP) + u32::try_from(length).ok()? + sum_words(frame.get(addresses)?);
    if !pseudo_header {
        sum = 0;
    }
    let message = frame.get_mut(start..start + length)?;
    message.get_mut(vrrp::CHECKSUM..vrrp::CHECKSUM + 2)?.fill(0);
    sum = sum.wrapping_add(sum_words(message));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).ok()?;
    message.get_mut(vrrp::CHECKSUM..vrrp::CHECKSUM + 2)?.copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// Sum of big-endian words, an odd last byte in the high half of one.
fn sum_words(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from)).sum()
}

/// A datagram from rtnetlink, or a message from the proc connector.
pub(crate) fn netlink(data: &[u8], _: &Path) {
    let (messages, given) = fuzzing::netlink(data, REQUESTS);
    assert!(messages <= data.len() / HEADER && given <= messages.min(REQUESTS));
    let _ = fuzzing::process_event(data);
}
