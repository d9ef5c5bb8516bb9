//! Every (state, event) with its rule: the resulting state and all actions in order.

use std::time::Duration;

use vipward_common::watch::Own;
use vipward_vrrp::router::{Action, Cause, Event, Heard, Master, Params, Transition, WatchTimer};
use vipward_vrrp::types::{Interval, Mono, Priority, State};

use crate::fixtures::{MASTER_DOWN, address, at, heard, in_state, one_of_each, params};

const OWN: Own = Own { version: 3, priority: 100, preempt: true, down_adverts: 3 };
const SECOND: Interval = Interval::from_secs(1);
const ANNOUNCE: Action = Action::Announce { rounds: 5 };
const ADVERTISE: Action = Action::Advertise { priority: Priority(100) };
const RESIGN: Action = Action::Advertise { priority: Priority(0) };

struct Row {
    rule: &'static str,
    from: State,
    at: Mono,
    event: Event,
    to: State,
    actions: Vec<Action>,
}

/// A row at 10 s, when the router of the fixtures has nothing due.
fn row(rule: &'static str, from: State, event: Event, to: State, actions: Vec<Action>) -> Row {
    Row { rule, from, at: at(10_000), event, to, actions }
}

fn transition(from: State, to: State, cause: Cause, master: Option<Master>) -> Action {
    Action::Transition(Transition { from, to, cause, master })
}

fn watch(own: Own, timer: WatchTimer) -> Action {
    Action::Watch { own, interval: SECOND, timer }
}

fn master(of: Heard) -> Master {
    Master { source: of.source, priority: of.priority }
}

fn takeover(from: State, priority: u8, cause: Cause) -> Vec<Action> {
    vec![
        Action::Report,
        Action::Advertise { priority: Priority(priority) },
        Action::Hold,
        ANNOUNCE,
        transition(from, State::Master, cause, None),
    ]
}

fn changed() -> Params {
    Params { interval: Interval::from_secs(2), priority: Priority(120), ..params() }
}

fn idle_rows() -> Vec<Row> {
    use State::{Backup, Fault, Init};
    let start = |from, cause| {
        vec![watch(OWN, WatchTimer::Set(MASTER_DOWN)), Action::Release, transition(from, Backup, cause, None)]
    };
    let fault = vec![Action::Off, Action::Release, transition(Init, Fault, Cause::Fault, None)];
    let stop = vec![Action::Off, Action::Release, transition(Fault, Init, Cause::Stopped, None)];
    let resumed =
        vec![Action::Report, ADVERTISE, Action::Hold, transition(Init, State::Master, Cause::Resumed, None)];
    vec![
        row("the lease never ended: nobody needs to be told", Init, Event::Resume, State::Master, resumed),
        row("no lease in INIT", Init, Event::Deposed, Init, vec![]),
        row("noted for Startup", Init, Event::Drain, Init, vec![]),
        row("noted for Startup", Init, Event::Undrain, Init, vec![]),
        row("keepalived: recovery alone leaves FAULT", Fault, Event::Resume, Fault, vec![]),
        row("no lease in FAULT", Fault, Event::Deposed, Fault, vec![]),
        row("noted for recovery", Fault, Event::Drain, Fault, vec![]),
        row("noted for recovery", Fault, Event::Undrain, Fault, vec![]),
        row("RFC 9568 §6.4.1", Init, Event::Startup, Backup, start(Init, Cause::Started)),
        row("RFC 9568 §6.4.1: only Startup counts", Init, Event::Shutdown, Init, vec![]),
        row("no watch in §6.4.1", Init, Event::Expired, Init, vec![]),
        row("RFC 9568 §6.4.1: nothing is received", Init, Event::Heard(heard(11, 200)), Init, vec![]),
        row("no timer in §6.4.1", Init, Event::Tick, Init, vec![]),
        row("noted for Startup", Init, Event::Priority(Priority(90)), Init, vec![]),
        row("keepalived: down before the start", Init, Event::Fault, Fault, fault),
        row("Startup alone leaves INIT", Init, Event::Recovered, Init, vec![]),
        row("noted for Startup", Init, Event::Reconfigured(changed()), Init, vec![]),
        row("noted for Startup", Init, Event::Source(address(1)), Init, vec![]),
        row("no watch in §6.4.1", Init, Event::Refrain, Init, vec![]),
        row("serves nothing", Init, Event::Demote, Init, vec![]),
        row("keepalived: recovery alone leaves FAULT", Fault, Event::Startup, Fault, vec![]),
        row("a clean end", Fault, Event::Shutdown, Init, stop),
        row("no watch in FAULT", Fault, Event::Expired, Fault, vec![]),
        row("keepalived: nothing is received", Fault, Event::Heard(heard(11, 200)), Fault, vec![]),
        row("no timer in FAULT", Fault, Event::Tick, Fault, vec![]),
        row("noted for recovery", Fault, Event::Priority(Priority(90)), Fault, vec![]),
        row("already", Fault, Event::Fault, Fault, vec![]),
        row(
            "keepalived: a full Master_Down_Interval",
            Fault,
            Event::Recovered,
            Backup,
            start(Fault, Cause::Recovered),
        ),
        row("noted for recovery", Fault, Event::Reconfigured(changed()), Fault, vec![]),
        row("noted for recovery", Fault, Event::Source(address(1)), Fault, vec![]),
        row("no watch in FAULT", Fault, Event::Refrain, Fault, vec![]),
        row("serves nothing", Fault, Event::Demote, Fault, vec![]),
    ]
}

