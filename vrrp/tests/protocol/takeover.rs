//! Behaviour over several events: causes, preemption and its delay, cadence, announcements, reloads.

use std::net::IpAddr;
use std::time::Duration;

use vipward_common::watch::Own;
use vipward_vrrp::router::{
    Action, Cause, Event, Garp, Heard, Master, Params, Router, Transition, WatchTimer,
};
use vipward_vrrp::types::{Interval, Mono, Priority, State, Version, Vrid};

use crate::fixtures::{MASTER_SINCE, address, at, heard, in_state, params};

fn hear(router: &mut Router, millis: u64, heard: Heard) -> Vec<Action> {
    router.handle(at(millis), Event::Heard(heard)).to_vec()
}

/// The terms change to these; patience with a lesser master has its last advert judged again.
fn terms(preempt: bool) -> Vec<Action> {
    let own = Own { version: 3, priority: 100, preempt, down_adverts: 3 };
    let timer = if preempt { WatchTimer::Keep } else { WatchTimer::Rejudge };
    vec![Action::Watch { own, interval: Interval::from_secs(1), timer }]
}

fn cause(actions: &[Action]) -> Cause {
    match actions.last() {
        Some(Action::Transition(Transition { cause, .. })) => *cause,
        other => panic!("no transition: {other:?}"),
    }
}

#[test]
fn a_takeover_names_its_cause() {
    let master = |last, priority| Master { source: address(last), priority: Priority(priority) };
    let cases = [
        (vec![], Cause::NoMaster),
        (vec![heard(11, 150)], Cause::MasterSilent(master(11, 150))),
        (vec![heard(11, 150), heard(11, 0)], Cause::MasterResigned(master(11, 0))),
        (vec![heard(11, 150), heard(11, 50)], Cause::Preempted(master(11, 50))),
    ];
    for (adverts, expected) in cases {
        let mut router = in_state(State::Backup, params());
        for advert in adverts {
            assert_eq!(hear(&mut router, 1_000, advert), []);
        }
        assert_eq!(cause(&router.handle(at(5_000), Event::Expired)), expected);
        assert_eq!(router.master(), None);
    }
}

#[test]
fn without_preemption_a_lower_master_only_falls_silent() {
    let mut router = in_state(State::Backup, Params { preempt: false, ..params() });
    hear(&mut router, 1_000, heard(11, 50));
    let expected = Cause::MasterSilent(Master { source: address(11), priority: Priority(50) });
    assert_eq!(cause(&router.handle(at(5_000), Event::Expired)), expected);
}

/// RFC 9568 §6.1: Preempt_Mode does not bind the owner of the addresses.
#[test]
fn the_owner_preempts_whatever_the_mode() {
    let mut router = in_state(State::Backup, Params { preempt: false, ..params() });
    let owner = Params { preempt: false, priority: Priority::OWNER, ..params() };
    let actions = router.handle(at(1_000), Event::Reconfigured(owner));
    let own = Own { version: 3, priority: 255, preempt: true, down_adverts: 3 };
    let expected = Action::Watch { own, interval: Interval::from_secs(1), timer: WatchTimer::Keep };
    assert_eq!(actions.to_vec(), [expected]);
}

#[test]
fn version_3_learns_the_interval_and_version_2_does_not() {
    let slow = Heard { interval: Interval::from_secs(4), ..heard(11, 150) };
    for (version, expected) in [(Version::V3, 4), (Version::V2, 1)] {
        let mut router = in_state(State::Backup, Params { version, ..params() });
        hear(&mut router, 1_000, slow);
        assert_eq!(router.interval(), Interval::from_secs(expected));
        // An advert that resigns or is discarded teaches nothing (RFC 9568 §6.4.2).
        hear(&mut router, 1_000, heard(11, 0));
        hear(&mut router, 1_000, heard(11, 50));
        assert_eq!(router.interval(), Interval::from_secs(expected));
    }
}

#[test]
fn a_master_steps_back_for_the_rivals_interval() {
    let rival = Heard { interval: Interval::from_centis(10), ..heard(11, 150) };
    for (version, timer) in [(Version::V3, 360_937_500), (Version::V2, 3_609_375_000)] {
        let mut router = in_state(State::Master, Params { version, ..params() });
        let actions = hear(&mut router, 10_000, rival);
        let Some(Action::Watch { timer: WatchTimer::Set(after), .. }) = actions.first() else {
            panic!("no watch: {actions:?}");
        };
        assert_eq!(*after, Duration::from_nanos(timer));
        assert_eq!(router.master(), Some(Master { source: address(11), priority: Priority(150) }));
    }
}

