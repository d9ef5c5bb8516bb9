//! Single failovers with their exact bounds.

use std::time::Duration;

use vipward_vrrp::router::{Cause, Event, Params};
use vipward_vrrp::types::{Family, Interval, Mono, Priority, State, Vrid};

use crate::cluster::{Cluster, Fault, Latency};
use crate::kernel::source;

const LATENCY: Latency = Latency { network: Duration::from_millis(2), agent: Duration::from_millis(1) };
const SECOND: Duration = Duration::from_secs(1);

fn params(priority: u8) -> Params {
    Params { priority: Priority(priority), ..Params::new(Vrid::new(7).unwrap(), source(Family::V4, 0)) }
}

/// Skew_Time of an interval of one second.
fn skew(priority: u8) -> Duration {
    Duration::from_nanos((256 - u64::from(priority)) * 1_000_000_000 / 256)
}

/// The nodes, started and settled.
fn settled(params: &[Params]) -> Cluster {
    let mut cluster = Cluster::new(Family::V4, params, LATENCY, 1);
    cluster.start_all();
    cluster.run_for(10 * SECOND);
    cluster
}

/// How long after `since` the first transition to MASTER came.
fn takeover(cluster: &Cluster, since: Mono) -> (Duration, usize, Cause) {
    let found = cluster
        .history
        .transitions
        .iter()
        .find(|(at, _, transition)| *at > since && transition.to == State::Master);
    let (at, node, transition) = found.expect("nobody took over");
    (at.saturating_since(since), *node, transition.cause)
}

#[test]
fn the_highest_priority_wins_the_first_election() {
    let cluster = settled(&[params(100), params(150), params(50)]);
    assert_eq!(cluster.masters(), [1]);
    let (after, node, cause) = takeover(&cluster, Mono(1_000_000_000));
    let bound = 3 * SECOND + skew(150);
    assert_eq!((node, cause), (1, Cause::NoMaster));
    assert!(after >= bound && after <= bound + LATENCY.sum(), "{after:?}");
    let master = cluster.node(0).unwrap().router.master().unwrap();
    assert_eq!((master.source, master.priority), (source(Family::V4, 1), Priority(150)));
}

#[test]
fn a_crash_is_noticed_within_master_down_interval() {
    let mut cluster = settled(&[params(200), params(150), params(50)]);
    let since = cluster.now;
    cluster.inflict(Fault::Crash(0));
    cluster.run_for(5 * SECOND);
    let (after, node, cause) = takeover(&cluster, since);
    assert_eq!(node, 1);
    assert!(matches!(cause, Cause::MasterSilent(master) if master.priority == Priority(200)), "{cause}");
    let (shortest, longest) = (2 * SECOND + skew(150), 3 * SECOND + skew(150) + LATENCY.sum());
    assert!(after >= shortest && after <= longest, "{after:?}");
    assert_eq!(cluster.masters(), [1]);
}

#[test]
fn a_graceful_stop_costs_skew_time() {
    let mut cluster = settled(&[params(200), params(150), params(50)]);
    let since = cluster.now;
    cluster.inflict(Fault::Tell(0, Event::Shutdown));
    cluster.run_for(SECOND);
    let (after, node, cause) = takeover(&cluster, since);
    assert_eq!(node, 1);
    assert!(matches!(cause, Cause::MasterResigned(_)), "{cause}");
    let bound = skew(150) + LATENCY.sum() + LATENCY.agent;
    assert!(after >= skew(150) && after <= bound, "{after:?}");
}

#[test]
fn a_fault_costs_skew_time_and_recovery_master_down_interval() {
    let mut cluster = settled(&[params(200), params(150)]);
    cluster.inflict(Fault::Tell(0, Event::Fault));
    cluster.run_for(SECOND);
    assert_eq!(cluster.masters(), [1]);
    let since = cluster.now;
    cluster.inflict(Fault::Tell(0, Event::Recovered));
    cluster.run_for(5 * SECOND);
    let (after, node, cause) = takeover(&cluster, since);
    assert_eq!(node, 0);
    assert!(matches!(cause, Cause::Preempted(_)), "{cause}");
    assert!(after >= 3 * SECOND + skew(200) && after <= 3 * SECOND + skew(200) + LATENCY.sum(), "{after:?}");
    assert_eq!(cluster.masters(), [0]);
}

#[test]
fn the_owner_of_the_addresses_takes_over_at_once() {
    let mut cluster = settled(&[params(100), params(255)]);
    cluster.inflict(Fault::Crash(1));
    cluster.run_for(5 * SECOND);
    assert_eq!(cluster.masters(), [0]);
    cluster.inflict(Fault::Start(1));
    cluster.run_for(LATENCY.sum() + LATENCY.agent);
    assert_eq!(cluster.masters(), [1]);
}

