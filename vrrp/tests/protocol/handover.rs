//! Hand-over: a MASTER that stops or is drained serves until its successor is heard. Every event while it leaves,
//! with its rule, and what being drained means before and after.

use std::time::Duration;

use vipward_common::watch::Own;
use vipward_vrrp::router::{
    Action, Cause, Event, Garp, Heard, Master, Params, Router, Transition, WatchTimer,
};
use vipward_vrrp::types::{Interval, Mono, Priority, State};

use crate::fixtures::{MASTER_DOWN, address, at, heard, in_state, one_of_each, params};

const OWN: Own = Own { version: 3, priority: 100, preempt: true, down_adverts: 3 };
const DRAINED: Own = Own { priority: 1, preempt: false, ..OWN };
const RESIGN: Action = Action::Advertise { priority: Priority(0) };
const SECOND: Interval = Interval::from_secs(1);

/// MASTER until 10 s, then leaving because of `why`.
fn leaving(why: Event, params: Params) -> Router {
    let mut router = in_state(State::Master, params);
    let actions = router.handle(at(10_000), why);
    assert_eq!(actions.to_vec(), [RESIGN, Action::Leave { until: at(15_000) }]);
    assert!(router.is_leaving());
    router
}

fn left(to: State, cause: Cause, master: Option<Master>) -> Action {
    Action::Transition(Transition { from: State::Master, to, cause, master })
}

fn resigned(to: State, cause: Cause) -> Vec<Action> {
    vec![RESIGN, Action::Off, Action::Release, left(to, cause, None)]
}

fn stays(now: u64, priority: u8) -> Vec<Action> {
    let advert = Action::Advertise { priority: Priority(priority) };
    vec![Action::Report, Action::Stay { until: at(now + 1_000) }, advert]
}

fn stepped_back(master: Option<Master>) -> Vec<Action> {
    let skew = Duration::from_nanos(255 * 1_000_000_000 / 256);
    let timer = WatchTimer::Set(Duration::from_secs(3) + skew);
    let watch = Action::Watch { own: DRAINED, interval: SECOND, timer };
    vec![watch, Action::Release, left(State::Backup, Cause::Drained, master)]
}

fn master(of: Heard) -> Master {
    Master { source: of.source, priority: of.priority }
}

