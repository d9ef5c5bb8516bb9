//! The master makes way in good order and comes back: how many of a client's questions nobody answers meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::arena::{Arena, Pair, poll};
use super::contender::{Contender, Router};
use super::observe::{self, BACKUP, MASTER};
use super::outcome::{Failure, Metric, Outcome, Statistic};
use super::plan::{MASTER_PRIORITY, Plan};
use super::{Options, order, progress};
use crate::lab::clock::Moment;

/// Hand-overs of each kind before the next contender has its turn.
const TURN: u32 = 5;
/// How long a hand-over may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Questions that may be lost in one hand-over.
const GOAL: f64 = 1.0;

/// A scenario of hand-overs between a contender and `peer`, there and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handover {
    pub(super) plan: Plan,
    pub(super) peer: Contender,
    /// Hand-overs of each kind.
    pub(super) rounds: u32,
}

/// Questions lost, by what was done to the contender.
struct Lost {
    stop: Metric,
    start: Metric,
    drain: Metric,
    undrain: Metric,
}

impl Handover {
    pub(super) fn run(&self, options: &Options) -> Result<Outcome> {
        let ordinary = if options.quick { self.rounds.div_ceil(5) } else { self.rounds };
        let rounds = options.rounds.unwrap_or(ordinary);
        let vipwards: Vec<Contender> =
            options.contenders.iter().copied().filter(|contender| contender.is_vipward()).collect();
        let new = |name: &str, contenders: &[Contender]| {
            Metric::new(format!("questions lost when it {name}"), "count", contenders, rounds)
        };
        let mut lost = Lost {
            stop: new("stops", &options.contenders),
            start: new("returns and preempts", &options.contenders),
            drain: new("is drained", &vipwards),
            undrain: new("is undrained and preempts", &vipwards),
        };
        let mut failures = Vec::new();
        let arena = Arena::new(self.plan)?;
        for turn in 0..rounds.div_ceil(TURN) {
            let count = TURN.min(rounds - turn * TURN);
            for contender in order(&options.contenders, turn) {
                progress(format_args!("  {contender:<20} {} of {rounds}", turn * TURN + count));
                if let Err(error) = self.turn(&arena, contender, count, &mut lost) {
                    failures.push(Failure { contender, why: format!("{error:#}") });
                }
            }
        }
        let Lost { mut stop, mut start, mut drain, mut undrain } = lost;
        for metric in [&mut stop, &mut drain, &mut undrain] {
            metric.at_most(Statistic::P95, GOAL, Contender::is_vipward);
        }
        // Whoever yields must not stop answering before the other serves, whichever of the two is ours.
        start.at_most(Statistic::P95, GOAL, |contender| contender.is_vipward() || self.peer.is_vipward());
        Ok(Outcome {
            title: format!("{}, hand-overs to {} and back, 1,000 questions a second", self.plan, self.peer),
            metrics: vec![stop, start, drain, undrain],
            failures,
            ..Outcome::default()
        })
    }

    fn turn(&self, arena: &Arena, contender: Contender, count: u32, lost: &mut Lost) -> Result<()> {
        let mut pair = arena.start_both(contender, self.peer)?;
        let lost_until = |to: &str, begun: Moment, pair: &Pair| {
            lost_since(arena, begun, to).with_context(|| pair.last_words())
        };
        for _ in 0..count {
            let master = pair.master.take().context("the master runs")?;
            let begun = Moment::now();
            master.stop()?;
            lost.stop.add(contender, lost_until(BACKUP, begun, &pair)?);

            let begun = Moment::now();
            pair.master = Some(contender.start(&arena.n1, &self.plan, MASTER_PRIORITY)?);
            lost.start.add(contender, lost_until(MASTER, begun, &pair)?);
            arena.settle(&pair)?;
            if contender.is_vipward() {
                let begun = Moment::now();
                tell(&pair, "drain")?;
                lost.drain.add(contender, lost_until(BACKUP, begun, &pair)?);
                let begun = Moment::now();
                tell(&pair, "undrain")?;
                lost.undrain.add(contender, lost_until(MASTER, begun, &pair)?);
                arena.settle(&pair)?;
            }
        }
        pair.stop()
    }
}

fn tell(pair: &Pair, verb: &str) -> Result<()> {
    match &pair.master {
        Some(Router::Vipward(agent)) => agent.ask(&[verb]).map(|_| ()),
        _ => bail!("the master has no verb {verb}"),
    }
}

/// Questions that were lost from `begun` until `to` serves alone.
fn lost_since(arena: &Arena, begun: Moment, to: &str) -> Result<f64> {
    let window = arena.plan.interval * 11 / 5;
    poll(LIMIT, || {
        let from = Moment::now() - window;
        from >= begun && arena.wire.look(|frames| observe::alone(frames, &arena.plan, to, from))
    })
    .with_context(|| format!("{to} does not serve alone"))?;
    let end = Moment::now();
    arena.all_answer_after(end, LIMIT)?;
    let counts = (0..arena.probed.len()).map(|target| arena.echo.lost(target, begun, end));
    let (asked, lost) = counts.max_by_key(|(_, lost)| *lost).context("something is asked")?;
    ensure!(asked > 0, "nothing was asked");
    Ok(f64::from(u32::try_from(lost)?))
}
