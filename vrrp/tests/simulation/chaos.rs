//! Random clusters under random faults, held against the three promises: one master soon after the network heals,
//! never two for long while it is whole, and no rejected packet that changes anything.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use vipward_common::timing::master_down;
use vipward_vrrp::router::{Event, Params};
use vipward_vrrp::types::{Family, Interval, Mono, Priority, State, Version, Vrid};

use crate::cluster::{Cluster, Fault, Latency};
use crate::kernel::source;
use crate::network::Dice;

/// Everything that a run depends on.
#[derive(Clone, Debug)]
struct Scenario {
    family: Family,
    params: Vec<Params>,
    latency: Latency,
    seed: u64,
    /// What happens, and when after the start, in thousandths of the time of troubles.
    faults: Vec<(u32, Fault)>,
    /// Whether nodes that are down come back when the troubles end.
    revive: bool,
}

impl Scenario {
    fn longest_interval(&self) -> Duration {
        let longest = self.params.iter().map(|params| params.interval).max();
        longest.unwrap().duration()
    }

    /// The longest Master_Down_Interval that any node can have: with any node's interval, and tracked down to 1.
    fn master_down(&self) -> Duration {
        let interval = Interval::from_duration(self.longest_interval()).nanos();
        let longest = self
            .params
            .iter()
            .map(|params| master_down(params.version.number(), 1, interval, params.down_adverts));
        Duration::from_nanos(longest.max().unwrap())
    }

    /// One advert interval and what a message needs to take effect.
    fn grace(&self) -> Duration {
        self.longest_interval() + 2 * self.latency.sum()
    }

    /// Longest that a router serves after it was told to stop.
    fn farewell(&self) -> Duration {
        let adverts = self.params.iter().map(|params| params.down_adverts).max();
        self.longest_interval() * (u32::from(adverts.unwrap()).max(3) + 1) + self.latency.sum()
    }

    fn troubles(&self) -> Duration {
        5 * self.master_down()
    }

    /// Runs through the troubles; returns when they ended.
    fn run_troubles(&self, cluster: &mut Cluster) -> Mono {
        let start = cluster.now;
        cluster.start_all();
        for (thousandth, fault) in &self.faults {
            cluster.schedule(start + self.troubles() * *thousandth / 1_000, *fault);
        }
        cluster.run_until(start + self.troubles());
        // Whatever is still on its way belongs to the troubles.
        cluster.run_for(self.latency.sum());
        cluster.now
    }

    /// The network is whole again, and somebody is there.
    fn heal(&self, cluster: &mut Cluster) {
        cluster.inflict(Fault::Partition(0));
        cluster.inflict(Fault::Loss(0));
        // Whoever leaves comes to an end of it.
        cluster.run_for(self.farewell());
        let nobody = cluster.running().next().is_none();
        for node in 0..self.params.len() {
            if self.revive || (nobody && node == 0) {
                cluster.inflict(Fault::Start(node));
                cluster.inflict(Fault::Tell(node, Event::Recovered));
            }
        }
    }

    fn cluster(&self) -> Cluster {
        Cluster::new(self.family, &self.params, self.latency, self.seed)
    }
}

/// One master within Master_Down_Interval and latency, and from then on: never none, never two for long.
fn one_master_after_healing(scenario: &Scenario) -> Result<(), TestCaseError> {
    let mut cluster = scenario.cluster();
    scenario.run_troubles(&mut cluster);
    scenario.heal(&mut cluster);
    // The last to start may do so an agent's latency late; two that fire at once need a message to agree.
    cluster.run_for(scenario.master_down() + 2 * scenario.latency.sum());
    let settled = cluster.now;
    cluster.run_for(10 * scenario.longest_interval());
    let masters = cluster.masters();
    prop_assert_eq!(masters.len(), 1, "masters: {:?}", masters);
    let none = cluster.history.longest(settled, cluster.now, |count| count == 0);
    prop_assert_eq!(none, Duration::ZERO);
    let two = cluster.history.longest(settled, cluster.now, |count| count > 1);
    prop_assert!(two <= scenario.grace(), "two masters for {two:?}");
    if scenario.params.iter().all(|params| params.preempt && params.preempt_delay.is_zero()) {
        let highest = cluster.running().map(|(_, node)| node.router.priority()).max();
        let master = cluster.node(masters[0]).map(|node| node.router.priority());
        prop_assert_eq!(master, highest);
    }
    Ok(())
}

fn any_latency() -> impl Strategy<Value = Latency> {
    (0..=5_000_u64, 0..=2_000_u64).prop_map(|(network, agent)| Latency {
        network: Duration::from_micros(network),
        agent: Duration::from_micros(agent),
    })
}

fn any_params(version: Version) -> impl Strategy<Value = Params> {
    let interval = match version {
        Version::V2 => Just(Interval::from_secs(1)).boxed(),
        Version::V3 => {
            let choices = [2, 10, 25, 100].map(Interval::from_centis);
            prop::sample::select(choices.to_vec()).boxed()
        }
    };
    let preempt_delay = prop_oneof![4 => Just(0), 1 => 1..5_u64].prop_map(Duration::from_secs);
    // Few priorities, so that ties are common.
    let priority = prop_oneof![prop::sample::select(vec![1, 100, 200, 254]), 1..=254_u8];
    (interval, priority, prop::bool::weighted(0.8), preempt_delay, 2..=4_u8).prop_map(
        move |(interval, priority, preempt, preempt_delay, down_adverts)| Params {
            version,
            interval,
            priority: Priority(priority),
            preempt,
            preempt_delay,
            down_adverts,
            ..Params::new(Vrid::new(7).unwrap(), source(Family::V4, 0))
        },
    )
}

