//! The XDP program packet by packet: every reason, every truncation, tags and options.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod xdp_support;

use std::time::Duration;

use vipward::kernel::{Datapath as _, ReportKind, Timer, XdpPath};
use vipward_common::abi::{
    Counters, FLAG_CHECK_PEER, FLAG_UNICAST, Heard, Peer, RouterKey, Rules, WHAT_ADDRESSES, WHAT_INTERVAL,
};
use vipward_common::reason::Reason;
use vipward_common::wire::{eth, vrrp};
use vipward_tests::frame::{Advert, Checksum, LOOPBACK, key, rules};
use vipward_vrrp::address::{from_abi, to_abi};
use vipward_vrrp::types::Family;
use xdp_support::{DROP, PASS, ip, now, reports};

const HOUR: Timer = Timer::Set(Duration::from_hours(1));

/// A loaded program with one watching router, and what it does with a frame.
struct Bench {
    path: XdpPath,
    key: RouterKey,
    rules: Rules,
}

/// What became of one frame.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Passed,
    /// Counted as [`Reason::Destination`], and passed: it is another host's.
    Elsewhere,
    Rejected(Reason),
    Accepted,
}

impl Bench {
    fn new(key: RouterKey, rules: Rules) -> Bench {
        Bench::with_peers(key, rules, &[])
    }

    fn with_peers(key: RouterKey, rules: Rules, peers: &[(&str, Peer)]) -> Bench {
        let mut path = XdpPath::load().unwrap();
        let peers: Vec<_> = peers.iter().map(|(address, peer)| (ip(address), *peer)).collect();
        path.add(key, &rules, &peers).unwrap();
        path.watch(&key, &rules, HOUR).unwrap();
        Bench { path, key, rules }
    }

    /// A router for the default adverts of a version and family.
    fn of(version: u8, family: u8) -> Bench {
        Bench::new(key(LOOPBACK, family, 51), rules(version, family))
    }

    fn counters(&self) -> Counters {
        self.path.counters(&self.key).unwrap()
    }

    fn heard(&self) -> Heard {
        self.path.heard(&self.key).unwrap()
    }

    /// Runs one frame, and checks that it changed what its fate says and nothing else.
    fn fate(&mut self, frame: &[u8]) -> Fate {
        let (before, heard) = (self.counters(), self.heard());
        let (verdict, _) = self.path.run(frame, 1).unwrap();
        let after = self.counters();
        let fate = match Reason::ALL
            .iter()
            .find(|r| after.rejected[**r as usize] != before.rejected[**r as usize])
        {
            Some(Reason::Destination) if verdict == PASS => Fate::Elsewhere,
            Some(reason) => Fate::Rejected(*reason),
            None if after.accepted != before.accepted => Fate::Accepted,
            None => Fate::Passed,
        };
        let mut expected = before;
        match fate {
            Fate::Passed => assert_eq!(verdict, PASS),
            Fate::Elsewhere => expected.rejected[Reason::Destination as usize] += 1,
            Fate::Rejected(reason) => expected.rejected[reason as usize] += 1,
            Fate::Accepted => {
                expected = Counters { accepted: before.accepted + 1, rejected: before.rejected, ..after };
            }
        }
        assert_eq!(after, expected);
        if fate == Fate::Accepted {
            assert_eq!(self.heard().adverts, heard.adverts + 1);
        } else {
            assert_eq!(self.heard(), heard, "{fate:?} must leave no trace");
        }
        if matches!(fate, Fate::Rejected(_) | Fate::Accepted) {
            assert_eq!(verdict, DROP);
        }
        fate
    }
}

/// A valid advert of each kind, with the offset of its VRRP message.
fn kinds() -> Vec<(Bench, Advert, usize)> {
    let tagged = |outer_vid, inner_vid, base| RouterKey { outer_vid, inner_vid, ..base };
    let (v4, v6) = (key(LOOPBACK, 4, 51), key(LOOPBACK, 6, 51));
    vec![
        (Bench::of(2, 4), Advert::new(2, 4), 34),
        (Bench::of(3, 4), Advert::new(3, 4), 34),
        (Bench::of(3, 4), Advert { checksum: Checksum::Plain, ..Advert::new(3, 4) }, 34),
        (Bench::of(3, 6), Advert::new(3, 6), 54),
        (Bench::of(3, 4), Advert { options: vec![1; 4], ..Advert::new(3, 4) }, 38),
        (Bench::of(2, 4), Advert { options: vec![1; 40], ..Advert::new(2, 4) }, 74),
        (
            Bench::new(tagged(7, 0, v4), rules(3, 4)),
            Advert { tags: vec![(eth::VLAN, 7)], ..Advert::new(3, 4) },
            38,
        ),
        (
            Bench::new(tagged(7, 9, v6), rules(3, 6)),
            Advert { tags: vec![(eth::SERVICE_VLAN, 7), (eth::VLAN, 9)], ..Advert::new(3, 6) },
            62,
        ),
    ]
}

