//! The watch in the kernel, driven by BPF_PROG_TEST_RUN: no interface is needed for a timer to run out.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod xdp_support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use vipward::kernel::{Claim, Datapath as _, ReportKind, Timer, XdpPath};
use vipward_common::abi::{Counters, FLAG_PREEMPT, RouterKey, Rules};
use vipward_tests::frame::{Advert, LOOPBACK, key, rules};
use xdp_support::{DROP, now, reports};

const SOON: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

/// A path with one watching version 3 router, VRID 51.
fn watching(timer: Duration) -> (XdpPath, Rules) {
    let mut path = XdpPath::load().unwrap();
    let rules = rules(3, 4);
    let key = key(LOOPBACK, 4, 51);
    path.add(key, &rules, &[]).unwrap();
    path.watch(&key, &rules, Timer::Set(timer)).unwrap();
    (path, rules)
}

#[test]
fn a_silent_master_expires_once_and_can_be_claimed_once() {
    let before = now();
    let (mut path, _) = watching(SOON);
    let key = key(LOOPBACK, 4, 51);
    assert_eq!(path.heard(&key).unwrap().armed, 1);

    let expiries = reports(&mut path, 1, PATIENCE);
    assert_eq!(expiries.len(), 1);
    let expiry = expiries[0];
    assert_eq!((expiry.kind, expiry.key), (ReportKind::Expired, key));
    assert!(
        expiry.at >= expiry.deadline && expiry.deadline.0 >= before + 20_000_000,
        "{expiry:?} after {before}"
    );
    let heard = path.heard(&key).unwrap();
    assert_eq!((heard.armed, heard.timeouts, heard.generation), (0, 1, expiry.generation));

    assert_eq!(path.claim(&key, expiry.generation + 1).unwrap(), Claim::Stale);
    assert_eq!(path.claim(&key, expiry.generation).unwrap(), Claim::Won);
    assert_eq!(path.claim(&key, expiry.generation).unwrap(), Claim::Stale);
    assert_eq!(reports(&mut path, 1, SOON), []);
}

#[test]
fn an_advert_after_the_expiry_makes_the_claim_stale() {
    let (mut path, _) = watching(SOON);
    let key = key(LOOPBACK, 4, 51);
    let expiry = reports(&mut path, 1, PATIENCE)[0];

    assert_eq!(path.run(&Advert::new(3, 4).frame(), 1).unwrap().0, DROP);
    assert_eq!(path.claim(&key, expiry.generation).unwrap(), Claim::Stale);
    let heard = path.heard(&key).unwrap();
    assert_eq!((heard.armed, heard.adverts), (1, 1));
    assert!(heard.deadline > now() + 3_000_000_000, "the watch goes on for Master_Down_Interval");
}

#[test]
fn adverts_put_the_expiry_off_without_touching_the_timer() {
    let (mut path, _) = watching(Duration::from_millis(60));
    let key = key(LOOPBACK, 4, 51);
    // 20 ms interval: Master_Down_Interval of priority 100 is 72.1875 ms.
    let advert = Advert { max_interval: 2, ..Advert::new(3, 4) }.frame();
    let mut last = 0;
    for _ in 0..100 {
        path.run(&advert, 1).unwrap();
        last = path.heard(&key).unwrap().last_advert;
        assert_eq!(
            reports(&mut path, 2, Duration::from_millis(3))
                .iter()
                .filter(|r| r.kind == ReportKind::Expired)
                .count(),
            0
        );
    }
    let expiry = reports(&mut path, 1, PATIENCE)[0];
    assert_eq!(expiry.kind, ReportKind::Expired);
    assert_eq!(expiry.deadline.0, last + 72_187_500);
    assert!(expiry.at >= expiry.deadline);
    assert_eq!(path.heard(&key).unwrap().timeouts, 1);
}

