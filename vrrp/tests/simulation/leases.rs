//! Never two, never none: leases under random troubles, hand-overs without a gap, and the margin broken on purpose.
//!
//! `VIPWARD_SIMULATION_TIMES` asks for so many times the schedules of an ordinary run, `VIPWARD_SIMULATION_SEED` for
//! those from a seed on, such as one that failed.

use std::env;
use std::time::Duration;

use vipward_common::timing::{lease_length, skew_v3};
use vipward_vrrp::router::{Event, Params};
use vipward_vrrp::types::{Family, Mono, Priority, State, Vrid};

use crate::clock::Clock;
use crate::cluster::{Cluster, Fault, Latency};
use crate::kernel::source;
use crate::network::Dice;
use crate::schedule::{Schedule, Troubles};

/// Seeds of a run, by how many of them the ordinary one has.
fn seeds(ordinary: u64) -> std::ops::Range<u64> {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let first = number("VIPWARD_SIMULATION_SEED").unwrap_or(0);
    first..first + ordinary * number("VIPWARD_SIMULATION_TIMES").unwrap_or(1)
}

/// Runs the schedules of all seeds; a failure names its seed.
fn endure(troubles: Troubles, ordinary: u64) {
    let mut steps = 0;
    for seed in seeds(ordinary) {
        let schedule = Schedule::random(seed, troubles);
        let outcome = schedule.run();
        steps += outcome.cluster.steps;
        if let Err(broken) = outcome.verdict() {
            panic!("VIPWARD_SIMULATION_SEED={seed}, {troubles:?}: {broken}\n{schedule:#?}");
        }
    }
    println!("{steps} occurrences");
}

#[test]
fn no_two_answer_and_soon_one_does_in_a_whole_network() {
    endure(Troubles::Whole, 5_000);
}

#[test]
fn no_two_answer_and_soon_one_does_but_for_lost_packets() {
    endure(Troubles::Lossy, 5_000);
}

/// Stops, drains and lowered priorities, one after the other, while there is a successor: somebody answers at every
/// instant. Packets must not be overtaken by more than Skew_Time, or a stale advert cancels the priority 0 before it.
#[test]
fn a_hand_over_has_no_gap() {
    for seed in seeds(600) {
        let mut schedule = Schedule::calm(seed);
        schedule.latency.network = schedule.latency.network.min(schedule.shortest_skew() / 2);
        if let Err(broken) = hand_over(&schedule) {
            panic!("VIPWARD_SIMULATION_SEED={seed}: {broken}\n{schedule:#?}");
        }
    }
}

/// The same stop without the wait is the gap that everybody else has: the test above could fail.
#[test]
fn a_stop_that_does_not_wait_has_a_gap() {
    let mut cluster = pair(0);
    let since = cluster.now;
    cluster.inflict(Fault::Tell(0, Event::Shutdown));
    cluster.inflict(Fault::Tell(0, Event::Shutdown));
    cluster.run_for(SECOND);
    let (_, none, two) = takeover(&cluster, since);
    let skew = Duration::from_nanos(skew_v3(253, 1_000_000_000));
    assert!(none + LATENCY.agent >= skew && none <= skew + LATENCY.sum(), "{none:?}");
    assert_eq!(two, Duration::ZERO);
}