#[test]
fn every_truncation_of_every_kind_is_passed_or_too_short() {
    for (mut bench, advert, message) in kinds() {
        let frame = advert.frame();
        for length in eth::LEN..frame.len() {
            let expected =
                if length < message + vrrp::VRID + 1 { Fate::Passed } else { Fate::Rejected(Reason::Length) };
            assert_eq!(bench.fate(&frame[..length]), expected, "{length} bytes of {advert:?}");
        }
        assert_eq!(bench.fate(&frame), Fate::Accepted, "{advert:?}");
    }
}

#[test]
fn every_declared_length_but_the_right_ones_is_rejected() {
    for (mut bench, advert, _) in kinds() {
        let whole = i32::try_from(advert.message().len()).unwrap();
        for length_error in -whole..0 {
            let short = Advert { length_error, ..advert.clone() };
            assert_eq!(bench.fate(&short.frame()), Fate::Rejected(Reason::Length), "{short:?}");
        }
        let long = Advert { length_error: 1, ..advert.clone() };
        assert_eq!(bench.fate(&long.frame()), Fate::Rejected(Reason::Length));
        let padded = Advert { padding: 26, ..advert.clone() };
        assert_eq!(bench.fate(&padded.frame()), Fate::Accepted, "Ethernet padding is no part of the message");
        // What the IP header counts in is summed up.
        let padding_counted = Advert { padding: 6, length_error: 6, ..advert };
        assert_eq!(bench.fate(&padding_counted.frame()), Fate::Rejected(Reason::Checksum));
    }
}

#[test]
fn excess_within_the_message_is_summed_up_to_the_last_odd_byte() {
    for (mut bench, advert, _) in kinds() {
        for excess in 1..9 {
            let advert = Advert { excess: vec![0x5a; excess], ..advert.clone() };
            assert_eq!(bench.fate(&advert.frame()), Fate::Accepted, "{advert:?}");
        }
    }
}

#[test]
fn the_longest_message_is_accepted_and_one_byte_more_is_not() {
    for (mut bench, advert, _) in kinds() {
        let excess = vrrp::MAX_LEN - advert.message().len();
        let longest = Advert { excess: vec![0xff; excess], ..advert.clone() };
        assert_eq!(bench.fate(&longest.frame()), Fate::Accepted);
        let longer = Advert { excess: vec![0xff; excess + 1], ..advert };
        assert_eq!(bench.fate(&longer.frame()), Fate::Rejected(Reason::Length));
    }
}

#[test]
fn every_reason_in_its_order() {
    let v4 = || Advert::new(3, 4);
    let v2 = || Advert::new(2, 4);
    // Each advert fails its check and every later one that it can.
    let worst = Advert { kind: 9, checksum: Checksum::Fixed(0), max_interval: 0, count: Some(200), ..v4() };
    let cases = [
        (3, Advert { fragment: 0x2000, destination: ip("224.0.0.5"), ..worst.clone() }, Reason::Fragment),
        (
            3,
            Advert { destination: ip("224.0.0.5"), ttl: 1, version: 7, ..worst.clone() },
            Reason::Destination,
        ),
        (3, Advert { ttl: 254, version: 2, ..worst.clone() }, Reason::Ttl),
        (3, Advert { version: 4, ..worst.clone() }, Reason::Version),
        (3, Advert { version: 0, ..worst.clone() }, Reason::Version),
        (3, Advert { version: 2, ..worst.clone() }, Reason::Version),
        (2, Advert { version: 3, ..worst.clone() }, Reason::Version),
        (3, worst.clone(), Reason::Type),
        (3, Advert { kind: 1, ..worst }, Reason::Length),
        (3, Advert { checksum: Checksum::Fixed(0xffff), source: ip("10.0.0.2"), ..v4() }, Reason::Checksum),
        (2, Advert { checksum: Checksum::Pseudo, auth_type: 0, ..v2() }, Reason::Checksum),
        (3, Advert { source: ip("10.0.0.2"), max_interval: 0, addresses: vec![], ..v4() }, Reason::OwnPacket),
        (
            2,
            Advert { auth_type: 0, auth_data: [0; 8], max_interval: 2, addresses: vec![], ..v2() },
            Reason::AuthType,
        ),
        (
            2,
            Advert { auth_data: *b"secres\0\0", max_interval: 2, addresses: vec![], ..v2() },
            Reason::AuthData,
        ),
        (2, Advert { max_interval: 2, addresses: vec![], ..v2() }, Reason::Interval),
        (3, Advert { max_interval: 0, addresses: vec![], ..v4() }, Reason::IntervalZero),
        // The upper four bits are reserved and no part of the interval.
        (3, Advert { max_interval: 0xf000, ..v4() }, Reason::IntervalZero),
        (3, Advert { addresses: vec![], ..v4() }, Reason::NoAddresses),
    ];
    for (version, advert, reason) in cases {
        assert_eq!(Bench::of(version, 4).fate(&advert.frame()), Fate::Rejected(reason), "{advert:?}");
    }
    let v6 = Advert { checksum: Checksum::Plain, ..Advert::new(3, 6) };
    assert_eq!(
        Bench::of(3, 6).fate(&v6.frame()),
        Fate::Rejected(Reason::Checksum),
        "IPv6 demands the pseudo-header"
    );
}

