//! The watch in user space: deadlines, what is news, and which expiry still counts.

use std::time::Duration;

use vipward_common::abi::{self, FLAG_PREEMPT, MODE_OFF, MODE_REPORT, MODE_WATCH, RouterKey, Rules};
use vipward_vrrp::packet::Facts;
use vipward_vrrp::router::{Event, Heard, WatchTimer};
use vipward_vrrp::types::{Family, Interval, Mono, Priority};
use vipward_vrrp::watch::WatchEventKind::{Changed, Expired, Outranked, Resigned, Rival};
use vipward_vrrp::watch::{SoftWatch, WatchEvent, WatchEventKind};

use crate::fixtures::{MASTER_DOWN, address, at};

const SKEW: Duration = Duration::from_micros(609_375);

fn rules(mode: u8) -> Rules {
    Rules {
        mode,
        version: 3,
        priority: 100,
        flags: FLAG_PREEMPT,
        down_adverts: 3,
        interval_ns: 1_000_000_000,
        ..Rules::default()
    }
}

fn facts(last: u8, priority: u8) -> Facts {
    Facts {
        key: RouterKey::default(),
        source: address(last),
        mac: None,
        priority: Priority(priority),
        interval: Interval::from_secs(1),
        addresses_differ: false,
        interval_differs: false,
    }
}

fn watching() -> SoftWatch {
    let mut watch = SoftWatch::new(Family::V4);
    watch.set(at(0), rules(MODE_WATCH), WatchTimer::Set(MASTER_DOWN));
    watch
}

fn kind(event: Option<WatchEvent>) -> Option<WatchEventKind> {
    event.map(|event| event.kind)
}

#[test]
fn only_news_is_reported() {
    let mut watch = watching();
    let mut step = 0;
    let mut hear = |last, priority, interval| {
        step += 1;
        let facts = Facts { interval, ..facts(last, priority) };
        kind(watch.accept(at(step), &facts))
    };
    let (slow, fast) = (Interval::from_secs(1), Interval::from_centis(10));
    assert_eq!(hear(11, 150, slow), Some(Changed), "the first advert");
    assert_eq!(hear(11, 150, slow), None, "steady state");
    assert_eq!(hear(12, 150, slow), Some(Changed), "another master");
    assert_eq!(hear(12, 160, slow), Some(Changed), "another priority");
    assert_eq!(hear(12, 160, fast), Some(Changed), "another interval");
    assert_eq!(hear(12, 160, fast), None);
    assert_eq!(hear(12, 0, fast), Some(Resigned));
    assert_eq!(hear(12, 0, fast), None, "once is enough");
    assert_eq!(hear(12, 50, fast), Some(Outranked));
    assert_eq!(hear(12, 50, fast), None);
    assert_eq!(hear(12, 50, slow), Some(Outranked), "another interval, which is not learned");
    assert_eq!(hear(12, 50, slow), None, "and is no news the second time");
    assert_eq!(watch.heard().adverts, 12);
}

#[test]
fn deadlines_follow_the_judgement() {
    let mut watch = watching();
    assert_eq!(watch.deadline(), Some(at(0) + MASTER_DOWN));
    let _ = watch.accept(at(500), &facts(11, 150));
    assert_eq!(watch.deadline(), Some(at(500) + MASTER_DOWN));
    let _ = watch.accept(at(600), &facts(9, 50));
    assert_eq!(watch.deadline(), Some(at(500) + MASTER_DOWN), "a lower master does not re-arm");
    let fast = Facts { interval: Interval::from_centis(10), ..facts(11, 150) };
    let _ = watch.accept(at(700), &fast);
    assert_eq!(watch.deadline(), Some(at(700) + MASTER_DOWN / 10), "the interval is learned");
    // The resigning advert's own interval is not: Skew_Time is that of the interval in force.
    let _ = watch.accept(at(800), &Facts { interval: Interval::from_secs(40), ..facts(11, 0) });
    assert_eq!(watch.deadline(), Some(at(800) + SKEW / 10));
}

#[test]
fn an_expiry_comes_once_and_is_claimed_once() {
    let mut watch = watching();
    let end = at(0) + MASTER_DOWN;
    assert_eq!(watch.expire(Mono(end.0 - 1)), None);
    let expiry = watch.expire(end).unwrap();
    assert_eq!((expiry.kind, expiry.deadline), (Expired, end));
    assert_eq!(watch.expire(end), None);
    assert_eq!(watch.deadline(), None);
    assert_eq!(watch.heard().timeouts, 1);
    assert!(watch.claim(expiry.generation));
    assert!(!watch.claim(expiry.generation));
}

#[test]
fn an_advert_that_crosses_an_expiry_makes_it_stale() {
    for (priority, stale) in [(150, true), (0, true), (50, false)] {
        let mut watch = watching();
        let expiry = watch.expire(at(4_000)).unwrap();
        let _ = watch.accept(at(4_001), &facts(11, priority));
        assert_eq!(watch.deadline().is_some(), stale, "priority {priority}");
        assert_eq!(watch.claim(expiry.generation), !stale, "priority {priority}");
    }
}

#[test]
fn only_the_current_expiry_can_be_claimed_and_only_after_it() {
    let mut watch = watching();
    assert!(!watch.claim(watch.heard().generation), "it still runs");
    let crossed = watch.expire(at(4_000)).unwrap();
    let _ = watch.accept(at(4_001), &facts(11, 150));
    let second = watch.expire(at(8_000)).unwrap();
    assert!(!watch.claim(crossed.generation));
    assert!(watch.claim(second.generation));
}