fn hand_over(schedule: &Schedule) -> Result<(), String> {
    let mut cluster = schedule.cluster();
    let mut dice = Dice(schedule.seed);
    let pause = 2 * schedule.master_down() + Duration::from_secs(4);
    cluster.start_all();
    cluster.run_for(pause);
    let settled = cluster.now;
    for _ in 0..4 {
        let master = cluster.masters()[0];
        let priority = schedule.params[master].priority;
        let low = Priority(u8::try_from(1 + dice.below(254)).unwrap());
        let (event, end) = match dice.below(3) {
            0 => (Event::Shutdown, Fault::Start(master)),
            1 => (Event::Drain, Fault::Tell(master, Event::Undrain)),
            _ => (Event::Priority(low), Fault::Tell(master, Event::Priority(priority))),
        };
        let since = cluster.now;
        cluster.inflict(Fault::Tell(master, event));
        cluster.run_for(schedule.master_down() + dice.up_to(pause));
        if !matches!(event, Event::Priority(_)) && cluster.masters() == [master] {
            return Err(format!("nobody took over from {master} after {event:?}"));
        }
        cluster.inflict(end);
        cluster.run_for(pause + dice.up_to(pause));
        let none = cluster.history.longest(since, cluster.now, |count| count == 0);
        if none > Duration::ZERO {
            return Err(format!("{none:?} without an answer after {event:?} of {master}"));
        }
    }
    let two = cluster.history.longest(settled, cluster.now, |count| count > 1);
    if two > 2 * schedule.latency.network {
        return Err(format!("{two:?} with two answers"));
    }
    Ok(())
}

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Latency = Latency { network: Duration::from_micros(100), agent: Duration::from_micros(50) };

fn params(priority: u8) -> Params {
    Params { priority: Priority(priority), ..Params::new(Vrid::new(7).unwrap(), source(Family::V4, 0)) }
}

/// A master of the highest priority and the fastest backup that yields to it, with clocks that are off by so much in
/// opposite directions, settled.
fn pair(ppm: i32) -> Cluster {
    pair_of(ppm, &[params(254), params(253)])
}

fn pair_of(ppm: i32, params: &[Params; 2]) -> Cluster {
    let clocks = vec![Clock { offset: 5, ppm: -ppm }, Clock { offset: 1 << 40, ppm }];
    let mut cluster = Cluster::new(Family::V4, params, LATENCY, 1).with_clocks(clocks);
    cluster.start_all();
    cluster.run_for(10 * SECOND);
    assert_eq!(cluster.masters(), [0]);
    cluster
}

/// When the backup took over, and how long nobody and two answered then.
fn takeover(cluster: &Cluster, since: Mono) -> (Duration, Duration, Duration) {
    let taken = |(at, node, transition): &&(Mono, usize, vipward_vrrp::router::Transition)| {
        *at > since && *node == 1 && transition.to == State::Master
    };
    let after = cluster.history.transitions.iter().find(taken).expect("nobody took over").0;
    let longest = |matches: fn(usize) -> bool| cluster.history.longest(since, cluster.now, matches);
    (after.saturating_since(since), longest(|count| count == 0), longest(|count| count > 1))
}

/// SIGSTOP: the fence outlives it, and the backup answers when the master has fallen silent and not before.
#[test]
fn a_frozen_master_is_silent_before_its_backup_takes_over() {
    let mut cluster = pair(500);
    let since = cluster.now;
    cluster.inflict(Fault::Freeze(0, 8 * SECOND));
    cluster.run_for(7 * SECOND);
    let (after, none, two) = takeover(&cluster, since);
    assert!(after < 3 * SECOND + SECOND / 50, "{after:?}");
    assert!(none > Duration::ZERO && none < Duration::from_millis(40), "{none:?}");
    assert_eq!(two, Duration::ZERO);
    assert_eq!(cluster.masters(), [1]);
    // Thawed, it advertises the higher priority: they overlap by the time that takes to arrive.
    cluster.run_for(5 * SECOND);
    assert_eq!(cluster.masters(), [0]);
    assert!(cluster.history.longest(since, cluster.now, |count| count > 1) <= LATENCY.network);
}

/// Its adverts are due when it thaws, and none of them may leave: one would beat the master that there is now.
#[test]
fn a_frozen_master_that_may_not_preempt_stays_backup_when_it_thaws() {
    let patient = |priority| Params { preempt: false, ..params(priority) };
    let mut cluster = pair_of(500, &[patient(254), patient(253)]);
    let since = cluster.now;
    cluster.inflict(Fault::Freeze(0, 8 * SECOND));
    cluster.run_for(20 * SECOND);
    assert_eq!(cluster.masters(), [1]);
    let moves = cluster.history.transitions.iter().filter(|(at, node, _)| *at > since && *node == 1);
    assert_eq!(moves.count(), 1, "it keeps what it took");
    assert_eq!(takeover(&cluster, since).2, Duration::ZERO);
}

