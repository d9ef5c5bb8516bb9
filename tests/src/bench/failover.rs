//! The master goes away, again and again: how long until the other serves.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::arena::{Arena, PROBE, Pair, bury};
use super::contender::Contender;
use super::observe::{self, Passage};
use super::outcome::{Metric, Outcome, Statistic};
use super::plan::{MASTER_PRIORITY, Plan};
use super::stats::{ms, ms_between};
use super::{Options, order, progress};
use crate::lab::clock::Moment;

/// Failovers of one contender before the next has its turn: with twenty each, as many turns as contenders, so that
/// everybody is first, and last, once.
const TURN: u32 = 4;
/// How long after Master_Down_Interval the last VIP may come before the round counts as failed.
const LIMIT: Duration = Duration::from_secs(15);
/// How far the client's gap may exceed Master_Down_Interval, in milliseconds.
const GAP_GOAL_MS: f64 = 2.0;

/// How the master goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// Its link is cut: the client gets no answer until the backup serves.
    Cut,
    /// SIGKILL to all its processes. Its kernel goes on answering for the VIP, so only the wire tells.
    Kill,
}

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
    /// From the ceiling to the first and to the last first-GARP.
    first_garp: f64,
    last_garp: f64,
    /// From the ceiling to the first answer of the last VIP.
    last_answer: f64,
}

struct Metrics {
    gap: Metric,
    first_garp: Metric,
    last_garp: Metric,
    last_answer: Metric,
}

impl Failover {
    pub(super) fn run(&self, options: &Options) -> Result<Outcome> {
        let contenders = &options.contenders;
        let rounds = match options.rounds {
            Some(rounds) => rounds,
            None if options.quick => self.rounds.div_ceil(5),
            None => self.rounds,
        };
        let new = |name| Metric::new(name, "ms", contenders, rounds);
        let mut metrics = Metrics {
            gap: new("client's gap"),
            first_garp: new("timer expiry to first GARP"),
            last_garp: new("timer expiry to last first-GARP"),
            last_answer: new("timer expiry to last probed VIP answering"),
        };
        let mut notes = Vec::new();
        let arena = Arena::new(self.plan)?;
        for turn in 0..rounds.div_ceil(TURN) {
            for contender in order(contenders, turn) {
                let numbers = turn * TURN..(turn * TURN + TURN).min(rounds);
                progress(format_args!("  {contender:<20} {} of {rounds}", numbers.end));
                if let Err(error) = self.turn(&arena, contender, numbers, &mut metrics, &mut notes) {
                    notes.push(format!("{contender}: {error:#}"));
                }
            }
        }
        Ok(self.judged(metrics, notes))
    }

    /// One contender's turn: `numbers` of its rounds.
    fn turn(
        &self,
        arena: &Arena,
        contender: Contender,
        numbers: std::ops::Range<u32>,
        metrics: &mut Metrics,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let mut pair = arena.start(contender)?;
        for number in numbers {
            // The golden ratio spreads any number of phases evenly, and everybody gets the same.
            let phase = (f64::from(number) * 0.618_033_988_75 + 0.5).fract();
            match self.round(arena, contender, &mut pair, phase) {
                Ok(round) => {
                    metrics.gap.add(contender, round.gap);
                    metrics.first_garp.add(contender, round.first_garp);
                    metrics.last_garp.add(contender, round.last_garp);
                    metrics.last_answer.add(contender, round.last_answer);
                }
                // A false takeover, or none, is the worst result there is: it is not tried again until it goes well.
                Err(error) => {
                    notes.push(format!("{contender}: a round without a value: {error:#}"));
                    arena.clear(pair)?;
                    pair = arena.start(contender)?;
                }
            }
        }
        arena.clear(pair)
    }

    /// One failover and the way back.
    fn round(&self, arena: &Arena, contender: Contender, pair: &mut Pair, phase: f64) -> Result<Round> {
        let settled = Moment::now();
        arena.sleep_until_phase(phase);
        let blow = Moment::now();
        match self.blow {
            Blow::Cut => arena.n1.unplug()?,
            Blow::Kill => pair.master.take().context("there is no master to kill")?.kill(),
        }
        let passages = arena.passages(blow, LIMIT);
        let round = self.measure(arena, settled, blow, &passages);
        match self.blow {
            Blow::Cut => arena.n1.plug()?,
            Blow::Kill => {
                bury(&arena.n1)?;
                pair.master = Some(contender.start(&arena.n1, &self.plan, MASTER_PRIORITY)?);
            }
        }
        arena.settle(pair)?;
        round
    }

    fn measure(&self, arena: &Arena, settled: Moment, blow: Moment, passages: &[Passage]) -> Result<Round> {
        let disturbed = arena.wire.first(settled, |from, _| from == observe::BACKUP);
        ensure!(disturbed.is_none_or(|(at, _)| at >= blow), "the backup took over from a living master");
        let all = self.plan.addresses().len();
        ensure!(passages.len() == all, "{} of {all} VIPs came within {LIMIT:?}", passages.len());
        let late = |passage: &Passage| ms_between(passage.ceiling, passage.announced);
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
            first_garp: passages.iter().map(late).fold(f64::INFINITY, f64::min),
            last_garp: passages.iter().map(late).fold(f64::NEG_INFINITY, f64::max),
            last_answer,
        })
    }

    /// Sets the goals that this scenario has.
    fn judged(&self, metrics: Metrics, notes: Vec<String>) -> Outcome {
        let Metrics { mut gap, mut first_garp, mut last_garp, mut last_answer } = metrics;
        let down = ms(self.plan.master_down());
        let how = match self.blow {
            Blow::Cut => "the master's link is cut",
            Blow::Kill => "the master is killed",
        };
        let alone = self.plan.instances == 1 && self.plan.vips == 1;
        let metrics = if alone {
            first_garp.at_most(Statistic::Median, 1.0, Contender::is_vipward);
            gap.at_most_keepalived(Contender::is_vipward);
            gap.at_most(Statistic::P95, down + GAP_GOAL_MS, Contender::is_vipward);
            match self.blow {
                Blow::Cut => vec![gap, first_garp],
                Blow::Kill => vec![first_garp],
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
            notes,
            ..Outcome::default()
        }
    }
}