#[test]
fn a_new_setting_makes_an_expiry_stale_and_kept_terms_do_not() {
    let cases = [
        (MODE_WATCH, WatchTimer::Set(MASTER_DOWN), false),
        (MODE_WATCH, WatchTimer::Keep, true),
        (MODE_REPORT, WatchTimer::Keep, false),
        (MODE_OFF, WatchTimer::Keep, false),
    ];
    for (mode, timer, stands) in cases {
        let mut watch = watching();
        let expiry = watch.expire(at(4_000)).unwrap();
        watch.set(at(4_001), rules(mode), timer);
        assert_eq!(watch.claim(expiry.generation), stands, "mode {mode}, {timer:?}");
    }
}

#[test]
fn after_a_claim_and_as_master_every_advert_is_a_rivals() {
    let mut watch = watching();
    let expiry = watch.expire(at(4_000)).unwrap();
    assert!(watch.claim(expiry.generation));
    assert_eq!(kind(watch.accept(at(4_001), &facts(11, 150))), Some(Rival));
    watch.set(at(4_002), rules(MODE_REPORT), WatchTimer::Keep);
    for _ in 0..3 {
        assert_eq!(kind(watch.accept(at(4_003), &facts(11, 150))), Some(Rival));
    }
    assert_eq!(watch.deadline(), None);
}

#[test]
fn kept_terms_never_leave_a_router_without_a_watch() {
    let mut watch = SoftWatch::new(Family::V4);
    watch.set(at(1_000), rules(MODE_WATCH), WatchTimer::Keep);
    assert_eq!(watch.deadline(), Some(at(1_000) + MASTER_DOWN));
    let sterner = Rules { priority: 200, ..rules(MODE_WATCH) };
    watch.set(at(2_000), sterner, WatchTimer::Keep);
    assert_eq!(watch.deadline(), Some(at(1_000) + MASTER_DOWN));
}

/// A master that was outranked when it was heard is tolerated by the new terms: its last advert counts from when it
/// came, and the expiry that was on its way is stale.
#[test]
fn terms_that_tolerate_more_judge_the_last_advert_again() {
    let tolerant = Rules { priority: 50, ..rules(MODE_WATCH) };
    let down = Duration::from_nanos(3_000_000_000 + 206 * 1_000_000_000 / 256);
    for (priority, rules, at_last, extended) in [
        (80, tolerant, 3_500, true),
        (80, Rules { flags: 0, ..tolerant }, 3_500, true),
        // Still outranked, resigned, or heard so long ago that it counts as dead.
        (40, tolerant, 3_500, false),
        (0, tolerant, 3_500, false),
        (80, tolerant, 10, false),
    ] {
        let mut watch = watching();
        let _ = watch.accept(at(at_last), &facts(11, priority));
        let before = watch.deadline().unwrap();
        let expiry = watch.expire(at(5_000)).unwrap();
        watch.set(at(5_000), rules, WatchTimer::Rejudge);
        let expected = extended.then(|| at(at_last) + down);
        assert_eq!(watch.deadline(), expected, "{priority} heard, {before:?} before");
        assert_eq!(watch.claim(expiry.generation), !extended, "{priority} heard");
    }
    let mut watch = SoftWatch::new(Family::V4);
    watch.set(at(1_000), rules(MODE_WATCH), WatchTimer::Rejudge);
    assert_eq!(watch.deadline(), Some(at(1_000) + MASTER_DOWN), "nobody stands without a watch");
}

#[test]
fn off_forgets_and_hears_nothing() {
    let mut watch = watching();
    let _ = watch.accept(at(1), &facts(11, 150));
    watch.set(at(2), rules(MODE_OFF), WatchTimer::Keep);
    assert_eq!(watch.accept(at(3), &facts(11, 150)), None);
    assert_eq!(watch.deadline(), None);
    watch.set(at(4), rules(MODE_WATCH), WatchTimer::Set(MASTER_DOWN));
    assert_eq!(kind(watch.accept(at(5), &facts(11, 150))), Some(Changed));
}

#[test]
fn the_kernels_records_read_as_the_same_events() {
    let key = RouterKey { family: 4, vrid: 7, ..RouterKey::default() };
    let record = abi::Event {
        key,
        kind: abi::EVENT_CHANGED,
        generation: 3,
        at: 10,
        deadline: 20,
        interval_ns: 1_000_000_000,
        source: [192, 0, 2, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        priority: 150,
        reserved: [0; 7],
    };
    let (found, event) = WatchEvent::from_abi(&record).unwrap();
    assert_eq!((found, event.kind, event.at, event.deadline), (key, Changed, Mono(10), Mono(20)));
    let heard = Heard { source: address(11), priority: Priority(150), interval: Interval::from_secs(1) };
    assert_eq!(event.to_router(), Event::Heard(heard));
    let kinds = [
        (abi::EVENT_EXPIRED, Expired),
        (abi::EVENT_RESIGNED, Resigned),
        (abi::EVENT_OUTRANKED, Outranked),
        (abi::EVENT_RIVAL, Rival),
    ];
    for (number, kind) in kinds {
        let (_, event) = WatchEvent::from_abi(&abi::Event { kind: number, ..record }).unwrap();
        assert_eq!(event.kind, kind);
        assert_eq!(event.to_router() == Event::Expired, kind == Expired);
    }
    assert_eq!(WatchEvent::from_abi(&abi::Event { kind: 99, ..record }), None);
    let strange = RouterKey { family: 5, ..key };
    assert_eq!(WatchEvent::from_abi(&abi::Event { key: strange, ..record }), None);
}