#[test]
fn every_wrong_password_byte_is_seen() {
    let mut bench = Bench::of(2, 4);
    for byte in 0..8 {
        for bit in 0..8 {
            let mut auth_data = bench.rules.auth_data;
            auth_data[byte] ^= 1 << bit;
            let advert = Advert { auth_data, ..Advert::new(2, 4) };
            assert_eq!(bench.fate(&advert.frame()), Fate::Rejected(Reason::AuthData));
        }
    }
}

#[test]
fn unicast_obeys_peers_and_their_bounds() {
    let rules = |flags| Rules { flags, destination: to_abi(ip("10.0.0.2")), ..rules(3, 4) };
    let near = Peer { min_ttl: 254, max_ttl: 255, ..Peer::ANY };
    let peers = [("10.0.0.1", near)];
    let from = |source, ttl| {
        Advert { source: ip(source), destination: ip("10.0.0.2"), ttl, ..Advert::new(3, 4) }.frame()
    };
    let key = key(LOOPBACK, 4, 51);

    let mut strict = Bench::with_peers(key, rules(FLAG_UNICAST | FLAG_CHECK_PEER), &peers);
    assert_eq!(strict.fate(&from("10.0.0.1", 254)), Fate::Accepted);
    assert_eq!(strict.fate(&from("10.0.0.1", 253)), Fate::Rejected(Reason::Ttl));
    assert_eq!(strict.fate(&from("10.0.0.9", 3)), Fate::Rejected(Reason::UnknownPeer));
    assert_eq!(strict.fate(&Advert::new(3, 4).frame()), Fate::Rejected(Reason::Destination));
    let forwarded = Advert { destination: ip("10.0.7.7"), ..Advert::new(3, 4) };
    assert_eq!(strict.fate(&forwarded.frame()), Fate::Elsewhere);
    strict.path.set_peers(&key, &[(ip("10.0.0.9"), Peer { min_ttl: 1, ..near })]).unwrap();
    assert_eq!(strict.fate(&from("10.0.0.9", 3)), Fate::Accepted);
    assert_eq!(strict.fate(&from("10.0.0.1", 255)), Fate::Rejected(Reason::UnknownPeer));

    let mut open = Bench::with_peers(key, rules(FLAG_UNICAST), &peers);
    assert_eq!(open.fate(&from("10.0.0.9", 3)), Fate::Accepted);
    assert_eq!(open.fate(&from("10.0.0.1", 3)), Fate::Rejected(Reason::Ttl));

    let multicast = Rules { flags: FLAG_CHECK_PEER, ..crate::rules(3, 4) };
    let mut listed = Bench::with_peers(key, multicast, &[("10.0.0.1", Peer { min_ttl: 1, ..near })]);
    assert_eq!(listed.fate(&Advert::new(3, 4).frame()), Fate::Accepted);
    assert_eq!(listed.fate(&Advert { ttl: 64, ..Advert::new(3, 4) }.frame()), Fate::Rejected(Reason::Ttl));
}

