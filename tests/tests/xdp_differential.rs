//! The XDP program against the `vrrp` crate: the same packets, the same verdicts, reasons, counters and reports.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod xdp_support;

use std::collections::HashMap;

use vipward_common::reason::Reason;
use vipward_common::wire::eth;
use vipward_fuzz::twins::{HOME, twins};
use vipward_tests::frame::{Advert, Checksum};
use vipward_vrrp::packet::Verdict;
use xdp_support::ip;

/// Packets; the issue asks for 100,000.
const PACKETS: usize = 150_000;
/// Each verdict must come up this often, or the generator proves nothing about it.
const ENOUGH: u64 = 100;

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
