//! The XDP program against the `vrrp` crate: the same packets, the same verdicts, reasons, counters and reports.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod xdp_support;

use std::collections::HashMap;
use std::time::Duration;

use vipward::kernel::{Datapath as _, ReportKind, Timer, XdpPath};
use vipward_common::abi::{
    Counters, FLAG_CHECK_PEER, FLAG_PREEMPT, FLAG_UNICAST, MODE_OFF, MODE_REPORT, MODE_WATCH, Peer, PeerKey,
    RouterKey, Rules,
};
use vipward_common::reason::Reason;
use vipward_common::wire::eth;
use vipward_tests::frame::{Advert, Checksum, LOOPBACK, key, rules};
use vipward_vrrp::address::to_abi;
use vipward_vrrp::packet::{Facts, Verdict, decode_frame};
use vipward_vrrp::types::{Family, Mono};
use vipward_vrrp::watch::{SoftWatch, WatchEvent};
use xdp_support::{DROP, PASS, ip, now};

/// Packets; the issue asks for 100,000.
const PACKETS: usize = 150_000;
/// Each verdict must come up this often, or the generator proves nothing about it.
const ENOUGH: u64 = 100;

/// Where those come from whose MACs are checked.
const HOME: [u8; 6] = [0x02, 0xab, 0, 0x10, 0x20, 0x30];

/// SplitMix64: the same packets in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }
}

/// One router on both sides.
struct Twin {
    rules: Rules,
    watch: SoftWatch,
    counters: Counters,
    /// The kernel's generations start elsewhere.
    generation: u64,
}

struct Twins {
    path: XdpPath,
    routers: HashMap<RouterKey, Twin>,
    peers: HashMap<PeerKey, Peer>,
}

impl Twins {
    fn new() -> Twins {
        Twins { path: XdpPath::load().unwrap(), routers: HashMap::new(), peers: HashMap::new() }
    }

    fn add(&mut self, key: RouterKey, rules: Rules, peers: &[(&str, Peer)]) {
        let mut watch = SoftWatch::new(if key.family == 4 { Family::V4 } else { Family::V6 });
        let peers: Vec<_> = peers.iter().map(|(address, peer)| (ip(address), *peer)).collect();
        for (address, peer) in &peers {
            self.peers.insert(PeerKey { router: key, address: to_abi(*address) }, *peer);
        }
        self.path.add(key, &Rules { mode: MODE_OFF, ..rules }, &peers).unwrap();
        let timer = Timer::Set(Duration::from_hours(1));
        match rules.mode {
            MODE_WATCH => self.path.watch(&key, &rules, timer).unwrap(),
            MODE_REPORT => self.path.report(&key, &rules).unwrap(),
            _ => {}
        }
        watch.set(Mono(now()), rules, timer);
        let generation = self.path.heard(&key).unwrap().generation.wrapping_sub(watch.heard().generation);
        self.routers.insert(key, Twin { rules, watch, counters: Counters::default(), generation });
    }

    /// Gives the frame to both, and fails where they differ.
    fn compare(&mut self, frame: &[u8]) -> Verdict {
        let expectations = (
            |key: &RouterKey| self.routers.get(key).map(|twin| twin.rules),
            |key: &PeerKey| self.peers.get(key).copied(),
        );
        let verdict = decode_frame(frame, LOOPBACK, &expectations);
        let (kernel, _) = self.path.run(frame, 1).unwrap();
        let expected = match verdict {
            Verdict::NotOurs => PASS,
            Verdict::Rejected(rejection) if rejection.elsewhere => PASS,
            Verdict::Rejected(_) | Verdict::Accepted(_) => DROP,
        };
        assert_eq!(kernel, expected, "{verdict:?} for {frame:02x?}");

        let mut events = Vec::new();
        match verdict {
            Verdict::NotOurs => {}
            Verdict::Rejected(rejection) => {
                self.routers.get_mut(&rejection.key).unwrap().counters.rejected[rejection.reason as usize] +=
                    1;
            }
            Verdict::Accepted(facts) => {
                let twin = self.routers.get_mut(&facts.key).unwrap();
                twin.count(&facts);
                events.extend(twin.watch.accept(Mono(now()), &facts).map(|event| (facts.key, event)));
            }
        }
        self.compare_reports(&events, frame);
        for (key, twin) in &self.routers {
            assert_eq!(self.path.counters(key).unwrap(), twin.counters, "{verdict:?} for {frame:02x?}");
        }
        if let Verdict::Accepted(Facts { key, .. })
        | Verdict::Rejected(vipward_vrrp::packet::Rejection { key, .. }) = verdict
        {
            let (ours, theirs) = (self.routers[&key].watch.heard(), self.path.heard(&key).unwrap());
            let generation = theirs.generation - self.routers[&key].generation;
            assert_eq!(
                (theirs.interval_ns, generation, theirs.adverts, theirs.source, theirs.priority),
                (ours.interval_ns, ours.generation, ours.adverts, ours.source, ours.priority),
                "after {frame:02x?}"
            );
            assert_eq!(theirs.advertised_ns, ours.advertised_ns, "after {frame:02x?}");
            assert_eq!(theirs.deadline == 0, ours.deadline == 0);
            assert!(theirs.deadline.abs_diff(ours.deadline) < 1_000_000_000, "{theirs:?} {ours:?}");
        }
        verdict
    }

