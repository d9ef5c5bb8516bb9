//! The master goes away, again and again: how long until the other serves.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::arena::{Arena, PROBE, Pair, bury};
use super::contender::Contender;
use super::observe::{self, Passage};
use super::outcome::{Failure, Metric, Outcome, Statistic};
use super::plan::{MASTER_PRIORITY, Plan};
use super::stats::{ms, ms_between};
use super::{Options, order, progress};
use crate::lab::clock::Moment;

/// Failovers of one contender before the next has its turn: twenty make as many turns as there are contenders, so
/// that everybody is first, and last, equally often.
const TURN: u32 = 4;
/// How long after Master_Down_Interval the last VIP may come before the round counts as failed.
const LIMIT: Duration = Duration::from_secs(15);
/// How often two routers that do not come to stand are started again before a contender's turn is given up.
const RETRIES: u32 = 2;
/// How far the client's gap may exceed Master_Down_Interval, in milliseconds.
const GAP_GOAL_MS: f64 = 2.0;

/// How the master goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// Its link is cut: the client gets no answer until the backup serves.
    Cut,
    /// SIGKILL to all its processes. Its kernel goes on answering for the VIP, so only the wire tells.
    Kill,
    /// SIGKILL to the agent, whose guard is left to see to it; of keepalived to all, for nobody else would take over
    /// from a parent that starts its child again.
    KillAgent,
}

/// The goal for the time from [`Blow::KillAgent`] to the successor's first GARP, as a share of keepalived's. Skew_Time alone
/// is 0.19 of what keepalived's peer waits, so it is judged where that is long enough for the rest to be small.
const DEATH_SHARE: f64 = 0.2;
const DEATH_INTERVAL: Duration = Duration::from_secs(1);

/// A scenario of failovers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failover {
    pub(super) plan: Plan,
    pub(super) blow: Blow,
    /// Failovers of each contender.
    pub(super) rounds: u32,
}

/// What one failover brought, in milliseconds.
struct Round {
    /// From the last answer of the old master to the first of the new, the longest of all probed VIPs.
    gap: f64,
    /// From the blow to the first GARP.
    taken: f64,
    /// From the ceiling to the first and to the last first-GARP.
    first_garp: f64,
    last_garp: f64,
    /// From the ceiling to the first answer of the last VIP.
    last_answer: f64,
}

/// What all rounds brought.
struct Results {
    gap: Metric,
    taken: Metric,
    first_garp: Metric,
    last_garp: Metric,
    last_answer: Metric,
    failures: Vec<Failure>,
    notes: Vec<String>,
}

impl Results {
    fn add(&mut self, contender: Contender, round: Result<Round>) {
        match round {
            Ok(round) => {
                self.gap.add(contender, round.gap);
                self.taken.add(contender, round.taken);
                self.first_garp.add(contender, round.first_garp);
                self.last_garp.add(contender, round.last_garp);
                self.last_answer.add(contender, round.last_answer);
            }
            Err(error) => self.failures.push(Failure { contender, why: format!("{error:#}") }),
        }
    }

    fn note(&mut self, contender: Contender, error: &anyhow::Error) {
        self.notes.push(format!("{contender}: {error:#}"));
    }
}

impl Failover {
    pub(super) fn run(&self, options: &Options) -> Result<Outcome> {
        let contenders = &options.contenders;
        let rounds = match options.rounds {
            Some(rounds) => rounds,
            None if options.quick => self.rounds.div_ceil(5),
            None => self.rounds,
        };
        let arena = Arena::new(self.plan)?;
        let probed = format!("of the {} probed", arena.probed.len());
        let probed = if arena.probed.len() == self.plan.addresses().len() { "" } else { &probed };
        let new = |name: &str| Metric::new(name.trim_end(), "ms", contenders, rounds);
        let mut results = Results {
            gap: new(&format!("client's longest gap {probed}")),
            taken: new("death to the successor's first GARP"),
            first_garp: new("timer expiry to first GARP"),
            last_garp: new("timer expiry to last first-GARP"),
            last_answer: new(&format!("timer expiry to last VIP {probed} answering")),
            failures: Vec::new(),
            notes: Vec::new(),
        };
        for turn in 0..rounds.div_ceil(TURN) {
            for contender in order(contenders, turn) {
                let numbers = turn * TURN..(turn * TURN + TURN).min(rounds);
                progress(format_args!("  {contender:<20} {} of {rounds}", numbers.end));
                if let Err(error) = self.turn(&arena, contender, numbers, &mut results) {
                    results.note(contender, &error);
                }
            }
        }
        Ok(self.judged(results))
    }

    /// One contender's turn: `numbers` of its rounds. What the contender does wrong is its failure and stays one;
    /// only what comes before the first blow may be tried again.
    fn turn(
        &self,
        arena: &Arena,
        contender: Contender,
        numbers: Range<u32>,
        results: &mut Results,
    ) -> Result<()> {
        let mut standing = None;
        for number in numbers {
            let mut pair = match standing.take() {
                Some(pair) => pair,
                None => stand(arena, contender, results)?,
            };
            // The golden ratio spreads any number of phases evenly, and everybody gets the same.
            let phase = (f64::from(number) * 0.618_033_988_75 + 0.5).fract();
            let round = self.round(arena, &mut pair, phase)?;
            let restored = self.restore(arena, contender, &mut pair);
            if restored.is_ok() {
                standing = Some(pair);
            }
            results.add(contender, round.and_then(|round| restored.map(|()| round)));
        }
        standing.map_or(Ok(()), Pair::stop)
    }

