//! `cargo xtask bench failover|handover|flood|starvation|reload|throughput|scrape`: vipward against keepalived, on the same
//! topology, in the same run, taking turns.
//!
//! What happened is read off the wire (adverts and GARPs, stamped by the kernel at the port of the host that sent
//! them) and off a client's probes; nothing that a contender says of itself counts.

mod arena;
mod burden;
mod config;
mod contender;
mod failover;
mod handover;
mod observe;
mod outcome;
mod plan;
mod publish;
mod record;
mod render;
mod report;
mod scrape;
mod stats;
mod steady;
mod table;
mod throughput;
mod usage;
mod vigil;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use burden::Burden;
pub use config::{ConfigOptions, run as config};
pub use contender::Contender;
use failover::{Blow, Failover};
use handover::Handover;
use plan::Plan;
pub use publish::{PublishOptions, run as publish};
pub use record::Run;
pub use render::{RenderOptions, run as render};
use steady::{Role, Steady};
use throughput::Throughput;
use vigil::Vigil;

/// Which scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// The master goes away; and what it costs while nothing happens.
    Failover,
    /// The master makes way in good order, and comes back.
    Handover,
    /// Hostile adverts.
    Flood,
    /// No CPU, no memory.
    Starvation,
    /// Long configurations.
    Reload,
    /// Requests through the VIP.
    Throughput,
    /// Metrics of a thousand VIPs.
    Scrape,
}

impl Suite {
    /// Also how the files of raw numbers are called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Suite::Failover => "failover",
            Suite::Handover => "handover",
            Suite::Flood => "flood",
            Suite::Starvation => "starvation",
            Suite::Reload => "reload",
            Suite::Throughput => "throughput",
            Suite::Scrape => "scrape",
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which scenarios there are.
    pub suite: Suite,
    /// Fewer failovers and shorter measurements: a look, not a result.
    pub quick: bool,
    /// Failovers of each contender, instead of each scenario's own number.
    pub rounds: Option<u32>,
    /// Scenarios whose names contain one of these; all when empty.
    pub only: Vec<String>,
    /// Who takes part.
    pub contenders: Vec<Contender>,
    /// Folder of the raw numbers.
    pub results: PathBuf,
}

/// One thing to measure.
struct Scenario {
    /// How it is called on the command line and in the results.
    name: &'static str,
    work: Work,
}

enum Work {
    Failover(Failover),
    Handover(Handover),
    Steady(Steady),
    Vigil(Vigil),
    Throughput(Throughput),
}