#[test]
fn priority_zero_brings_the_expiry_forward_to_skew_time() {
    let (mut path, _) = watching(Duration::from_hours(1));
    let key = key(LOOPBACK, 4, 51);
    // The interval in force stays 1 s, whatever a resigning master announces: Skew_Time is 609.375 ms.
    let resign = Advert { priority: 0, max_interval: 4000, ..Advert::new(3, 4) };
    path.run(&resign.frame(), 1).unwrap();
    let seen = reports(&mut path, 2, PATIENCE);
    assert_eq!([seen[0].kind, seen[1].kind], [ReportKind::Resigned, ReportKind::Expired]);
    assert_eq!(seen[0].deadline.0 - seen[0].at.0, 609_375_000);
    assert_eq!(seen[1].deadline, seen[0].deadline);
    assert!(seen[1].at >= seen[1].deadline);
    assert_eq!(path.claim(&key, seen[1].generation).unwrap(), Claim::Won);
}

#[test]
fn a_shorter_interval_rearms_at_once() {
    let (mut path, _) = watching(Duration::from_hours(1));
    path.run(&Advert { max_interval: 1, ..Advert::new(3, 4) }.frame(), 1).unwrap();
    let seen = reports(&mut path, 2, PATIENCE);
    assert_eq!([seen[0].kind, seen[1].kind], [ReportKind::Changed, ReportKind::Expired]);
    assert_eq!(seen[0].deadline.0 - seen[0].at.0, 36_093_750);
}

#[test]
fn a_lower_priority_is_reported_once_and_does_not_save_its_master() {
    let (mut path, _) = watching(Duration::from_millis(100));
    let key = key(LOOPBACK, 4, 51);
    let deadline = path.heard(&key).unwrap().deadline;
    let low = Advert { priority: 99, ..Advert::new(3, 4) }.frame();
    path.run(&low, 1).unwrap();
    path.run(&low, 1).unwrap();
    let seen = reports(&mut path, 2, PATIENCE);
    assert_eq!([seen[0].kind, seen[1].kind], [ReportKind::Outranked, ReportKind::Expired]);
    assert_eq!(seen[1].deadline.0, deadline);
    path.run(&low, 1).unwrap();
    assert_eq!(path.claim(&key, seen[1].generation).unwrap(), Claim::Won, "it goes on advertising");
}

#[test]
fn a_change_of_rules_keeps_the_deadline_and_the_learned_interval() {
    let (mut path, rules) = watching(Duration::from_hours(1));
    let key = key(LOOPBACK, 4, 51);
    path.run(&Advert { max_interval: 200, ..Advert::new(3, 4) }.frame(), 1).unwrap();
    let before = path.heard(&key).unwrap();
    path.watch(&key, &Rules { priority: 150, ..rules }, Timer::Keep).unwrap();
    assert_eq!(path.heard(&key).unwrap(), before);
    assert_eq!(before.interval_ns, 2_000_000_000);
}

/// The path in the kernel and its twin agree on what terms that tolerate more make of the last advert.
#[test]
fn terms_that_tolerate_more_judge_the_last_advert_again() {
    let (mut path, rules) = watching(Duration::from_hours(1));
    let key = key(LOOPBACK, 4, 51);
    let preempts = Rules { priority: 150, flags: rules.flags | FLAG_PREEMPT, ..rules };
    path.watch(&key, &preempts, Timer::Set(Duration::from_secs(1))).unwrap();
    path.run(&Advert { priority: 120, ..Advert::new(3, 4) }.frame(), 1).unwrap();
    let outranked = path.heard(&key).unwrap();
    assert!(outranked.deadline < outranked.last_advert + 1_000_000_000, "it re-armed the watch");

    path.watch(&key, &rules, Timer::Rejudge).unwrap();
    let heard = path.heard(&key).unwrap();
    assert!(heard.generation > outranked.generation, "an earlier expiry is stale");
    let from_last = heard.deadline - heard.last_advert;
    assert!((3_609_375_000..3_709_375_000).contains(&from_last), "{from_last}");
}

