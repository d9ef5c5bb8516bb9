//! Adverts to bytes and back; every truncation; keepalived's own bytes as vectors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use vipward_common::reason::Reason;
use vipward_common::wire::vrrp;
use vipward_vrrp::packet::checksum::valid;
use vipward_vrrp::packet::{Advert, Auth, ChecksumForm, EncodeError, encode, encode_into, ipv4_header};
use vipward_vrrp::types::{Family, Interval, Priority, Version, Vrid};

use crate::frames::CAPTURED;

const SOURCE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const SOURCE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

fn ends(family: Family) -> (IpAddr, IpAddr) {
    match family {
        Family::V4 => (SOURCE_V4, GROUP_V4),
        Family::V6 => (SOURCE_V6, GROUP_V6),
    }
}

fn addresses(family: Family) -> BoxedStrategy<Vec<IpAddr>> {
    match family {
        Family::V4 => vec(any::<Ipv4Addr>().prop_map(IpAddr::from), 0..=255).boxed(),
        Family::V6 => vec(any::<Ipv6Addr>().prop_map(IpAddr::from), 0..=92).boxed(),
    }
}

fn advert(version: Version, family: Family) -> impl Strategy<Value = Advert> {
    let auth = match version {
        Version::V2 => prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Pass)].boxed(),
        Version::V3 => Just(Auth::None).boxed(),
    };
    let interval = match version {
        Version::V2 => (1..=255_u8).prop_map(Interval::from_secs).boxed(),
        Version::V3 => (1..=4095_u16).prop_map(Interval::from_centis).boxed(),
    };
    (1..=255_u8, any::<u8>(), interval, addresses(family), auth).prop_map(
        move |(vrid, priority, interval, addresses, auth)| Advert {
            version,
            vrid: Vrid::new(vrid).unwrap(),
            priority: Priority(priority),
            interval,
            addresses,
            auth,
        },
    )
}

fn any_advert() -> impl Strategy<Value = (Advert, Family)> {
    prop_oneof![
        advert(Version::V2, Family::V4).prop_map(|advert| (advert, Family::V4)),
        advert(Version::V3, Family::V4).prop_map(|advert| (advert, Family::V4)),
        advert(Version::V3, Family::V6).prop_map(|advert| (advert, Family::V6)),
    ]
}

fn any_form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![Just(ChecksumForm::PseudoHeader), Just(ChecksumForm::MessageOnly)]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded((advert, family) in any_advert(), form in any_form()) {
        let (source, destination) = ends(family);
        let message = encode(&advert, form, source, destination).unwrap();
        prop_assert!(valid(advert.version, source, destination, &message));
        prop_assert_eq!(Advert::decode(&message, family), Ok(advert));
    }

    #[test]
    fn every_truncation_is_too_short((advert, family) in any_advert()) {
        let (source, destination) = ends(family);
        let message = encode(&advert, ChecksumForm::default(), source, destination).unwrap();
        for length in 0..message.len() {
            prop_assert_eq!(Advert::decode(&message[..length], family), Err(Reason::Length));
        }
    }

    #[test]
    fn any_flipped_bit_spoils_the_checksum((advert, family) in any_advert(), at in any::<usize>(), bit in 0..8_u8) {
        let (source, destination) = ends(family);
        let mut message = encode(&advert, ChecksumForm::MessageOnly, source, destination).unwrap();
        let at = at % message.len();
        message[at] ^= 1_u8 << bit;
        prop_assert!(!valid(advert.version, source, destination, &message));
    }

    #[test]
    fn garbage_is_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..2_000), six in any::<bool>()) {
        let family = if six { Family::V6 } else { Family::V4 };
        let decoded = Advert::decode(&bytes, family);
        prop_assert!(bytes.len() <= vrrp::MAX_LEN || decoded.is_err());
    }
}

#[test]
fn keepalived_and_we_write_the_same_bytes() {
    for captured in &CAPTURED {
        let (advert, frame) = (captured.advert(), captured.frame());
        let (source, destination) = (captured.source(), captured.destination());
        let message = encode(&advert, captured.form, source, destination).unwrap();
        assert_eq!(frame[frame.len() - message.len()..], message, "VRID {}", captured.vrid);
        assert_eq!(Advert::decode(&message, Family::of(source)), Ok(advert));
    }
}