#[test]
fn a_peer_with_a_mac_is_believed_from_there_alone() {
    let multicast = Rules { flags: FLAG_CHECK_PEER, ..rules(3, 4) };
    let own = Advert::new(3, 4).frame();
    let mac: [u8; 6] = own[6..12].try_into().unwrap();
    let with_mac = |mac| Peer { has_mac: 1, mac, ..Peer::ANY };
    let key = key(LOOPBACK, 4, 51);
    let mut bench = Bench::with_peers(key, multicast, &[("10.0.0.1", with_mac(mac))]);
    assert_eq!(bench.fate(&own), Fate::Accepted);
    for at in 6..12 {
        let mut forged = own.clone();
        forged[at] ^= 0x10;
        assert_eq!(bench.fate(&forged), Fate::Rejected(Reason::PeerMac), "byte {at}");
    }
    let other = Advert { source: ip("10.0.0.9"), ..Advert::new(3, 4) }.frame();
    assert_eq!(bench.fate(&other), Fate::Rejected(Reason::UnknownPeer));
    bench.path.set_peers(&key, &[(ip("10.0.0.1"), Peer::ANY)]).unwrap();
    let mut moved = own;
    moved[6] ^= 0x10;
    assert_eq!(bench.fate(&moved), Fate::Accepted, "without a MAC any will do");
}

#[test]
fn senders_of_odd_adverts_are_remembered() {
    let mut bench = Bench::of(3, 4);
    let key = bench.key;
    let seen = |bench: &Bench, what| {
        bench.path.stranger(&key, what).map(|it| (from_abi(it.source, Family::V4), it.version_type))
    };
    assert_eq!(seen(&bench, Reason::Version as u32), None);
    let of = |source: &str, version| Advert { source: ip(source), ..Advert::new(version, 4) };
    let _ = bench.fate(&of("10.0.0.9", 2).frame());
    assert_eq!(seen(&bench, Reason::Version as u32), Some((ip("10.0.0.9"), 0x21)));
    let frame = of("10.0.0.9", 2).frame();
    let mac = bench.path.stranger(&key, Reason::Version as u32).unwrap().mac;
    assert_eq!(mac, frame[6..12]);
    // One a second is enough to know.
    let _ = bench.fate(&of("10.0.0.8", 2).frame());
    assert_eq!(seen(&bench, Reason::Version as u32), Some((ip("10.0.0.9"), 0x21)));
    let _ = bench.fate(&Advert { ttl: 64, ..of("10.0.0.8", 3) }.frame());
    assert_eq!(seen(&bench, Reason::Ttl as u32), Some((ip("10.0.0.8"), 0x31)));
    assert_eq!(seen(&bench, WHAT_ADDRESSES), None);
    let other = Advert { addresses: vec![ip("10.9.9.9")], max_interval: 50, ..of("10.0.0.7", 3) };
    assert_eq!(bench.fate(&other.frame()), Fate::Accepted);
    for what in [WHAT_ADDRESSES, WHAT_INTERVAL] {
        assert_eq!(seen(&bench, what), Some((ip("10.0.0.7"), 0x31)));
    }
    bench.path.remove(&key).unwrap();
    bench.path.add(key, &bench.rules, &[]).unwrap();
    assert_eq!(seen(&bench, Reason::Ttl as u32), None, "another router in the same slot begins anew");
}

#[test]
fn what_is_not_ours_passes() {
    let v4 = || Advert::new(3, 4);
    let cases = [
        Advert { protocol: 17, ..v4() },
        Advert { vrid: 52, ..v4() },
        Advert { fragment: 0x2001, ..v4() },
        Advert { fragment: 0x0001, ..v4() },
        Advert { tags: vec![(eth::VLAN, 5)], ..v4() },
        Advert { tags: vec![(eth::VLAN, 0), (eth::VLAN, 5)], ..v4() },
        Advert { tags: vec![(eth::VLAN, 0); 3], ..v4() },
        Advert { protocol: 17, ..Advert::new(3, 6) },
        Advert::new(3, 6),
    ];
    let mut bench = Bench::of(3, 4);
    for advert in cases {
        assert_eq!(bench.fate(&advert.frame()), Fate::Passed, "{advert:?}");
    }
    for (at, value) in [(14, 0x65), (14, 0x44), (14, 0x55), (12, 0x86), (13, 0x06)] {
        let mut frame = v4().frame();
        frame[at] = value;
        assert_eq!(bench.fate(&frame), Fate::Passed, "byte {at} is {value:#x}");
    }
    let mut frame = Advert::new(3, 6).frame();
    frame[14] = 0x45;
    assert_eq!(Bench::of(3, 6).fate(&frame), Fate::Passed);
    bench.path.remove(&bench.key).unwrap();
    assert_eq!(bench.path.run(&v4().frame(), 1).unwrap().0, PASS, "a removed router is not ours");
}