#[test]
fn keeping_no_deadline_starts_master_down_interval() {
    let (mut path, rules) = watching(Duration::from_hours(1));
    let key = key(LOOPBACK, 4, 51);
    path.off(&key).unwrap();
    let before = now();
    path.watch(&key, &rules, Timer::Keep).unwrap();
    let heard = path.heard(&key).unwrap();
    assert_eq!(heard.armed, 1);
    let after = heard.deadline - before;
    assert!((3_609_375_000..4_609_375_000).contains(&after), "{after}");
}

#[test]
fn a_router_that_was_off_or_master_is_watched_again() {
    let (mut path, rules) = watching(SOON);
    let key = key(LOOPBACK, 4, 51);
    for round in 1..=3 {
        let expiry = reports(&mut path, 1, PATIENCE)[0];
        assert_eq!(path.claim(&key, expiry.generation).unwrap(), Claim::Won);
        path.report(&key, &rules).unwrap();
        path.off(&key).unwrap();
        path.watch(&key, &rules, Timer::Set(SOON)).unwrap();
        let heard = path.heard(&key).unwrap();
        assert_eq!((heard.armed, heard.timeouts), (1, round));
    }
}

#[test]
fn nothing_expires_that_is_not_watched() {
    let (mut path, rules) = watching(SOON);
    let key = key(LOOPBACK, 4, 51);
    path.report(&key, &rules).unwrap();
    assert_eq!(reports(&mut path, 1, 3 * SOON), []);
    path.watch(&key, &rules, Timer::Set(SOON)).unwrap();
    path.off(&key).unwrap();
    assert_eq!(reports(&mut path, 1, 3 * SOON), []);
    path.watch(&key, &rules, Timer::Set(SOON)).unwrap();
    path.remove(&key).unwrap();
    assert_eq!(reports(&mut path, 1, 3 * SOON), []);
    assert!(path.heard(&key).is_err());
}

#[test]
fn a_burst_of_timers_is_armed_to_the_last_and_all_expire() {
    const ROUTERS: usize = 1500;
    let mut path = XdpPath::load().unwrap();
    let rules = rules(3, 4);
    let keys: Vec<_> = (0..ROUTERS)
        .map(|n| RouterKey {
            outer_vid: u16::try_from(n / 255).unwrap(),
            ..key(LOOPBACK, 4, u8::try_from(n % 255 + 1).unwrap())
        })
        .collect();
    let mut longest = Duration::ZERO;
    for key in &keys {
        let start = Instant::now();
        path.add(*key, &rules, &[]).unwrap();
        longest = longest.max(start.elapsed());
    }
    for key in &keys {
        path.watch(key, &rules, Timer::Set(Duration::from_millis(300))).unwrap();
    }
    let armed = keys.iter().filter(|key| path.heard(key).unwrap().armed == 1).count();
    let expired = reports(&mut path, ROUTERS, PATIENCE);
    let refused: u64 = keys.iter().map(|key| path.counters(key).unwrap().arm_failed).sum();
    println!("{armed} still armed when asked, {refused} attempts refused by the kernel, longest {longest:?}");
    let distinct: HashSet<_> = expired.iter().map(|report| report.key).collect();
    assert_eq!((expired.len(), distinct.len()), (ROUTERS, ROUTERS));
    for key in &keys {
        path.remove(key).unwrap();
    }
    path.add(keys[0], &rules, &[]).unwrap();
    assert_eq!(path.counters(&keys[0]).unwrap(), Counters::default(), "a new router counts from zero");
}

#[test]
fn an_expiry_of_a_former_router_with_the_same_key_is_stale() {
    let (mut path, rules) = watching(SOON);
    let key = key(LOOPBACK, 4, 51);
    let expiry = reports(&mut path, 1, PATIENCE)[0];
    path.remove(&key).unwrap();
    path.add(key, &rules, &[]).unwrap();
    path.watch(&key, &rules, Timer::Set(SOON)).unwrap();
    assert_eq!(reports(&mut path, 1, PATIENCE).len(), 1);
    assert_eq!(path.claim(&key, expiry.generation).unwrap(), Claim::Stale);
}