/// Everything that is measured, in the order in which it runs.
fn scenarios(suite: Suite) -> Vec<Scenario> {
    let ms = Duration::from_millis;
    let vigil = |name, instances, vips, interval, burden, seconds| Scenario {
        name,
        work: Work::Vigil(Vigil { plan: Plan { instances, vips, interval }, burden, seconds }),
    };
    match suite {
        Suite::Failover => {}
        Suite::Handover => {
            let handover = |name, peer| {
                let plan = Plan { instances: 1, vips: 2, interval: ms(100) };
                Scenario { name, work: Work::Handover(Handover { plan, peer, rounds: 20 }) }
            };
            return vec![
                handover("to-keepalived", Contender::Keepalived),
                handover("to-vipward", Contender::Xdp),
            ];
        }
        Suite::Flood => return vec![vigil("flood", 10, 1, ms(100), Burden::Flood, 20)],
        Suite::Starvation => {
            return vec![
                vigil("busy", 100, 1, ms(10), Burden::Busy, 60),
                vigil("fifo-on-backup", 100, 1, ms(10), Burden::FifoOnBackup, 15),
                vigil("fifo-on-master", 100, 1, ms(10), Burden::FifoOnMaster, 15),
                vigil("memory", 100, 1, ms(10), Burden::Memory, 20),
            ];
        }
        Suite::Scrape => return vec![vigil("scrape", 250, 4, ms(100), Burden::Scrape, 30)],
        Suite::Reload => return vec![vigil("reload", 250, 14, ms(100), Burden::Reload, 15)],
        Suite::Throughput => {
            let plan = Plan { instances: 1, vips: 1, interval: ms(100) };
            return vec![Scenario { name: "nginx", work: Work::Throughput(Throughput { plan, turns: 10 }) }];
        }
    }
    let failover = |name, instances, vips, interval, blow, rounds| Scenario {
        name,
        work: Work::Failover(Failover { plan: Plan { instances, vips, interval }, blow, rounds }),
    };
    let steady = |name, role| Scenario {
        name,
        work: Work::Steady(Steady { plan: Plan { instances: 100, vips: 1, interval: ms(10) }, role }),
    };
    vec![
        failover("one-10ms", 1, 1, ms(10), Blow::Cut, 20),
        failover("one-10ms-killed", 1, 1, ms(10), Blow::Kill, 20),
        failover("one-100ms", 1, 1, ms(100), Blow::Cut, 20),
        failover("one-100ms-killed", 1, 1, ms(100), Blow::Kill, 20),
        failover("one-100ms-agent-killed", 1, 1, ms(100), Blow::KillAgent, 20),
        failover("one-1s", 1, 1, ms(1_000), Blow::Cut, 20),
        failover("one-1s-agent-killed", 1, 1, ms(1_000), Blow::KillAgent, 20),
        failover("hundred-10ms", 100, 1, ms(10), Blow::Cut, 20),
        failover("all-100ms", 255, 1, ms(100), Blow::Cut, 20),
        failover("vips-200", 1, 200, ms(100), Blow::Cut, 20),
        steady("backup-idle", Role::Backup),
        steady("master-idle", Role::Master),
    ]
}

/// Measures, prints a table and writes the raw numbers after each scenario.
pub fn run(options: &Options) -> Result<()> {
    let wanted =
        |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()));
    let all = || scenarios(options.suite);
    let chosen: Vec<Scenario> = all().into_iter().filter(|scenario| wanted(scenario.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
        bail!("no scenario is called like that; there are {}", names.join(", "));
    }
    let mut report = report::Report::begin(options);
    for scenario in chosen {
        progress(format_args!("{}", scenario.name));
        let load = report::load();
        let mut outcome = match &scenario.work {
            Work::Failover(work) => work.run(options)?,
            Work::Handover(work) => work.run(options)?,
            Work::Steady(work) => work.run(options),
            Work::Vigil(work) => work.run(options),
            Work::Throughput(work) => work.run(options),
        };
        outcome.name = scenario.name;
        outcome.load = [load, report::load()];
        print!("{}", table::show(&outcome));
        report.add(outcome, options)?;
    }
    report.finish(options);
    Ok(())
}

/// Says what goes on; a run takes many minutes.
fn progress(text: fmt::Arguments<'_>) {
    eprintln!("  {text}");
}

/// The contenders in the order of turn number `turn`: over as many turns as there are contenders, everybody is
/// first, and last, once.
fn order(contenders: &[Contender], turn: u32) -> Vec<Contender> {
    let mut order = contenders.to_vec();
    let places = order.len().max(1);
    order.rotate_left(usize::try_from(turn).unwrap_or(0) % places);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_first_once() {
        let all = Contender::ALL;
        let first: Vec<Contender> = (0..5).filter_map(|turn| order(&all, turn).first().copied()).collect();
        assert_eq!(first, all);
        assert_eq!(order(&[], 3), []);
    }

    #[test]
    fn names_of_scenarios_are_unique() {
        let suites =
            [Suite::Failover, Suite::Handover, Suite::Flood, Suite::Starvation, Suite::Reload, Suite::Scrape];
        let all: Vec<Scenario> = suites.into_iter().flat_map(scenarios).collect();
        let mut names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