type Row = (&'static str, Mono, Event, State, Vec<Action>);

/// What both kinds of leaving do alike, at 10.5 s.
fn common_rows() -> Vec<Row> {
    let changed = Params { interval: Interval::from_secs(2), priority: Priority(120), ..params() };
    let row = |rule, event| (rule, at(10_500), event, State::Master, vec![]);
    vec![
        row("already started", Event::Startup),
        row("already started", Event::Resume),
        row("stale: from before it became MASTER", Event::Expired),
        row("nothing was down", Event::Recovered),
        row("nothing was claimed", Event::Refrain),
        row("a sync group's member that leaves hands over anyway", Event::Demote),
        row("one who leaves too succeeds nobody", Event::Heard(heard(11, 0))),
        row("what was announced is priority 0", Event::Priority(Priority(90))),
        row("the bound follows from what the backups were told", Event::Reconfigured(changed)),
        row("noted", Event::Source(address(1))),
        row("drained already, or stopping, which goes further", Event::Drain),
        row("not due yet", Event::Tick),
        ("any priority 0 may be lost", at(11_250), Event::Tick, State::Master, vec![RESIGN]),
        ("not yet the slowest backup's time", at(13_999), Event::Tick, State::Master, vec![RESIGN]),
    ]
}

fn stop_rows() -> Vec<Row> {
    use State::{Init, Master};
    let now = at(10_500);
    let stopped = |successor| vec![Action::Off, Action::Release, left(Init, Cause::Stopped, successor)];
    let released = || resigned(Init, Cause::Stopped);
    let (lesser, greater) = (heard(9, 1), heard(11, 254));
    vec![
        (
            "the successor, whatever its priority",
            now,
            Event::Heard(lesser),
            Init,
            stopped(Some(master(lesser))),
        ),
        (
            "a greater rival succeeds as well",
            now,
            Event::Heard(greater),
            Init,
            stopped(Some(master(greater))),
        ),
        ("the data path heard the successor", now, Event::Deposed, Init, stopped(None)),
        ("a second stop does not wait", now, Event::Shutdown, Init, released()),
        ("the service is down, and FAULT would start it again", now, Event::Fault, Init, released()),
        ("stopping goes further", now, Event::Undrain, Master, vec![]),
        ("nobody is there", at(14_000), Event::Tick, Init, released()),
    ]
}

fn drain_rows() -> Vec<Row> {
    use State::{Backup, Fault, Master};
    let now = at(10_500);
    let (lesser, greater) = (heard(9, 1), heard(11, 254));
    vec![
        (
            "the successor, whatever its priority",
            now,
            Event::Heard(lesser),
            Backup,
            stepped_back(Some(master(lesser))),
        ),
        (
            "a greater rival succeeds as well",
            now,
            Event::Heard(greater),
            Backup,
            stepped_back(Some(master(greater))),
        ),
        ("the data path heard the successor", now, Event::Deposed, Backup, stepped_back(None)),
        ("its first stop: it waits as before", now, Event::Shutdown, Master, vec![]),
        ("the service is down", now, Event::Fault, Fault, resigned(Fault, Cause::Fault)),
        ("nobody has to take over any more", now, Event::Undrain, Master, stays(10_500, 100)),
        ("nobody is there: better it than none", at(14_000), Event::Tick, Master, stays(14_000, 1)),
    ]
}

#[test]
fn every_event_while_leaving() {
    for (why, rows) in [(Event::Shutdown, stop_rows()), (Event::Drain, drain_rows())] {
        let rows = [common_rows(), rows].concat();
        for event in one_of_each() {
            let kind = std::mem::discriminant(&event);
            let found = rows.iter().any(|(_, _, event, ..)| std::mem::discriminant(event) == kind);
            assert!(found, "no row for {event:?}");
        }
        for (rule, now, event, to, actions) in rows {
            let mut router = leaving(why, params());
            let done = router.handle(now, event);
            assert_eq!(done.to_vec(), actions, "leaving for {why:?}, {event:?}: {rule}");
            assert_eq!(router.state(), to, "leaving for {why:?}, {event:?}: {rule}");
        }
    }
}

/// Each priority 0 sets a backup's timer to Skew_Time anew: repeated every interval, a backup of priority 1 might
/// never take over.
#[test]
fn priority_0_is_repeated_with_more_than_skew_time_in_between() {
    let mut router = leaving(Event::Shutdown, params());
    let mut repeats = Vec::new();
    while router.state() == State::Master {
        let due = router.next_deadline().unwrap();
        repeats.push(due);
        assert_eq!(router.handle(due, Event::Tick).first(), Some(&RESIGN));
    }
    assert_eq!(repeats, [11_250, 12_500, 13_750, 14_000].map(at));
    assert_eq!(router.next_deadline(), None);
}

/// The slowest legal backup waits for 3 adverts and up to one interval of Skew_Time, whatever our own number is.
#[test]
fn the_bound_is_the_slowest_backups_master_down_interval() {
    for (down_adverts, until) in [(1, 15_000), (3, 15_000), (5, 17_000)] {
        let mut router = in_state(State::Master, Params { down_adverts, ..params() });
        let actions = router.handle(at(10_000), Event::Shutdown);
        assert_eq!(actions.to_vec(), [RESIGN, Action::Leave { until: at(until) }], "{down_adverts} adverts");
        let _ = router.handle(at(until - 1_001), Event::Tick);
        assert!(router.is_leaving());
        let _ = router.handle(at(until - 1_000), Event::Tick);
        assert_eq!(router.state(), State::Init);
    }
}

#[test]
fn a_stop_while_it_is_drained_waits_once() {
    let mut router = leaving(Event::Drain, params());
    assert_eq!(router.handle(at(11_000), Event::Shutdown).to_vec(), []);
    assert_eq!(router.handle(at(14_000), Event::Tick).to_vec(), resigned(State::Init, Cause::Stopped));
}

#[test]
fn drained_it_is_the_last_to_take_over_and_undrained_what_tracking_says() {
    let mut router = in_state(State::Backup, params());
    let watch = |own, timer| vec![Action::Watch { own, interval: SECOND, timer }];
    assert_eq!(router.handle(at(1), Event::Drain).to_vec(), watch(DRAINED, WatchTimer::Rejudge));
    assert_eq!(router.handle(at(2), Event::Priority(Priority(150))).to_vec(), []);
    assert_eq!(router.priority(), Priority(1));
    let own = Own { priority: 150, ..OWN };
    assert_eq!(router.handle(at(3), Event::Undrain).to_vec(), watch(own, WatchTimer::Keep));
    assert_eq!(router.priority(), Priority(150));
}

/// The second round of announcements was due at 14.5 s.
#[test]
fn announcements_that_fell_due_meanwhile_are_made_up_for() {
    let mut router = leaving(Event::Drain, params());
    let actions = router.handle(at(14_600), Event::Undrain);
    assert_eq!(actions.to_vec(), [stays(14_600, 100), vec![Action::Announce { rounds: 5 }]].concat());
    assert_eq!(router.next_deadline(), Some(at(14_750)));
}

#[test]
fn a_drained_master_without_successor_yields_to_the_first_that_comes() {
    let garp = Garp { delay: Duration::ZERO, ..Garp::default() };
    let mut router = leaving(Event::Drain, Params { garp, ..params() });
    let _ = router.handle(at(14_000), Event::Tick);
    assert!(!router.is_leaving());
    assert_eq!(router.next_deadline(), Some(at(14_750)), "the cadence of before");
    // Once is enough.
    assert_eq!(router.handle(at(14_100), Event::Drain).to_vec(), []);
    assert_eq!(router.handle(at(14_200), Event::Priority(Priority(90))).to_vec(), []);
    let mut undrained = router.clone();
    let restored = [Action::Report, Action::Advertise { priority: Priority(90) }];
    assert_eq!(undrained.handle(at(14_300), Event::Undrain).to_vec(), restored);
    let _ = router.handle(at(14_300), Event::Heard(heard(9, 2)));
    assert_eq!(router.state(), State::Backup);
}

/// The owner of the addresses can be drained too: its adverts carry 1 then, and it waits like everybody else.
#[test]
fn the_owner_of_the_addresses_can_be_drained() {
    let owner = Params { priority: Priority::OWNER, ..params() };
    let mut router = Router::new(owner);
    assert_eq!(router.handle(at(1), Event::Drain).to_vec(), []);
    let _ = router.handle(at(2), Event::Startup);
    assert_eq!((router.state(), router.priority()), (State::Backup, Priority(1)));
    // RFC 9568 §6.4.2: a lesser master is not tolerated once it may preempt again.
    let own = Own { priority: 255, ..OWN };
    let watch = Action::Watch { own, interval: SECOND, timer: WatchTimer::Keep };
    assert_eq!(router.handle(at(3), Event::Undrain).to_vec(), [watch]);
    assert!(leaving(Event::Drain, owner).is_drained());
}

/// What tracking said while it was drained, and a reload, count from the end of that.
#[test]
fn a_reload_while_drained_moves_the_priority_below() {
    let mut router = in_state(State::Backup, params());
    let _ = router.handle(at(1), Event::Priority(Priority(80)));
    let _ = router.handle(at(2), Event::Drain);
    let _ = router.handle(at(3), Event::Reconfigured(Params { priority: Priority(150), ..params() }));
    assert_eq!(router.priority(), Priority(1));
    let _ = router.handle(at(4), Event::Undrain);
    assert_eq!(router.priority(), Priority(130));
}

#[test]
fn a_resumed_master_keeps_the_cadence_and_tells_no_neighbour() {
    let mut router = in_state(State::Init, params());
    let actions = router.handle(at(10_100), Event::Resume);
    assert!(!actions.iter().any(|action| matches!(action, Action::Announce { .. })), "{actions:?}");
    assert_eq!(router.next_deadline(), Some(at(10_750)));
    // Whether the lease still stood is for the data path to say.
    assert_eq!(
        router.handle(at(10_200), Event::Deposed).first(),
        Some(&Action::Watch { own: OWN, interval: SECOND, timer: WatchTimer::Set(MASTER_DOWN) })
    );
}
