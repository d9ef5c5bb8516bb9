//! Random operations against what must hold after each of them.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use vipward_vrrp::router::{Action, Event, Garp, Heard, Params, Router, Transition, WatchTimer};
use vipward_vrrp::types::{Interval, Mono, Priority, State, Version};

use crate::fixtures::{address, params};

/// A step: time passes, then something happens.
#[derive(Clone, Copy, Debug)]
struct Step {
    after: Duration,
    event: Event,
}

fn any_params() -> impl Strategy<Value = Params> {
    let interval = prop_oneof![Just(Interval::from_secs(1)), (1..=300_u16).prop_map(Interval::from_centis)];
    let delay = prop_oneof![Just(Duration::ZERO), (1..20_u64).prop_map(Duration::from_secs)];
    let garp = (0..10_u64, 0..6_u8, prop::option::of(1..60_u64), 0..3_u8, 0..10_u64, 0..6_u8).prop_map(
        |(delay, repeat, refresh, refresh_repeat, lower_prio_delay, lower_prio_repeat)| Garp {
            delay: Duration::from_secs(delay),
            repeat,
            refresh: refresh.map(Duration::from_secs),
            refresh_repeat,
            lower_prio_delay: Duration::from_secs(lower_prio_delay),
            lower_prio_repeat,
        },
    );
    let version = prop_oneof![Just(Version::V2), Just(Version::V3)];
    (version, 1..=255_u8, interval, any::<bool>(), delay, 1..=5_u8, garp).prop_map(
        |(version, priority, interval, preempt, preempt_delay, down_adverts, garp)| Params {
            version,
            priority: Priority(priority),
            interval,
            preempt,
            preempt_delay,
            down_adverts,
            garp,
            ..params()
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let heard = (1..=20_u8, any::<u8>(), 1..=300_u16).prop_map(|(last, priority, centis)| {
        let interval = Interval::from_centis(centis);
        Event::Heard(Heard { source: address(last), priority: Priority(priority), interval })
    });
    prop_oneof![
        3 => Just(Event::Startup),
        1 => Just(Event::Resume),
        1 => Just(Event::Shutdown),
        2 => Just(Event::Drain),
        2 => Just(Event::Undrain),
        1 => Just(Event::Deposed),
        4 => Just(Event::Expired),
        8 => heard,
        8 => Just(Event::Tick),
        2 => any::<u8>().prop_map(|priority| Event::Priority(Priority(priority))),
        1 => Just(Event::Fault),
        2 => Just(Event::Recovered),
        1 => Just(Event::Refrain),
        1 => Just(Event::Demote),
        1 => any_params().prop_map(Event::Reconfigured),
        1 => (1..=20_u8).prop_map(|last| Event::Source(address(last))),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![
        Just(Duration::ZERO),
        (0..2_000_u64).prop_map(Duration::from_millis),
        (0..100_u64).prop_map(Duration::from_secs),
    ];
    (after, any_event()).prop_map(|(after, event)| Step { after, event })
}

/// What the world around a router looks like when every action is carried out.
#[derive(Debug, Default)]
struct World {
    holds: bool,
    leaves: bool,
    mode: Mode,
}

/// What the data path does with adverts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Off,
    Watch,
    Report,
}

fn check(router: &Router, before: State, now: Mono, step: Step, actions: &[Action], world: &mut World) {
    let mut transitions = Vec::new();
    for (position, action) in actions.iter().enumerate() {
        match action {
            Action::Advertise { priority } if priority.is_stop() => {
                assert_eq!(before, State::Master, "nothing to resign from");
                assert!(router.state() != State::Master || router.is_leaving(), "resigned without cause");
                assert_eq!(position, 0, "the advert comes first");
            }
            Action::Advertise { priority } => {
                assert_eq!(router.state(), State::Master, "only a MASTER advertises");
                assert!(!router.is_leaving(), "advertises what it gives up");
                assert_eq!(*priority, router.priority());
                let earlier = &actions[..position];
                let terms = |action: &Action| matches!(action, Action::Report | Action::Stay { .. });
                assert!(earlier.iter().all(terms), "the advert comes before what takes time");
            }
            Action::Leave { until } => {
                assert!(world.mode == Mode::Report && router.is_leaving());
                assert!(*until > now);
                world.leaves = true;
            }
            Action::Stay { until } => {
                assert!(world.mode == Mode::Report && !router.is_leaving());
                assert_eq!(*until, now + router.interval().duration());
                world.leaves = false;
            }
            Action::Watch { timer, own, .. } => {
                assert_eq!(router.state(), State::Backup, "only a BACKUP watches");
                assert_eq!(own.priority, router.priority().0);
                assert!(matches!(timer, WatchTimer::Set(_)) || world.mode == Mode::Watch, "nothing to keep");
                (world.mode, world.leaves) = (Mode::Watch, false);
            }
            Action::Report => world.mode = Mode::Report,
            Action::Off => (world.mode, world.leaves) = (Mode::Off, false),
            Action::Hold => world.holds = true,
            Action::Release => world.holds = false,
            Action::Announce { rounds } => {
                assert!(world.holds, "announced what is not held");
                assert!(*rounds > 0);
            }
            Action::Transition(transition) => transitions.push(*transition),
        }
    }
    match transitions.as_slice() {
        [] => assert_eq!(router.state(), before, "a silent transition"),
        [Transition { from, to, .. }] => {
            assert_eq!((*from, *to), (before, router.state()));
            assert_ne!(from, to);
            assert_eq!(
                actions.last(),
                Some(&Action::Transition(transitions[0])),
                "published before it was done"
            );
        }
        more => panic!("{} transitions at once", more.len()),
    }
    assert_eq!(world.holds, router.state() == State::Master, "the addresses are the MASTER's");
    assert_eq!(world.mode == Mode::Watch, router.state() == State::Backup);
    assert_eq!(world.mode == Mode::Report, router.state() == State::Master);
    assert_eq!(world.leaves, router.is_leaving());
    assert!(
        !router.is_drained() || router.priority() == Priority(1),
        "a drained router lets everybody go first"
    );
    assert!((1..=255).contains(&router.priority().0));
    match router.state() {
        State::Master => {
            let next = router.next_deadline().expect("a MASTER always has a next advert");
            let longest = router.params().interval.duration();
            // Priority 0 is repeated less often. Changed while leaving, the interval counts from the next advert.
            assert!(router.is_leaving() || next <= now + longest, "an advert later than its interval");
            if step.event == Event::Tick {
                assert!(next > now, "a handled Tick leaves nothing due");
            }
        }
        State::Backup => {
            if step.event == Event::Tick {
                assert!(router.next_deadline().is_none_or(|next| next > now));
            }
        }
        State::Init | State::Fault => assert_eq!(router.next_deadline(), None),
    }
    if matches!(
        step.event,
        Event::Reconfigured(_) | Event::Priority(_) | Event::Source(_) | Event::Drain | Event::Undrain
    ) {
        assert_eq!(
            router.state(),
            before,
            "neither reload nor tracking nor a drain moves a router by itself"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_event(params in any_params(), steps in vec(any_step(), 1..60)) {
        let mut router = Router::new(params);
        let mut world = World::default();
        let mut now = Mono(1);
        for step in steps {
            now = now + step.after;
            let before = router.state();
            let actions = router.handle(now, step.event);
            check(&router, before, now, step, &actions, &mut world);
        }
    }

    /// Whatever happened before, a second identical event at the same instant does nothing, unless it is an advert.
    #[test]
    fn repeated_events_are_spurious(params in any_params(), steps in vec(any_step(), 1..30)) {
        let mut router = Router::new(params);
        let mut now = Mono(1);
        for step in steps {
            now = now + step.after;
            let _ = router.handle(now, step.event);
            let again = router.handle(now, step.event);
            // Each advert is answered, however many come; a second stop does not wait; a claim that is given back begins
            // the watch anew each time.
            if !matches!(step.event, Event::Heard(_) | Event::Shutdown | Event::Refrain) {
                prop_assert_eq!(again.to_vec(), vec![]);
            }
        }
    }
}