    fn compare_reports(&mut self, expected: &[(RouterKey, WatchEvent)], frame: &[u8]) {
        let mut reports = Vec::new();
        self.path.drain(now(), &mut reports);
        // Watches of a few milliseconds run out by themselves.
        reports.retain(|report| report.kind != ReportKind::Expired);
        let ours: Vec<_> =
            reports.iter().map(|r| (r.key, r.kind, r.source, r.priority, r.interval)).collect();
        let theirs: Vec<_> =
            expected.iter().map(|(key, e)| (*key, e.kind, e.source, e.priority, e.interval)).collect();
        assert_eq!(ours, theirs, "reports of {frame:02x?}");
    }
}

impl Twin {
    fn count(&mut self, facts: &Facts) {
        self.counters.accepted += 1;
        self.counters.priority_zero += u64::from(facts.priority.is_stop());
        self.counters.address_list += u64::from(facts.addresses_differ);
        self.counters.interval_differs += u64::from(facts.interval_differs);
    }
}

/// Routers of every kind, in every mode.
fn twins() -> Twins {
    let mut twins = Twins::new();
    let near = Peer { min_ttl: 250, max_ttl: 255, ..Peer::ANY };
    let watched = |version, family| Rules { mode: MODE_WATCH, ..rules(version, family) };
    let unicast = |destination| Rules {
        destination: to_abi(ip(destination)),
        flags: FLAG_UNICAST | FLAG_CHECK_PEER | FLAG_PREEMPT,
        ..watched(3, if destination.contains(':') { 6 } else { 4 })
    };
    let (v4, v6) = (key(LOOPBACK, 4, 51), key(LOOPBACK, 6, 51));
    let vrid = |vrid, key| RouterKey { vrid, ..key };
    twins.add(v4, watched(3, 4), &[]);
    twins.add(v6, watched(3, 6), &[]);
    twins.add(vrid(52, v4), watched(2, 4), &[]);
    twins.add(vrid(53, v4), Rules { auth_type: 0, flags: 0, ..watched(2, 4) }, &[]);
    twins.add(vrid(54, v4), unicast("10.0.0.2"), &[("10.0.0.1", near), ("10.0.0.3", near)]);
    twins.add(vrid(54, v6), Rules { mode: MODE_REPORT, ..unicast("fe80::2") }, &[("fe80::1", near)]);
    twins.add(vrid(55, v4), Rules { flags: FLAG_UNICAST, ..unicast("10.0.0.2") }, &[("10.0.0.1", near)]);
    twins.add(vrid(56, v4), Rules { mode: MODE_REPORT, ..rules(3, 4) }, &[]);
    let at_home = Peer { has_mac: 1, mac: HOME, ..Peer::ANY };
    let named = |rules: Rules| Rules { flags: FLAG_CHECK_PEER | FLAG_PREEMPT, ..rules };
    let peers_v4 = [("10.0.0.1", at_home), ("10.0.0.3", Peer::ANY)];
    let peers_v6 = [("fe80::1", at_home), ("fe80::3", Peer::ANY)];
    twins.add(vrid(58, v4), named(watched(3, 4)), &peers_v4);
    twins.add(vrid(58, v6), named(Rules { mode: MODE_REPORT, ..rules(3, 6) }), &peers_v6);
    twins.add(vrid(57, v4), Rules { mode: MODE_OFF, ..rules(3, 4) }, &[]);
    twins.add(RouterKey { outer_vid: 7, ..v4 }, watched(3, 4), &[]);
    twins.add(RouterKey { outer_vid: 7, inner_vid: 9, ..v6 }, watched(3, 6), &[]);
    twins
}