#[test]
fn priority_tags_are_no_vlan() {
    let mut bench = Bench::of(3, 4);
    for tags in [vec![(eth::VLAN, 0xe000)], vec![(eth::SERVICE_VLAN, 0), (eth::VLAN, 0)]] {
        assert_eq!(bench.fate(&Advert { tags, ..Advert::new(3, 4) }.frame()), Fate::Accepted);
    }
    let mut tagged = Bench::new(RouterKey { outer_vid: 7, ..bench.key }, bench.rules);
    for tags in [vec![(eth::VLAN, 0), (eth::VLAN, 7)], vec![(eth::VLAN, 7), (eth::VLAN, 0x2000)]] {
        assert_eq!(tagged.fate(&Advert { tags, ..Advert::new(3, 4) }.frame()), Fate::Accepted);
    }
}

#[test]
fn what_is_remarkable_is_counted() {
    let mut bench = Bench::of(3, 4);
    let two = vec![ip("10.0.0.100"), ip("10.0.0.101")];
    let other = vec![ip("10.0.0.101")];
    for advert in [
        Advert::new(3, 4),
        Advert { priority: 0, ..Advert::new(3, 4) },
        Advert { addresses: two, ..Advert::new(3, 4) },
        Advert { addresses: other, ..Advert::new(3, 4) },
        Advert { max_interval: 50, ..Advert::new(3, 4) },
    ] {
        assert_eq!(bench.fate(&advert.frame()), Fate::Accepted);
    }
    let Counters { accepted, priority_zero, address_list, interval_differs, .. } = bench.counters();
    assert_eq!((accepted, priority_zero, address_list, interval_differs), (5, 1, 2, 1));
}

#[test]
fn a_router_that_is_off_only_counts_and_a_master_reports_all() {
    let mut bench = Bench::of(3, 4);
    let frame = Advert::new(3, 4).frame();
    bench.path.off(&bench.key).unwrap();
    let idle = bench.heard();
    assert_eq!((idle.deadline, idle.armed), (0, 0));
    assert_eq!(bench.path.run(&frame, 3).unwrap().0, DROP);
    assert_eq!(bench.counters().accepted, 3);
    assert_eq!(bench.heard(), idle);

    bench.path.report(&bench.key, &bench.rules).unwrap();
    let before = now();
    bench.path.run(&frame, 3).unwrap();
    let rivals = reports(&mut bench.path, 3, Duration::from_secs(5));
    assert_eq!(rivals.len(), 3);
    for rival in rivals {
        assert_eq!((rival.kind, rival.source), (ReportKind::Rival, ip("10.0.0.1")));
        assert_eq!((rival.priority.0, rival.interval.nanos()), (200, 1_000_000_000));
        assert!(rival.at.0 >= before);
    }
    let heard = bench.heard();
    assert_eq!((heard.deadline, heard.armed, heard.adverts, heard.priority), (0, 0, 3, 200));
}

#[test]
fn rejected_packets_change_nothing_in_any_mode() {
    let wrong = [
        Advert { ttl: 1, priority: 0, ..Advert::new(3, 4) },
        Advert { checksum: Checksum::Fixed(1), priority: 0, ..Advert::new(3, 4) },
        Advert { version: 2, priority: 0, ..Advert::new(3, 4) },
        Advert { max_interval: 0, priority: 0, ..Advert::new(3, 4) },
    ];
    let mut bench = Bench::of(3, 4);
    let (key, rules) = (bench.key, bench.rules);
    for mode in 0..3 {
        match mode {
            0 => bench.path.off(&key).unwrap(),
            1 => bench.path.watch(&key, &rules, HOUR).unwrap(),
            _ => bench.path.report(&key, &rules).unwrap(),
        }
        let before = bench.heard();
        for advert in &wrong {
            bench.path.run(&advert.frame(), 10_000).unwrap();
        }
        assert_eq!(bench.heard(), before);
        assert_eq!(reports(&mut bench.path, 1, Duration::from_millis(5)), []);
    }
    assert_eq!(bench.counters().rejected.iter().sum::<u64>(), 3 * 4 * 10_000);
}

#[test]
fn a_full_ring_is_counted_and_drains() {
    let mut bench = Bench::of(3, 4);
    let (key, rules) = (bench.key, bench.rules);
    bench.path.report(&key, &rules).unwrap();
    let frame = Advert::new(3, 4).frame();
    bench.path.run(&frame, 20_000).unwrap();
    let lost = bench.path.lost();
    assert!(lost > 0);
    assert_eq!(bench.counters().ring_full, lost);
    let kept = reports(&mut bench.path, 20_000, Duration::from_millis(50));
    assert_eq!(kept.len() as u64 + lost, 20_000);
    bench.path.run(&frame, 1).unwrap();
    assert_eq!(reports(&mut bench.path, 1, Duration::from_secs(5)).len(), 1);
    assert_eq!(bench.path.lost(), lost);
}