    /// One failover. An error of the inner kind is the contender's own.
    fn round(&self, arena: &Arena, pair: &mut Pair, phase: f64) -> Result<Result<Round>> {
        let settled = Moment::now();
        arena.sleep_until_phase(phase);
        let blow = Moment::now();
        match self.blow {
            Blow::Cut => arena.n1.unplug()?,
            Blow::Kill => pair.master.take().context("there is no master to kill")?.kill(),
            Blow::KillAgent => pair.master.take().context("there is no master to kill")?.kill_agent(),
        }
        let passages = arena.passages(blow, LIMIT);
        Ok(self.measure(arena, settled, blow, &passages))
    }

    /// The way back.
    fn restore(&self, arena: &Arena, contender: Contender, pair: &mut Pair) -> Result<()> {
        match self.blow {
            Blow::Cut => arena.n1.plug()?,
            Blow::Kill | Blow::KillAgent => {
                bury(&arena.n1)?;
                pair.master = Some(contender.start(&arena.n1, &self.plan, MASTER_PRIORITY)?);
            }
        }
        arena.settle(pair).context("the old master does not return")
    }

    fn measure(&self, arena: &Arena, settled: Moment, blow: Moment, passages: &[Passage]) -> Result<Round> {
        let disturbed = arena.wire.first(settled, |from, _| from == observe::BACKUP);
        ensure!(disturbed.is_none_or(|(at, _)| at >= blow), "the backup took over from a living master");
        let all = self.plan.addresses().len();
        ensure!(passages.len() == all, "{} of {all} VIPs came within {LIMIT:?}", passages.len());
        let late = |passage: &Passage| ms_between(passage.ceiling, passage.announced);
        let first = passages.iter().map(|passage| passage.announced).min().context("no VIP")?;
        let last = passages.iter().map(|passage| passage.announced).max().context("no VIP")?;
        arena.all_answer_after(last, LIMIT).context("a VIP that was announced does not answer")?;
        let (mut gap, mut last_answer) = (0.0, f64::NEG_INFINITY);
        for (target, (_, vip)) in arena.probed.iter().enumerate() {
            let silence = arena.echo.longest_silence(target, blow, Moment::now());
            gap = f64::max(gap, ms(silence.length()));
            let passage = passages.iter().find(|passage| IpAddr::V4(passage.vip) == *vip);
            let ceiling = passage.context("a probed VIP is not in the plan")?.ceiling;
            last_answer = f64::max(last_answer, ms_between(ceiling, silence.to));
        }
        Ok(Round {
            gap,
            taken: ms_between(blow, first),
            first_garp: passages.iter().map(late).fold(f64::INFINITY, f64::min),
            last_garp: passages.iter().map(late).fold(f64::NEG_INFINITY, f64::max),
            last_answer,
        })
    }

    /// Sets the goals that this scenario has.
    fn judged(&self, results: Results) -> Outcome {
        let Results { mut gap, mut taken, mut first_garp, mut last_garp, mut last_answer, failures, notes } =
            results;
        let down = ms(self.plan.master_down());
        let how = match self.blow {
            Blow::Cut => "the master's link is cut",
            Blow::Kill => "the master is killed",
            Blow::KillAgent => "the master's agent is killed and its guard is not",
        };
        let alone = self.plan.instances == 1 && self.plan.vips == 1;
        let metrics = if self.blow == Blow::KillAgent {
            if self.plan.interval >= DEATH_INTERVAL {
                taken.at_most_share(DEATH_SHARE, Contender::is_vipward);
            }
            vec![taken]
        } else if alone {
            first_garp.at_most(Statistic::Median, 1.0, Contender::is_vipward);
            gap.at_most_keepalived(Contender::is_vipward);
            gap.at_most(Statistic::P95, down + GAP_GOAL_MS, Contender::is_vipward);
            match self.blow {
                Blow::Cut => vec![gap, first_garp],
                Blow::Kill | Blow::KillAgent => vec![first_garp],
            }
        } else {
            let limit = match self.plan.instances {
                1 => 10.0,
                100 => 5.0,
                _ => 27.0,
            };
            last_garp.at_most(Statistic::P95, limit, Contender::is_vipward);
            if self.plan.instances > 1 {
                last_answer.at_most_probed(limit, ms(PROBE), Contender::is_vipward);
            }
            vec![gap, first_garp, last_garp, last_answer]
        };
        Outcome {
            title: format!("{}, {how}", self.plan),
            master_down_ms: Some(down),
            metrics,
            failures,
            notes,
            ..Outcome::default()
        }
    }
}

/// Has both routers of `contender` stand as master and backup.
fn stand(arena: &Arena, contender: Contender, results: &mut Results) -> Result<Pair> {
    for _ in 0..RETRIES {
        match arena.start(contender) {
            Ok(pair) => return Ok(pair),
            Err(error) => results.note(contender, &error.context("started again")),
        }
    }
    arena.start(contender).context("gave up")
}