/// RFC 9568 §6.4.3: the comparison is of unsigned integers in network order.
#[test]
fn ties_are_broken_by_unsigned_addresses() {
    let cases = [
        ("10.0.0.1", "200.0.0.1", true),
        ("10.0.0.9", "10.0.0.10", true),
        ("200.0.0.1", "10.0.0.1", false),
        ("fe80::1", "fe80::ffff:0:0:1", true),
        ("fe80::9000:0:0:1", "fe80::1:0:0:1", false),
    ];
    for (own, rival, steps_back) in cases {
        let source: IpAddr = own.parse().unwrap();
        let mut router = in_state(State::Master, Params { source, ..params() });
        hear(&mut router, 10_000, Heard { source: rival.parse().unwrap(), ..heard(0, 100) });
        assert_eq!(router.state() == State::Backup, steps_back, "{own} hears {rival}");
    }
}

#[test]
fn preempt_delay_counts_from_the_first_lower_advert() {
    let mut router = in_state(State::Backup, Params { preempt_delay: Duration::from_secs(30), ..params() });
    assert_eq!(router.next_deadline(), None);
    assert_eq!(hear(&mut router, 1_000, heard(9, 50)), []);
    assert_eq!(router.next_deadline(), Some(at(31_000)));
    hear(&mut router, 2_000, heard(9, 60));
    assert_eq!(router.next_deadline(), Some(at(31_000)));
    assert_eq!(router.handle(at(30_999), Event::Tick).to_vec(), []);
    assert_eq!(router.handle(at(31_000), Event::Tick).to_vec(), terms(true));
    assert_eq!(router.next_deadline(), None);
    hear(&mut router, 32_000, heard(9, 60));
    let expected = Cause::Preempted(Master { source: address(9), priority: Priority(60) });
    assert_eq!(cause(&router.handle(at(35_000), Event::Expired)), expected);
}

#[test]
fn a_higher_master_ends_the_preempt_delay() {
    let mut router = in_state(State::Backup, Params { preempt_delay: Duration::from_secs(30), ..params() });
    hear(&mut router, 1_000, heard(9, 50));
    assert_eq!(hear(&mut router, 2_000, heard(11, 150)), []);
    assert_eq!(router.next_deadline(), None);
    hear(&mut router, 40_000, heard(9, 50));
    assert_eq!(router.next_deadline(), Some(at(70_000)));
    assert_eq!(router.handle(at(70_000), Event::Tick).to_vec(), terms(true));
    // Patience is over, then the higher master returns: patience begins anew.
    assert_eq!(hear(&mut router, 71_000, heard(11, 150)), terms(false));
}

#[test]
fn a_lower_master_that_dies_is_replaced_within_the_delay() {
    let mut router = in_state(State::Backup, Params { preempt_delay: Duration::from_secs(30), ..params() });
    hear(&mut router, 1_000, heard(9, 50));
    let expected = Cause::MasterSilent(Master { source: address(9), priority: Priority(50) });
    assert_eq!(cause(&router.handle(at(5_000), Event::Expired)), expected);
}

/// One that resigns is not to be preempted: its successor decides whether there is something to wait for.
#[test]
fn a_resignation_starts_no_delay_and_ends_none() {
    let mut router = in_state(State::Backup, Params { preempt_delay: Duration::from_secs(30), ..params() });
    hear(&mut router, 1_000, heard(9, 0));
    assert_eq!(router.next_deadline(), None);
    hear(&mut router, 2_000, heard(9, 50));
    hear(&mut router, 3_000, heard(9, 0));
    assert_eq!(router.next_deadline(), Some(at(32_000)));
}

/// keepalived's `down_timer_adverts`, in place of the RFCs' 3.
#[test]
fn the_number_of_missed_adverts_is_configurable() {
    let mut router = Router::new(Params { down_adverts: 5, ..params() });
    let actions = router.handle(at(0), Event::Startup);
    let Some(Action::Watch { own, timer, .. }) = actions.first() else { panic!("no watch: {actions:?}") };
    assert_eq!(own.down_adverts, 5);
    assert_eq!(*timer, WatchTimer::Set(Duration::from_micros(5_609_375)));
}