fn backup_rows() -> Vec<Row> {
    use State::{Backup, Fault, Init, Master};
    let leave = |to, cause| vec![Action::Off, Action::Release, transition(Backup, to, cause, None)];
    let reconfigured = Action::Watch {
        own: Own { priority: 120, ..OWN },
        interval: Interval::from_secs(2),
        timer: WatchTimer::Set(Duration::from_micros(6_000_000 + 2_000_000 * 136 / 256)),
    };
    let raised = vec![watch(Own { priority: 110, ..OWN }, WatchTimer::Keep)];
    let drained = vec![watch(Own { priority: 1, preempt: false, ..OWN }, WatchTimer::Rejudge)];
    vec![
        row("started without a lease", Backup, Event::Resume, Backup, vec![]),
        row("no lease in BACKUP", Backup, Event::Deposed, Backup, vec![]),
        row("everybody else goes first", Backup, Event::Drain, Backup, drained),
        row("was not drained", Backup, Event::Undrain, Backup, vec![]),
        row("already started", Backup, Event::Startup, Backup, vec![]),
        row("RFC 9568 §6.4.2, Shutdown", Backup, Event::Shutdown, Init, leave(Init, Cause::Stopped)),
        row(
            "RFC 9568 §6.4.2, Active_Down_Timer fires",
            Backup,
            Event::Expired,
            Master,
            takeover(Backup, 100, Cause::NoMaster),
        ),
        row(
            "RFC 9568 §6.4.2, priority zero: the data path set Skew_Time",
            Backup,
            Event::Heard(heard(11, 0)),
            Backup,
            vec![],
        ),
        row(
            "RFC 9568 §6.4.2, greater or equal: the data path re-armed",
            Backup,
            Event::Heard(heard(9, 100)),
            Backup,
            vec![],
        ),
        row("RFC 9568 §6.4.2, discarded", Backup, Event::Heard(heard(9, 99)), Backup, vec![]),
        row("no deadline without preempt_delay", Backup, Event::Tick, Backup, vec![]),
        row("tracking moves the terms", Backup, Event::Priority(Priority(110)), Backup, raised),
        row("tracking says nothing new", Backup, Event::Priority(Priority(100)), Backup, vec![]),
        row("keepalived's FAULT", Backup, Event::Fault, Fault, leave(Fault, Cause::Fault)),
        row("nothing was down", Backup, Event::Recovered, Backup, vec![]),
        row("a reload elects nobody", Backup, Event::Reconfigured(changed()), Backup, vec![reconfigured]),
        row("nothing changed", Backup, Event::Reconfigured(params()), Backup, vec![]),
        row("ties are the MASTER's", Backup, Event::Source(address(1)), Backup, vec![]),
        row(
            "keepalived: its sync group is not ready",
            Backup,
            Event::Refrain,
            Backup,
            vec![watch(OWN, WatchTimer::Set(MASTER_DOWN))],
        ),
        row("serves nothing", Backup, Event::Demote, Backup, vec![]),
    ]
}