/// An advert for one of the routers, with something wrong in it more often than not.
fn advert(dice: &mut Dice) -> Advert {
    let family = if dice.one_in(3) { 6 } else { 4 };
    let version = if family == 4 && dice.one_in(3) { 2 } else { 3 };
    let v4 = family == 4;
    let mut advert = Advert::new(version, family);
    advert.vrid =
        if version == 2 { dice.pick(&[52, 53]) } else { dice.pick(&[51, 51, 54, 55, 56, 57, 58, 58]) };
    if matches!(advert.vrid, 54 | 55) {
        advert.destination = ip(if v4 { "10.0.0.2" } else { "fe80::2" });
    }
    if advert.vrid == 53 && !dice.one_in(8) {
        advert.auth_type = 0;
    }
    if dice.one_in(4) {
        let tag = (dice.pick(&[eth::VLAN, eth::SERVICE_VLAN]), dice.pick(&[7, 7, 7, 0, 0x6000, 8]));
        advert.tags.push(tag);
        advert.vrid = 51;
    }
    if dice.one_in(3) && !advert.tags.is_empty() {
        advert.tags.push((eth::VLAN, dice.pick(&[9, 9, 0, 7])));
    }
    advert.priority = dice.pick(&[200, 200, 200, 100, 99, 50, 0, 255]);
    for _ in 0..dice.below(3) {
        spoil(&mut advert, dice);
    }
    advert
}

/// Changes one field, most often to something wrong.
fn spoil(advert: &mut Advert, dice: &mut Dice) {
    let v4 = advert.source.is_ipv4();
    match dice.below(19) {
        0 => advert.ttl = dice.byte(),
        1 => advert.version = dice.pick(&[0, 1, 2, 3, 4, 15]),
        2 => advert.kind = dice.pick(&[0, 2, 15]),
        3 => {
            advert.checksum =
                dice.pick(&[Checksum::Plain, Checksum::Pseudo, Checksum::Fixed(0), Checksum::Fixed(0xffff)]);
        }
        4 => {
            advert.source = ip(dice.pick(if v4 {
                &["10.0.0.2", "10.0.0.3", "10.0.0.9"]
            } else {
                &["fe80::2", "fe80::3", "fe80::9"]
            }));
        }
        5 => {
            advert.destination = ip(dice.pick(if v4 {
                &["10.0.0.2", "10.0.0.7", "224.0.0.18", "224.0.0.19"]
            } else {
                &["fe80::2", "fe80::7", "ff02::12", "ff02::13"]
            }));
        }
        6 => advert.auth_type = dice.pick(&[0, 1, 2]),
        7 => advert.auth_data[dice.below(8)] ^= dice.byte(),
        8 => {
            advert.max_interval = if advert.version == 2 {
                dice.pick(&[0, 1, 2, 3])
            } else {
                dice.pick(&[0, 0xf000, 1, 50, 0x0fff, 0x1064])
            }
        }
        9 => advert.addresses.clear(),
        10 => {
            advert.addresses = vec![
                advert.addresses.first().copied().unwrap_or(advert.source);
                dice.below(if v4 { 256 } else { 95 })
            ];
        }
        11 => advert.excess = (0..dice.below(40)).map(|_| dice.byte()).collect(),
        12 => advert.excess = vec![dice.byte(); 1400 + dice.below(120)],
        13 => advert.padding = dice.below(64),
        14 => advert.length_error = i32::try_from(dice.below(41)).unwrap() - 20,
        15 if v4 => advert.fragment = dice.pick(&[0x2000, 0x4000, 0x8000, 0x0001, 0x2001]),
        16 if v4 => advert.options = vec![dice.byte(); 4 * dice.below(11)],
        17 => advert.protocol = dice.byte(),
        _ => advert.count = Some(dice.byte()),
    }
    if advert.version == 2 {
        advert.max_interval &= 0xff;
    }
}

/// Damages the finished frame.
fn mutate(frame: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(3) {
        0 => frame.truncate(eth::LEN + dice.below(frame.len() - eth::LEN + 1)),
        1 => {
            for _ in 0..=dice.below(3) {
                let at = dice.below(frame.len().min(110));
                frame[at] ^= 1 << dice.below(8);
            }
        }
        _ => {
            let at = dice.below(frame.len().min(110));
            frame[at] = dice.byte();
        }
    }
}

#[test]
fn the_program_and_the_crate_agree_on_every_packet() {
    let mut twins = twins();
    let mut dice = Dice(0x5eed);
    let (mut passed, mut accepted, mut rejected) = (0, 0, HashMap::new());
    for _ in 0..PACKETS {
        let mut frame = advert(&mut dice).frame();
        if !dice.one_in(4) {
            frame[6..12].copy_from_slice(&HOME);
        }
        if dice.one_in(3) {
            mutate(&mut frame, &mut dice);
        }
        match twins.compare(&frame) {
            Verdict::NotOurs => passed += 1,
            Verdict::Rejected(rejection) => *rejected.entry(rejection.reason).or_insert(0) += 1,
            Verdict::Accepted(_) => accepted += 1,
        }
    }
    println!("{passed} passed, {accepted} accepted, rejected: {rejected:?}");
    assert!(passed >= ENOUGH && accepted >= ENOUGH);
    for reason in Reason::ALL {
        assert!(rejected.get(&reason).is_some_and(|count| *count >= ENOUGH), "{reason:?} in {rejected:?}");
    }
}
