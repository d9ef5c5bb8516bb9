//! What `cargo xtask chaos` runs once everything is built; root only.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use vipward_tests::chaos::{Options, run};

/// Random faults from a seed, and a witness: never two that answer, and none only for as long as explained.
#[derive(Parser)]
#[command(name = "cargo xtask chaos", bin_name = "cargo xtask chaos")]
struct Cli {
    /// No fault begins later than this; 60 unless --faults is given.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Faults at most.
    #[arg(long, value_name = "N")]
    faults: Option<usize>,
    /// Determines the schedule.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Nodes.
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: u8,
    /// What runs on the second node.
    #[arg(long, value_name = "NAME", default_value = "vipward", value_parser = PossibleValuesParser::new(["vipward", "keepalived"]))]
    peer: String,
    /// Data path of vipward.
    #[arg(long, value_name = "NAME", default_value = "xdp", value_parser = PossibleValuesParser::new(["xdp", "xdp-generic"]))]
    datapath: String,
    /// Whether vipward has leases; a run without them must fail.
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = PossibleValuesParser::new(["on", "off"]))]
    lease: String,
    /// Only these kinds of faults.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<String>,
    /// By how many milliseconds a busy machine may be late: added to every bound, and an excuse for takeovers at
    /// intervals of no more than half of it. On a machine with nothing else to do: 10.
    #[arg(long, value_name = "MS", default_value_t = 150)]
    allowance: u64,
    /// Folder for the raw results.
    #[arg(long, value_name = "DIR", default_value = "target/chaos")]
    results: PathBuf,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let good = run(&Options {
        seconds: if cli.faults.is_some() { cli.seconds } else { cli.seconds.or(Some(60)) },
        faults: cli.faults,
        seed: cli.seed,
        nodes: cli.nodes.into(),
        keepalived: cli.peer == "keepalived",
        without_lease: cli.lease == "off",
        datapath: if cli.datapath == "xdp" { "xdp" } else { "xdp-generic" },
        only: cli.only,
        allowance: Duration::from_millis(cli.allowance),
        results: cli.results,
    })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
