//! `cargo xtask chaos`: random faults from a seed, and a witness that says whether ever two nodes answered for a VIP,
//! or none for longer than the fault explains.
//!
//! One fault follows another: it is done, lasts for a while, is undone, and everything has to settle. So every
//! transition, every gap and every double answer has one fault that may explain it, or none.

mod fault;
mod holdings;
mod inject;
mod judge;
mod plan;
mod random;
mod report;
mod schedule;
mod stage;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::clock::Moment;
use crate::peers;
use fault::Kind;
use judge::Episode;
use report::Report;
use schedule::Schedule;
use stage::Stage;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// No fault begins later than this.
    pub seconds: Option<u64>,
    /// Faults at most.
    pub faults: Option<usize>,
    /// Determines the schedule.
    pub seed: u64,
    /// 2 or 3.
    pub nodes: usize,
    /// keepalived runs on the second node.
    pub keepalived: bool,
    /// vipward runs without leases: a run that must fail.
    pub without_lease: bool,
    /// vipward's data path: `xdp` or `xdp-generic`.
    pub datapath: &'static str,
    /// Names of the kinds of faults; all when empty.
    pub only: Vec<String>,
    /// By how much a busy machine may be late: added to every time without an answer, and an excuse for takeovers
    /// where it is more than two intervals.
    pub allowance: Duration,
    /// Folder of the raw results.
    pub results: PathBuf,
}

/// The node on which keepalived runs, if it does.
const KEEPALIVED: usize = 1;

impl Options {
    fn kinds(&self) -> Result<Vec<Kind>> {
        let named = |name: &String| {
            let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            let names = || Kind::ALL.map(Kind::name).join(", ");
            found.with_context(|| format!("there is no fault {name}: {}", names()))
        };
        let mut kinds = self.only.iter().map(named).collect::<Result<Vec<_>>>()?;
        if self.only.is_empty() {
            kinds = Kind::ALL.to_vec();
        }
        if self.keepalived {
            // It would have to add the VIP too, and takes that for a reason to start anew.
            kinds.retain(|kind| *kind != Kind::ReloadVip);
        }
        if kinds.is_empty() {
            bail!("no kind of fault is left");
        }
        Ok(kinds)
    }

    fn routers(&self) -> Vec<peers::Kind> {
        let mut routers = vec![peers::Kind::Vipward(self.datapath); self.nodes];
        if let Some(router) = routers.get_mut(KEEPALIVED).filter(|_| self.keepalived) {
            *router = peers::Kind::Keepalived;
        }
        routers
    }
}

/// Runs, prints what was seen and writes it as JSON. Returns whether everything was as it must be.
pub fn run(options: &Options) -> Result<bool> {
    let kinds = options.kinds()?;
    let keepalived = options.keepalived.then_some(KEEPALIVED);
    let lease = if options.without_lease { "off" } else { "on" };
    let mut report = Report::begin(options);
    let mut stage = Stage::new(&options.routers(), &["--lease".to_owned(), lease.to_owned()])?;
    stage.start()?;
    stage.settle()?;
    stage.nodes.iter_mut().for_each(|node| drop(node.moves()));
    let start = Moment::now();
    let faults = Schedule::new(options.seed, &kinds, options.nodes, keepalived);
    for (number, fault) in (1..=options.faults.unwrap_or(usize::MAX)).zip(faults) {
        let passed = Moment::now().since(start);
        if options.seconds.is_some_and(|seconds| passed + fault.quiet >= Duration::from_secs(seconds)) {
            break;
        }
        progress(format_args!("{:>7.1} s {number:>4} {fault}", passed.as_secs_f64()));
        let went_on = one(&mut stage, &fault, options, &mut report);
        if let Err(error) = went_on {
            report.broke(format!("{number} {fault}: {error:#}\n{}", last_words(&stage)));
            break;
        }
    }
    finish(stage, &mut report);
    report.finish(options)
}

/// One fault from its quiet time to its verdict.
fn one(stage: &mut Stage, fault: &schedule::Planned, options: &Options, report: &mut Report) -> Result<()> {
    let masters: Vec<usize> = (0..plan::ROUTERS.len()).map(|place| stage.master(place)).collect();
    // The quiet time belongs to it: what happens there has no cause either, but is seen.
    let quiet = Moment::now();
    (quiet + fault.quiet).sleep_until();
    let begun = Moment::now();
    let ongoing = stage.inject(fault)?;
    inject::hold(fault);
    let vips = stage.added_vip(fault, begun);
    stage.heal(fault, ongoing)?;
    let healed = Moment::now();
    if fault.kind.deafens() {
        // Until it has heard its master again a backup still counts from before: another fault now would be two.
        (healed + plan::longest_interval() * 11 / 10).sleep_until();
    }
    stage.settle()?;
    let settled = Moment::now();
    judge::let_answers_come();
    let episode = Episode { fault: *fault, begun, healed, settled };
    let mut verdict = judge::judge(stage, &masters, &episode, options.allowance);
    verdict.wrong.extend(vips);
    verdict.wrong.extend(stage.removed_vips(healed + options.allowance));
    for wrong in &verdict.wrong {
        progress(format_args!("          WRONG {wrong}"));
    }
    for late in &verdict.late {
        progress(format_args!("          late {late}"));
    }
    report.add(verdict);
    stage.witness.forget(settled);
    Ok(())
}

/// Stops everything and looks for what is left.
fn finish(mut stage: Stage, report: &mut Report) {
    match stage.stop() {
        Ok(left) => report.left(left),
        Err(error) => report.broke(format!("the routers could not be stopped: {error:#}")),
    }
    let Stage { holdings, .. } = &stage;
    let holdings = holdings.clone();
    drop(stage);
    report.leaked(&holdings);
}

fn last_words(stage: &Stage) -> String {
    let words = stage.nodes.iter().map(|node| format!("{} said:\n{}\n", node.host.name(), node.last_words()));
    words.collect()
}

/// Says what goes on; a run takes minutes.
fn progress(text: fmt::Arguments<'_>) {
    eprintln!("  {text}");
}