#[test]
fn without_preemption_the_returning_router_stays_backup() {
    let mut cluster = settled(&[params(100), Params { preempt: false, ..params(200) }]);
    assert_eq!(cluster.masters(), [1]);
    cluster.inflict(Fault::Crash(1));
    cluster.run_for(5 * SECOND);
    cluster.inflict(Fault::Start(1));
    cluster.run_for(60 * SECOND);
    assert_eq!(cluster.masters(), [0]);
}

#[test]
fn preempt_delay_is_waited_out_and_the_watch_after_it() {
    let delay = Duration::from_secs(20);
    let mut cluster = settled(&[params(100), Params { preempt_delay: delay, ..params(200) }]);
    cluster.inflict(Fault::Crash(1));
    cluster.run_for(5 * SECOND);
    let since = cluster.now;
    cluster.inflict(Fault::Start(1));
    cluster.run_for(60 * SECOND);
    let (after, node, _) = takeover(&cluster, since);
    assert_eq!(node, 1);
    let earliest = delay + 2 * SECOND + skew(200);
    // The first advert may be heard up to an interval after the start.
    assert!(after >= earliest && after <= earliest + 2 * SECOND + 2 * LATENCY.sum(), "{after:?}");
}

/// Two lost adverts in a row are within Master_Down_Interval; three are not, for a priority that leaves little skew.
#[test]
fn two_lost_adverts_are_survived() {
    for (lost, masters) in [(2, 1), (4, 2)] {
        let mut cluster = settled(&[params(200), params(254)]);
        assert_eq!(cluster.masters(), [1]);
        cluster.network.lose_next = lost;
        let since = cluster.now;
        cluster.run_for(6 * SECOND);
        let most = if cluster.history.longest(since, cluster.now, |count| count > 1) > Duration::ZERO {
            2
        } else {
            1
        };
        assert_eq!(most, masters, "{lost} lost");
    }
}

#[test]
fn a_partition_makes_two_masters_and_its_end_one_within_an_interval() {
    let mut cluster = settled(&[params(200), params(150), params(50)]);
    cluster.inflict(Fault::Partition(0b001));
    cluster.run_for(5 * SECOND);
    assert_eq!(cluster.masters(), [0, 1]);
    cluster.inflict(Fault::Partition(0));
    cluster.run_for(SECOND + LATENCY.sum());
    assert_eq!(cluster.masters(), [0]);
}

#[test]
fn tracking_moves_the_mastership() {
    let mut cluster = settled(&[params(200), params(150)]);
    cluster.inflict(Fault::Tell(0, Event::Priority(Priority(100))));
    cluster.run_for(5 * SECOND);
    assert_eq!(cluster.masters(), [1]);
    cluster.inflict(Fault::Tell(0, Event::Priority(Priority(200))));
    cluster.run_for(5 * SECOND);
    assert_eq!(cluster.masters(), [0]);
}

/// Version 3: the backups follow each master's own interval, so a takeover between different ones is quiet.
#[test]
fn intervals_are_learned_from_each_new_master() {
    let fast = Params { interval: Interval::from_centis(1), ..params(150) };
    let mut cluster = settled(&[params(200), fast, params(50)]);
    assert_eq!(cluster.node(2).unwrap().router.interval(), Interval::from_secs(1));
    cluster.inflict(Fault::Crash(0));
    cluster.run_for(5 * SECOND);
    assert_eq!(cluster.node(2).unwrap().router.interval(), Interval::from_centis(1));
    let since = cluster.now;
    cluster.inflict(Fault::Start(0));
    cluster.run_for(20 * SECOND);
    assert_eq!(cluster.masters(), [0]);
    let changes = cluster.history.transitions.iter().filter(|(at, ..)| *at > since);
    let nodes: Vec<_> = changes.map(|(_, node, transition)| (*node, transition.to)).collect();
    assert_eq!(nodes, [(0, State::Backup), (0, State::Master), (1, State::Backup)]);
}

/// A reload with a longer interval on a running master: its backups must not time out on the old one.
#[test]
fn a_reloaded_interval_fails_nobody_over() {
    let base = params(200);
    let mut cluster = settled(&[base, params(150)]);
    let since = cluster.now;
    let source = cluster.node(0).unwrap().router.params().source;
    let slow = Params { interval: Interval::from_secs(10), source, ..base };
    cluster.inflict(Fault::Tell(0, Event::Reconfigured(slow)));
    cluster.run_for(60 * SECOND);
    assert!(cluster.history.transitions.iter().all(|(at, ..)| *at <= since));
    assert_eq!(cluster.node(1).unwrap().router.interval(), Interval::from_secs(10));
}