/// A master of lower priority does not re-arm the watch. Once it need not be replaced any more, it must not be
/// replaced by what is left of the watch.
#[test]
fn terms_that_tolerate_more_have_the_last_advert_judged_again() {
    let tolerant = Event::Reconfigured(Params { preempt: false, ..params() });
    for (event, priority, preempt, timer) in [
        (Event::Priority(Priority(50)), 50, true, WatchTimer::Rejudge),
        (Event::Priority(Priority(150)), 150, true, WatchTimer::Keep),
        (Event::Drain, 1, false, WatchTimer::Rejudge),
        (tolerant, 100, false, WatchTimer::Rejudge),
    ] {
        let mut router = in_state(State::Backup, params());
        hear(&mut router, 1_000, heard(9, 80));
        let own = Own { version: 3, priority, preempt, down_adverts: 3 };
        let expected = Action::Watch { own, interval: Interval::from_secs(1), timer };
        assert_eq!(router.handle(at(3_000), event).to_vec(), [expected], "{event:?}");
    }
}

#[test]
fn tracking_that_turns_the_tables_starts_and_ends_the_delay() {
    let mut router = in_state(State::Backup, Params { preempt_delay: Duration::from_secs(30), ..params() });
    hear(&mut router, 1_000, heard(11, 150));
    let _ = router.handle(at(2_000), Event::Priority(Priority(160)));
    assert_eq!(router.next_deadline(), Some(at(32_000)));
    let _ = router.handle(at(3_000), Event::Priority(Priority(100)));
    assert_eq!(router.next_deadline(), None);
}

#[test]
fn adverts_keep_their_cadence_when_late_and_skip_what_was_missed() {
    let garp = Garp { delay: Duration::ZERO, ..Garp::default() };
    let mut router = in_state(State::Master, Params { garp, ..params() });
    let mut next = |millis: u64, expected: u64| {
        assert_eq!(router.handle(at(millis), Event::Tick).len(), 1, "at {millis} ms");
        assert_eq!(router.next_deadline(), Some(at(expected)), "at {millis} ms");
    };
    next(9_750, 10_750);
    next(11_300, 11_750);
    next(12_749, 12_750);
    // Frozen for five seconds: one advert, and back to the cadence.
    next(18_600, 18_750);
}

#[test]
fn a_quarter_of_the_routers_advertises_together_and_never_late() {
    let garp = Garp { delay: Duration::ZERO, ..Garp::default() };
    for (vrid, since, slot) in [
        (8, 20_000, 21_000),
        (8, 20_001, 21_000),
        (8, 20_999, 21_000),
        (12, 20_500, 21_000),
        (5, 20_249, 20_250),
        (5, 20_250, 21_250),
        (7, 20_730, 20_750),
        (7, 20_751, 21_750),
    ] {
        let vrid = Vrid::new(vrid).unwrap();
        let mut router = Router::new(Params { vrid, priority: Priority::OWNER, garp, ..params() });
        let _ = router.handle(at(since), Event::Startup);
        assert_eq!(router.next_deadline(), Some(at(slot)), "VRID {vrid}, master since {since} ms");
    }
}

#[test]
fn the_second_round_comes_once_and_the_refresh_forever() {
    let refresh = Some(Duration::from_mins(1));
    let garp = Garp { refresh, refresh_repeat: 2, ..Garp::default() };
    let mut router = in_state(State::Master, Params { garp, interval: Interval::from_secs(100), ..params() });
    let mut rounds = Vec::new();
    for _ in 0..6 {
        let due = router.next_deadline().unwrap();
        for action in router.handle(due, Event::Tick) {
            if let Action::Announce { rounds: count } = action {
                rounds.push((due.saturating_since(at(MASTER_SINCE)).as_secs(), count));
            }
        }
    }
    assert_eq!(rounds, [(5, 5), (60, 2), (120, 2), (180, 2)]);
}

#[test]
fn a_flood_of_losing_adverts_is_answered_but_not_announced_each_time() {
    let mut router = in_state(State::Master, params());
    let announced = (0..1_000)
        .flat_map(|step| hear(&mut router, 10_000 + step, heard(9, 50)))
        .filter(|action| matches!(action, Action::Announce { .. }))
        .count();
    assert_eq!(announced, 1);
    // Its second round, five seconds later.
    let due = router.handle(at(15_000), Event::Tick);
    assert!(due.contains(&Action::Announce { rounds: 5 }), "{due:?}");
}