fn master_rows() -> Vec<Row> {
    use State::{Backup, Fault, Master};
    let resign = |to, cause| vec![RESIGN, Action::Off, Action::Release, transition(Master, to, cause, None)];
    let step_back = |rival: Heard, cause| {
        vec![
            watch(OWN, WatchTimer::Set(MASTER_DOWN)),
            Action::Release,
            transition(Master, Backup, cause, Some(master(rival))),
        ]
    };
    let (higher, greater) = (heard(9, 101), heard(11, 100));
    let leave = vec![RESIGN, Action::Leave { until: at(15_000) }];
    let deposed = vec![
        watch(OWN, WatchTimer::Set(MASTER_DOWN)),
        Action::Release,
        transition(Master, Backup, Cause::Deposed, None),
    ];
    let reconfigured = vec![
        Action::Report,
        Action::Stay { until: at(12_000) },
        Action::Advertise { priority: Priority(120) },
    ];
    let lowered = vec![Action::Report, Action::Advertise { priority: Priority(90) }];
    vec![
        row("already started", Master, Event::Startup, Master, vec![]),
        row("already started", Master, Event::Resume, Master, vec![]),
        row("RFC 9568 §6.4.3, Shutdown, but it serves on", Master, Event::Shutdown, Master, leave.clone()),
        row("hands over and stays", Master, Event::Drain, Master, leave),
        row("was not drained", Master, Event::Undrain, Master, vec![]),
        row("the data path's word is final", Master, Event::Deposed, Backup, deposed),
        row("stale", Master, Event::Expired, Master, vec![]),
        row(
            "RFC 9568 §6.4.3, priority zero: advertise",
            Master,
            Event::Heard(heard(11, 0)),
            Master,
            vec![ADVERTISE],
        ),
        row(
            "RFC 9568 §6.4.3, greater priority",
            Master,
            Event::Heard(higher),
            Backup,
            step_back(higher, Cause::HigherPriority(higher)),
        ),
        row(
            "RFC 9568 §6.4.3, equal priority and greater address",
            Master,
            Event::Heard(greater),
            Backup,
            step_back(greater, Cause::GreaterAddress(greater)),
        ),
        row(
            "RFC 9568 §6.4.3, equal priority and lesser address: assert",
            Master,
            Event::Heard(heard(9, 100)),
            Master,
            vec![ADVERTISE, ANNOUNCE],
        ),
        row(
            "RFC 9568 §6.4.3, lesser priority: assert",
            Master,
            Event::Heard(heard(11, 99)),
            Master,
            vec![ADVERTISE, ANNOUNCE],
        ),
        Row { at: at(9_749), ..row("not due yet", Master, Event::Tick, Master, vec![]) },
        Row {
            at: at(9_750),
            ..row("RFC 9568 §6.4.3, Adver_Timer fires", Master, Event::Tick, Master, vec![ADVERTISE])
        },
        row("a lower priority begins a hand-over", Master, Event::Priority(Priority(90)), Master, lowered),
        row("tracking says nothing new", Master, Event::Priority(Priority(100)), Master, vec![]),
        row("keepalived resigns into FAULT", Master, Event::Fault, Fault, resign(Fault, Cause::Fault)),
        row("nothing was down", Master, Event::Recovered, Master, vec![]),
        row("backups must learn the interval", Master, Event::Reconfigured(changed()), Master, reconfigured),
        row("nothing changed", Master, Event::Reconfigured(params()), Master, vec![]),
        row("the next tie is by the new address", Master, Event::Source(address(1)), Master, vec![]),
        row("stale: from before it became MASTER", Master, Event::Refrain, Master, vec![]),
        row(
            "keepalived: members of a sync group step back together",
            Master,
            Event::Demote,
            Backup,
            vec![
                watch(OWN, WatchTimer::Set(MASTER_DOWN)),
                Action::Release,
                transition(Master, Backup, Cause::Synced, None),
            ],
        ),
    ]
}

#[test]
fn every_state_and_event() {
    for Row { rule, from, at, event, to, actions } in table() {
        let mut router = in_state(from, params());
        let done = router.handle(at, event);
        assert_eq!(done.to_vec(), actions, "{from} and {event:?}: {rule}");
        assert_eq!(router.state(), to, "{from} and {event:?}: {rule}");
    }
}

#[test]
fn the_table_has_a_row_for_every_pair() {
    let rows = table();
    for state in State::ALL {
        for event in one_of_each() {
            let kind = std::mem::discriminant(&event);
            let found =
                rows.iter().any(|row| row.from == state && std::mem::discriminant(&row.event) == kind);
            assert!(found, "no row for {state} and {event:?}");
        }
    }
}

/// RFC 9568 §6.4.1: the owner of the addresses waits for nobody, neither at the start nor after a FAULT.
#[test]
fn the_owner_starts_as_master() {
    let owner = Params { priority: Priority::OWNER, ..params() };
    for (from, event) in [(State::Init, Event::Startup), (State::Fault, Event::Recovered)] {
        let mut router = in_state(from, owner);
        assert_eq!(router.handle(at(10_000), event).to_vec(), takeover(from, 255, Cause::Owner));
        assert_eq!(router.next_deadline(), Some(at(10_750)));
    }
}

fn table() -> Vec<Row> {
    [idle_rows(), backup_rows(), master_rows()].into_iter().flatten().collect()
}
