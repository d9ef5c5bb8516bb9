//! Random clusters under random faults, each from one seed, and what must hold in every one of them.

use std::time::Duration;

use vipward_common::timing::{master_down, skew};
use vipward_vrrp::router::{Event, Params};
use vipward_vrrp::types::{Family, Interval, Mono, Priority, Version, Vrid};

use crate::clock::Clock;
use crate::cluster::{Cluster, Fault, Latency};
use crate::kernel::source;
use crate::network::Dice;
use crate::node::LeaseLength;

/// Longest that an agent is frozen, in intervals: about twice a lease.
const FREEZE: u32 = 6;

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Troubles {
    /// Anything but lost packets: nodes die, freeze, stop, are drained; packets are late, overtaken, doubled.
    Whole,
    /// Packets are lost too, at random, in one direction, or between parts of the cluster.
    Lossy,
}

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) params: Vec<Params>,
    pub(crate) latency: Latency,
    pub(crate) clocks: Vec<Clock>,
    pub(crate) lease_length: LeaseLength,
    family: Family,
    duplication: u64,
    /// What happens, and how long after what happened before.
    faults: Vec<(Duration, Fault)>,
}

impl Schedule {
    /// The run of a seed.
    pub(crate) fn random(seed: u64, troubles: Troubles) -> Schedule {
        let mut schedule = Schedule::calm(seed);
        let mut dice = Dice(seed.wrapping_mul(3) ^ 0x5eed);
        let pause = schedule.master_down();
        let count = 6 + dice.below(10);
        schedule.faults =
            (0..count).map(|_| (dice.up_to(2 * pause), schedule.any_fault(&mut dice, troubles))).collect();
        schedule
    }

    /// A cluster to which nothing happens.
    pub(crate) fn calm(seed: u64) -> Schedule {
        let mut dice = Dice(seed);
        let pick =
            |dice: &mut Dice, from: &[u64]| from[usize::try_from(dice.below(from.len() as u64)).unwrap()];
        let (version, family) =
            [(Version::V2, Family::V4), (Version::V3, Family::V4), (Version::V3, Family::V6)]
                [usize::try_from(dice.below(3)).unwrap()];
        // One interval for all: RFC 9568 §5.2.7 wants it so.
        let interval = match version {
            Version::V2 => Interval::from_secs(1),
            Version::V3 => Interval::from_centis(u16::try_from(pick(&mut dice, &[2, 10, 25, 100])).unwrap()),
        };
        // And one number of adverts, unless it is at least the RFCs' 3 everywhere.
        let adverts = pick(&mut dice, &[2, 3, 3, 3, 5]);
        let nodes = 2 + dice.below(3);
        let owner = (dice.below(8) == 0).then(|| dice.below(nodes));
        let params = (0..nodes)
            .map(|node| {
                let priority = match dice.below(3) {
                    0 => 1 + dice.below(254),
                    _ => pick(&mut dice, &[1, 100, 150, 200, 253, 254]),
                };
                let priority = if owner == Some(node) { 255 } else { priority };
                let down_adverts = if adverts == 5 { 3 + dice.below(3) } else { adverts };
                let delay = if dice.below(8) == 0 { 1 + dice.below(3) } else { 0 };
                Params {
                    version,
                    family,
                    interval,
                    priority: Priority(u8::try_from(priority).unwrap()),
                    preempt: dice.below(5) > 0,
                    preempt_delay: Duration::from_secs(delay),
                    down_adverts: u8::try_from(down_adverts).unwrap(),
                    ..Params::new(Vrid::new(7).unwrap(), source(family, 0))
                }
            })
            .collect();
        let latency = Latency {
            network: dice.up_to(Duration::from_millis(5)),
            agent: dice.up_to(Duration::from_millis(2)),
        };
        let clocks = (0..nodes)
            .map(|_| Clock {
                offset: dice.below(1 << 50),
                ppm: i32::try_from(dice.below(1_001)).unwrap() - 500,
            })
            .collect();
        let duplication = pick(&mut dice, &[0, 20]);
        let lease_length = vipward_common::timing::lease_length;
        Schedule { seed, params, latency, clocks, lease_length, family, duplication, faults: Vec::new() }
    }

    fn any_fault(&self, dice: &mut Dice, troubles: Troubles) -> Fault {
        let node = usize::try_from(dice.below(self.params.len() as u64)).unwrap();
        let kinds = if troubles == Troubles::Lossy { 23 } else { 19 };
        match dice.below(kinds) {
            0 => Fault::Crash(node),
            1 | 2 => Fault::Kill { node, guarded: false },
            3 => Fault::Kill { node, guarded: true },
            4..=6 => Fault::Freeze(node, dice.up_to(FREEZE * self.interval())),
            7..=10 => Fault::Start(node),
            11 | 12 => Fault::Tell(node, Event::Shutdown),
            13 => Fault::Tell(node, Event::Fault),
            14 => Fault::Tell(node, Event::Recovered),
            15 | 16 => Fault::Tell(node, Event::Drain),
            17 => Fault::Tell(node, Event::Undrain),
            18 => {
                let priority = Priority(u8::try_from(1 + dice.below(254)).unwrap());
                Fault::Tell(node, Event::Priority(priority))
            }
            19 => Fault::Partition(u8::try_from(dice.below(16)).unwrap()),
            20 => Fault::Mute(1 << node),
            21 => Fault::Loss(dice.below(100)),
            _ => Fault::Loss(0),
        }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.params[0].interval.duration()
    }