fn any_fault(nodes: usize, whole: bool) -> BoxedStrategy<Fault> {
    let node = 0..nodes;
    let local = prop_oneof![
        node.clone().prop_map(Fault::Crash),
        node.clone().prop_map(Fault::Start),
        node.clone().prop_map(Fault::Start),
        node.clone().prop_map(|node| Fault::Tell(node, Event::Shutdown)),
        node.clone().prop_map(|node| Fault::Tell(node, Event::Fault)),
        node.clone().prop_map(|node| Fault::Tell(node, Event::Recovered)),
        (node, 1..=254_u8)
            .prop_map(|(node, priority)| Fault::Tell(node, Event::Priority(Priority(priority)))),
    ];
    if whole {
        return local.boxed();
    }
    prop_oneof![
        3 => local,
        1 => any::<u8>().prop_map(Fault::Partition),
        1 => prop_oneof![Just(0), 1..=100_u64].prop_map(Fault::Loss),
    ]
    .boxed()
}

/// Scenarios of 2 to 5 nodes; `whole` leaves the network alone.
fn any_scenario(whole: bool) -> impl Strategy<Value = Scenario> {
    let kinds = [(Version::V2, Family::V4), (Version::V3, Family::V4), (Version::V3, Family::V6)];
    (prop::sample::select(kinds.to_vec()), 2..=5_usize).prop_flat_map(move |((version, family), nodes)| {
        let faults = vec((0..=1_000_u32, any_fault(nodes, whole)), 0..12);
        let owner = prop::option::weighted(0.2, 0..nodes);
        (vec(any_params(version), nodes), owner, any_latency(), any::<u64>(), faults, any::<bool>()).prop_map(
            move |(mut params, owner, latency, seed, faults, revive)| {
                if let Some(owner) = owner {
                    params[owner].priority = Priority::OWNER;
                }
                Scenario { family, params, latency, seed, faults, revive }
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn one_master_once_the_network_heals(scenario in any_scenario(false)) {
        one_master_after_healing(&scenario)?;
    }

    #[test]
    fn never_two_masters_for_long_in_a_whole_network(scenario in any_scenario(true)) {
        let mut cluster = scenario.cluster();
        let start = cluster.now;
        let end = scenario.run_troubles(&mut cluster);
        let two = cluster.history.longest(start, end, |count| count > 1);
        prop_assert!(two <= scenario.grace(), "two masters for {two:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    /// The same run with and without rejected packets has the same transitions at the same nanoseconds.
    #[test]
    fn rejected_packets_change_nothing(scenario in any_scenario(false), noise in any::<u64>()) {
        let mut quiet = scenario.cluster();
        scenario.run_troubles(&mut quiet);
        let mut noisy = scenario.cluster();
        let mut dice = Dice(noise);
        let end = noisy.now + scenario.troubles();
        noisy.start_all();
        for (thousandth, fault) in &scenario.faults {
            noisy.schedule(noisy.now + scenario.troubles() * *thousandth / 1_000, *fault);
        }
        while noisy.now < end {
            flood(&mut noisy, scenario.params.len(), &mut dice);
            noisy.run_until(end.min(noisy.now + scenario.troubles() / 500));
        }
        noisy.run_for(scenario.latency.sum());
        prop_assert_eq!(&noisy.history.transitions, &quiet.history.transitions);
    }
}

/// Sends every node adverts that claim the highest priority and fail a check each.
fn flood(cluster: &mut Cluster, nodes: usize, dice: &mut Dice) {
    for to in 0..nodes {
        let Some(node) = cluster.node(to) else { continue };
        let mut packet = node.advert(Priority(255));
        let own = packet.source;
        packet.source = source(Family::of(own), 99);
        match dice.below(6) {
            0 => packet.ttl = 254,
            1 => packet.message[0] ^= 0x20,
            2 => packet.message[0] ^= 0x03,
            3 => packet.message[2] ^= 1 << dice.below(8),
            4 => packet.message.truncate(usize::try_from(dice.below(8)).unwrap()),
            _ => packet.source = own,
        }
        cluster.inject(to, &packet);
    }
}

/// The promises can be broken, and the tests would notice: without healing, two masters stay.
#[test]
fn a_partition_that_lasts_is_noticed() {
    let params = |priority| Params {
        priority: Priority(priority),
        ..Params::new(Vrid::new(7).unwrap(), source(Family::V4, 0))
    };
    let latency = Latency { network: Duration::from_millis(1), agent: Duration::from_millis(1) };
    let scenario = Scenario {
        family: Family::V4,
        params: vec![params(100), params(200)],
        latency,
        seed: 1,
        faults: vec![(500, Fault::Partition(1))],
        revive: false,
    };
    let mut cluster = scenario.cluster();
    let start = cluster.now;
    let end = scenario.run_troubles(&mut cluster);
    assert!(cluster.history.longest(start, end, |count| count > 1) > scenario.grace());
    assert_eq!(cluster.masters().len(), 2);
    assert!(cluster.running().all(|(_, node)| node.router.state() == State::Master));
    // And healing is what ends it.
    one_master_after_healing(&scenario).unwrap();
}
