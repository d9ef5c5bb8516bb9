//! The XDP program against the `vrrp` crate: the same packets, the same verdicts, reasons, counters and reports.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use vipward::kernel::{Datapath as _, ReportKind, Timer, XdpPath};
use vipward_common::abi::{
    Counters, FLAG_CHECK_PEER, FLAG_PREEMPT, FLAG_UNICAST, MODE_OFF, MODE_REPORT, MODE_WATCH, Peer, PeerKey,
    RouterKey, Rules,
};
use vipward_tests::frame::{LOOPBACK, key, rules};
use vipward_vrrp::address::to_abi;
use vipward_vrrp::packet::{Facts, Rejection, Verdict, decode_frame};
use vipward_vrrp::types::{Family, Mono};
use vipward_vrrp::watch::{SoftWatch, WatchEvent};

/// `XDP_DROP`.
const DROP: u32 = 1;
/// `XDP_PASS`.
const PASS: u32 = 2;
/// Where those come from whose MACs are checked.
pub const HOME: [u8; 6] = [0x02, 0xab, 0, 0x10, 0x20, 0x30];

/// CLOCK_MONOTONIC in nanoseconds.
fn now() -> u64 {
    u64::try_from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().num_nanoseconds()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// One router on both sides.
struct Twin {
    rules: Rules,
    watch: SoftWatch,
    counters: Counters,
    /// The kernel's generations start elsewhere.
    generation: u64,
}

/// The XDP program and the decoder, with the same routers.
pub struct Twins {
    path: XdpPath,
    routers: HashMap<RouterKey, Twin>,
    peers: HashMap<PeerKey, Peer>,
}

impl fmt::Debug for Twins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twins").field("routers", &self.routers.len()).finish_non_exhaustive()
    }
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
    ///
    /// # Panics
    ///
    /// Where they differ, and where the kernel refuses.
    pub fn compare(&mut self, frame: &[u8]) -> Verdict {
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
        if let Verdict::Accepted(Facts { key, .. }) | Verdict::Rejected(Rejection { key, .. }) = verdict {
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
///
/// # Panics
///
/// Where the program cannot be loaded.
#[must_use]
pub fn twins() -> Twins {
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