    /// The longest Master_Down_Interval that any node can have, tracked down to priority 1, on the slowest clock.
    pub(crate) fn master_down(&self) -> Duration {
        let of = |params: &Params| {
            master_down(params.version.number(), 1, params.interval.nanos(), params.down_adverts)
        };
        Duration::from_nanos(self.params.iter().map(of).max().unwrap() * 1_001 / 1_000)
    }

    /// The shortest Skew_Time that any node has.
    pub(crate) fn shortest_skew(&self) -> Duration {
        let of = |params: &Params| skew(params.version.number(), params.priority.0, params.interval.nanos());
        Duration::from_nanos(self.params.iter().map(of).min().unwrap())
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let mut cluster =
            Cluster::new(self.family, &self.params, self.latency, self.seed).with_clocks(self.clocks.clone());
        cluster.network.duplication = self.duplication;
        cluster.lease_length = self.lease_length;
        cluster
    }

    /// Runs through the troubles and a recovery from them.
    pub(crate) fn run(&self) -> Outcome<'_> {
        let mut cluster = self.cluster();
        cluster.start_all();
        for (after, fault) in &self.faults {
            cluster.run_for(*after);
            cluster.inflict(*fault);
        }
        // Whoever leaves or is frozen comes to an end of it.
        cluster.run_for(2 * self.master_down() + FREEZE * self.interval());
        for fault in [Fault::Partition(0), Fault::Mute(0), Fault::Loss(0)] {
            cluster.inflict(fault);
        }
        for node in 0..self.params.len() {
            cluster.inflict(Fault::Start(node));
            cluster.inflict(Fault::Tell(node, Event::Recovered));
            cluster.inflict(Fault::Tell(node, Event::Undrain));
        }
        cluster.run_for(self.master_down() + 2 * self.latency.sum());
        let settled = cluster.now;
        cluster.run_for(10 * self.interval());
        let end = cluster.now;
        cluster.witness.close(end);
        Outcome { schedule: self, cluster, settled }
    }

    /// What excuses two masters may be so long ago: a backup has taken over, and the old master was frozen before it
    /// could hear of that.
    fn memory(&self) -> Duration {
        2 * self.master_down() + FREEZE * self.interval()
    }
}

/// A run that has ended.
pub(crate) struct Outcome<'a> {
    schedule: &'a Schedule,
    pub(crate) cluster: Cluster,
    settled: Mono,
}

impl Outcome<'_> {
    /// Everything that must hold: whether two answered at once, and whether one answered when the troubles were over.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        self.never_two()?;
        let none = self.cluster.history.longest(self.settled, self.cluster.now, |count| count == 0);
        if none > Duration::ZERO {
            return Err(format!("nobody answered for {none:?} after the recovery"));
        }
        Ok(())
    }

    /// No two nodes answer at the same instant, but for the time that the successor's first advert is on its way.
    /// Where priorities change, the adverts that tell of it may cross: twice that time.
    ///
    /// There are two exceptions. Who does not hear a master must become one: a packet was lost. And who hears a
    /// resignation after its successor's first advert takes it for the successor's.
    pub(crate) fn never_two(&self) -> Result<(), String> {
        let latency = self.schedule.latency.network;
        let excused =
            |lost: Option<Mono>, at: Mono| lost.is_some_and(|lost| lost + self.schedule.memory() >= at);
        let witness = &self.cluster.witness;
        if let Some(two) = witness
            .overlaps
            .iter()
            .find(|two| two.length() > self.handover() && !excused(two.excuse, two.from))
        {
            return Err(format!("two answered for {:?}, at a latency of {latency:?}: {two:?}", two.length()));
        }
        if let Some(haste) =
            witness.hasty.iter().find(|haste| haste.sent_ago > latency && !excused(haste.excuse, haste.at))
        {
            let (node, serving) = haste.nodes;
            return Err(format!("{node} took over although {serving} still had its lease: {haste:?}"));
        }
        Ok(())
    }

    /// Longest that two may answer in a hand-over.
    fn handover(&self) -> Duration {
        let moves = |(_, fault): &(Duration, Fault)| {
            matches!(fault, Fault::Tell(_, Event::Priority(_) | Event::Drain | Event::Undrain))
        };
        let crossing = if self.schedule.faults.iter().any(moves) { 2 } else { 1 };
        crossing * self.schedule.latency.network
    }
}