#[test]
fn the_ipv4_header_is_keepalived_s_but_for_the_identification() {
    let captured = &CAPTURED[2];
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (captured.source(), captured.destination()) else {
        panic!("IPv4 expected");
    };
    let header = ipv4_header(source, destination, 12);
    let mut theirs = captured.frame()[14..34].to_vec();
    // keepalived lets the kernel number its packets (0x0060 here); a lower number is a greater checksum.
    let checksum = u16::from_be_bytes([theirs[10], theirs[11]]) + 0x0060;
    theirs[4..6].fill(0);
    theirs[10..12].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(header.to_vec(), theirs);
}

#[test]
fn version_3_over_ipv4_is_valid_in_both_forms_and_ipv6_in_one() {
    for (family, plain_is_valid) in [(Family::V4, true), (Family::V6, false)] {
        let (source, destination) = ends(family);
        let advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(1).unwrap(),
            priority: Priority(100),
            interval: Interval::from_secs(1),
            addresses: vec![source],
            auth: Auth::None,
        };
        let pseudo = encode(&advert, ChecksumForm::PseudoHeader, source, destination).unwrap();
        assert!(valid(Version::V3, source, destination, &pseudo));
        // Another destination is another pseudo-header.
        assert!(!valid(Version::V3, source, source, &pseudo));
        let mut plain = pseudo.clone();
        plain[6..8].fill(0);
        let sum: u32 = plain.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
        let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        plain[6..8].copy_from_slice(&(!folded).to_be_bytes());
        assert_eq!(valid(Version::V3, source, destination, &plain), plain_is_valid);
    }
}

#[test]
fn what_the_format_cannot_say_is_refused() {
    let good = CAPTURED[0].advert();
    let v3 = Advert { version: Version::V3, auth: Auth::None, ..good.clone() };
    let half = Interval::from_centis(150);
    let v6 = "2001:db8::1".parse().unwrap();
    let many = |count: usize, address| vec![address; count];
    let cases = [
        (Advert { interval: half, ..good.clone() }, SOURCE_V4, EncodeError::Interval(half, Version::V2)),
        (
            Advert { interval: Interval::from_secs(41), ..v3.clone() },
            SOURCE_V4,
            EncodeError::Interval(Interval::from_secs(41), Version::V3),
        ),
        (
            Advert { interval: Interval::from_nanos(15_000_000), ..v3.clone() },
            SOURCE_V4,
            EncodeError::Interval(Interval::from_nanos(15_000_000), Version::V3),
        ),
        (
            Advert { interval: Interval::from_nanos(0), ..v3.clone() },
            SOURCE_V4,
            EncodeError::Interval(Interval::from_nanos(0), Version::V3),
        ),
        (Advert { version: Version::V3, ..good.clone() }, SOURCE_V4, EncodeError::AuthenticationInVersion3),
        (good.clone(), SOURCE_V6, EncodeError::Version2OverIpv6),
        (Advert { addresses: vec![v6], ..v3.clone() }, SOURCE_V4, EncodeError::Family(v6, Family::V4)),
        (
            Advert { addresses: many(256, SOURCE_V4), ..v3.clone() },
            SOURCE_V4,
            EncodeError::TooManyAddresses(256),
        ),
        (Advert { addresses: many(93, v6), ..v3.clone() }, SOURCE_V6, EncodeError::TooManyAddresses(93)),
    ];
    for (advert, source, expected) in cases {
        let destination = if source.is_ipv4() { GROUP_V4 } else { GROUP_V6 };
        let mut buffer = vec![1, 2, 3];
        let result = encode_into(&mut buffer, &advert, ChecksumForm::default(), source, destination);
        assert_eq!(result, Err(expected));
        assert_eq!(buffer, [1, 2, 3]);
    }
}

#[test]
fn a_password_stays_out_of_debug_output() {
    assert_eq!(format!("{:?}", Auth::Pass(*b"s3cret\0\0")), "Pass(…)");
}