#[test]
fn priority_zero_is_answered_and_the_cadence_goes_on() {
    let mut router = in_state(State::Master, params());
    let answer = hear(&mut router, 10_300, heard(9, 0));
    assert_eq!(*answer, [Action::Advertise { priority: Priority(100) }]);
    assert_eq!(router.next_deadline(), Some(at(10_750)));
}

#[test]
fn tracking_is_announced_at_once_within_1_to_254_and_the_cadence_goes_on() {
    let mut router = in_state(State::Master, params());
    for (tracked, advertised) in [(90, 90), (0, 1), (255, 254)] {
        let advert = Action::Advertise { priority: Priority(advertised) };
        let next = router.next_deadline().unwrap();
        let actions = router.handle(at(10_000), Event::Priority(Priority(tracked)));
        assert_eq!(actions.to_vec(), [Action::Report, advert]);
        assert_eq!(router.next_deadline(), Some(next));
        assert_eq!(router.handle(next, Event::Tick).first(), Some(&advert));
    }
}

#[test]
fn a_reload_keeps_what_tracking_added() {
    let cases = [
        (100, 80, 150, 130),
        (100, 120, 250, 254),
        (100, 50, 20, 1),
        (100, 50, 255, 255),
        (255, 7, 100, 100),
    ];
    for (base, tracked, new_base, expected) in cases {
        let mut router = in_state(State::Init, Params { priority: Priority(base), ..params() });
        let _ = router.handle(at(1), Event::Priority(Priority(tracked)));
        let reloaded = Params { priority: Priority(new_base), ..params() };
        let _ = router.handle(at(2), Event::Reconfigured(reloaded));
        assert_eq!(
            router.priority(),
            Priority(expected),
            "{base} tracked to {tracked}, reloaded with {new_base}"
        );
    }
}

#[test]
fn a_reload_leaves_a_learned_interval_and_the_identity_alone() {
    let mut router = in_state(State::Backup, params());
    hear(&mut router, 1_000, heard(11, 150));
    let other = Params { version: Version::V2, interval: Interval::from_secs(9), ..params() };
    assert_eq!(router.handle(at(2_000), Event::Reconfigured(other)).to_vec(), []);
    assert_eq!(router.interval(), Interval::from_secs(1));
    assert_eq!(router.params().version, Version::V3);
    assert_eq!(router.params().interval, Interval::from_secs(9));
}

#[test]
fn the_end_of_time_is_survived() {
    let mut router = in_state(State::Master, Params { interval: Interval::from_nanos(0), ..params() });
    for now in [Mono(u64::MAX - 1), Mono(u64::MAX)] {
        let _ = router.handle(now, Event::Tick);
        assert!(router.next_deadline().is_some());
    }
}

#[test]
fn causes_read_as_the_end_of_a_log_line() {
    let rival = heard(11, 150);
    assert_eq!(Cause::HigherPriority(rival).to_string(), "192.0.2.11 advertises the higher priority 150");
    let silent = Cause::MasterSilent(Master { source: address(11), priority: Priority(150) });
    assert_eq!(silent.to_string(), "master 192.0.2.11 fell silent");
}

/// RFC 5798 §6.4.3 discards the advert of a losing master; keepalived and RFC 9568 answer it.
#[test]
fn a_losing_master_is_left_without_an_answer_where_that_is_wanted() {
    let mut router = in_state(State::Master, Params { lower_prio_no_advert: true, ..params() });
    let actions = hear(&mut router, MASTER_SINCE + 10, heard(11, 50));
    assert!(!actions.iter().any(|action| matches!(action, Action::Advertise { .. })), "{actions:?}");
    assert!(
        actions.iter().any(|action| matches!(action, Action::Announce { .. })),
        "neighbours are told all the same"
    );
    let resigned = hear(&mut router, MASTER_SINCE + 20, heard(11, 0));
    assert_eq!(resigned, [Action::Advertise { priority: Priority(100) }]);
}

#[test]
fn a_rival_is_told_of_the_losing_master_before_it_steps_back() {
    for (wanted, expected) in [(false, 0), (true, 1)] {
        let mut router = in_state(State::Master, Params { higher_prio_send_advert: wanted, ..params() });
        let actions = hear(&mut router, MASTER_SINCE + 10, heard(11, 200));
        let own = Action::Advertise { priority: Priority(100) };
        assert_eq!(actions.iter().take_while(|action| **action == own).count(), expected, "{actions:?}");
        assert_eq!(router.state(), State::Backup);
    }
}
