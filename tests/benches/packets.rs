//! What a packet costs in the XDP program, by BPF_PROG_TEST_RUN: `cargo xtask bench packets`.
//!
//! Each figure is the best of several runs, for the machine is shared, and stands beside its ratio to a packet that is
//! not even IP, which every packet of the host costs from the moment the program is attached.
#![allow(clippy::unwrap_used, reason = "a measurement ends where it cannot measure")]
#![allow(missing_docs, reason = "not a library")]

#[path = "../tests/xdp_support/mod.rs"]
mod xdp_support;

use std::time::Duration;

use vipward::kernel::{Datapath as _, Timer, XdpPath};
use xdp_support::frame::Advert;
use xdp_support::{LOOPBACK, key, rules};

const RUNS: u32 = 200_000;
const ROUNDS: usize = 7;

/// Nanoseconds of one run.
fn best(path: &mut XdpPath, frame: &[u8]) -> u128 {
    (0..ROUNDS).map(|_| path.run(frame, RUNS).unwrap().1.as_nanos()).min().unwrap()
}

fn main() {
    let mut path = XdpPath::load().unwrap();
    for (version, family) in [(2, 4), (3, 4), (3, 6)] {
        let (key, rules) = (key(LOOPBACK, family, 50 + version), rules(version, family));
        path.add(key, &rules, &[]).unwrap();
        path.watch(&key, &rules, Timer::Set(Duration::from_hours(1))).unwrap();
    }
    let v4 = Advert { vrid: 53, ..Advert::new(3, 4) };
    let mut arp = v4.frame();
    arp[13] = 6;
    let cases = [
        ("ARP", arp),
        ("UDP", Advert { protocol: 17, ..v4.clone() }.frame()),
        ("advert of a VRID that is not ours", Advert { vrid: 9, ..v4.clone() }.frame()),
        ("advert rejected by its TTL", Advert { ttl: 1, ..v4.clone() }.frame()),
        ("advert, version 2", Advert { vrid: 52, ..Advert::new(2, 4) }.frame()),
        ("advert, version 3 over IPv4", v4.frame()),
        ("advert, version 3 over IPv6", Advert { vrid: 53, ..Advert::new(3, 6) }.frame()),
        ("advert of 20 addresses", Advert { addresses: v4.addresses.repeat(20), ..v4 }.frame()),
    ];
    let costs: Vec<(&str, u128)> =
        cases.iter().map(|(name, frame)| (*name, best(&mut path, frame))).collect();
    let least = costs.first().map_or(1, |(_, cost)| (*cost).max(1));
    println!("{:<36}{:>8}{:>10}", "packet", "ns", "ratio");
    for (name, cost) in costs {
        println!("{name:<36}{cost:>8}{:>8}.{}x", cost / least, cost * 10 / least % 10);
    }
}