#[test]
fn a_killed_master_costs_skew_time_with_a_guard_and_an_interval_or_three_without() {
    let skew = Duration::from_nanos(skew_v3(253, 1_000_000_000));
    for (guarded, shortest, longest) in [
        (true, skew / 2, skew + Duration::from_millis(1)),
        (false, 2 * SECOND, 3 * SECOND + skew + Duration::from_millis(5)),
    ] {
        let mut cluster = pair(500);
        let since = cluster.now;
        cluster.inflict(Fault::Kill { node: 0, guarded });
        cluster.run_for(5 * SECOND);
        let (after, none, two) = takeover(&cluster, since);
        assert!(after >= shortest && after <= longest, "guard: {guarded}, {after:?}");
        assert!(none < Duration::from_millis(40), "guard: {guarded}, {none:?}");
        assert_eq!(two, Duration::ZERO);
    }
}

/// A restart is no failover while the lease lasts; after that, what was left behind is removed.
#[test]
fn a_restart_within_the_lease_is_no_failover() {
    for (pause, adopted) in [(SECOND / 2, true), (SECOND * 3 / 2, true), (20 * SECOND, false)] {
        let mut cluster = pair(500);
        let since = cluster.now;
        cluster.inflict(Fault::Kill { node: 0, guarded: false });
        cluster.run_for(pause);
        cluster.inflict(Fault::Start(0));
        cluster.run_for(SECOND);
        assert_eq!(cluster.masters(), [usize::from(!adopted)], "after {pause:?}");
        let moved = cluster.history.transitions.iter().any(|(at, node, _)| *at > since && *node == 1);
        assert_eq!(moved, !adopted, "after {pause:?}");
        if adopted {
            let none = cluster.history.longest(since, cluster.now, |count| count == 0);
            assert_eq!(none, Duration::ZERO, "after {pause:?}");
        } else {
            assert_eq!(cluster.node(0).unwrap().router.state(), State::Backup);
        }
    }
}

/// The margin is what keeps the two apart: without it, or with clocks that it was not made for, both answer.
#[test]
fn a_broken_margin_is_noticed() {
    let three_and_skew: fn(u64, u8) -> u64 = |interval, _| 3 * interval + skew_v3(253, interval);
    let four: fn(u64, u8) -> u64 = |interval, _| 4 * interval;
    for (what, length, ppm, noticed) in [
        ("as it is", lease_length as fn(u64, u8) -> u64, 500, false),
        ("three intervals and Skew_Time", three_and_skew, 500, true),
        ("four intervals", four, 0, true),
        ("clocks two per cent apart", lease_length, 10_000, true),
    ] {
        let mut cluster = pair(ppm);
        cluster.lease_length = length;
        cluster.run_for(2 * SECOND);
        let since = cluster.now;
        cluster.inflict(Fault::Freeze(0, 8 * SECOND));
        cluster.run_for(7 * SECOND);
        let (_, _, two) = takeover(&cluster, since);
        assert_eq!(two > LATENCY.network, noticed, "{what}: {two:?} with two answers");
        assert_eq!(!cluster.witness.hasty.is_empty(), noticed, "{what}");
    }
}

/// The random schedules find it too.
#[test]
fn a_broken_margin_is_noticed_at_random() {
    let broken: [fn(u64, u8) -> u64; 2] =
        [|interval, adverts| u64::from(adverts + 1) * interval, |interval, _| 40 * interval];
    for length in broken {
        let noticed = (0..300).filter(|seed| {
            let mut schedule = Schedule::random(*seed, Troubles::Whole);
            schedule.lease_length = length;
            schedule.run().never_two().is_err()
        });
        assert!(noticed.count() > 0);
    }
}
