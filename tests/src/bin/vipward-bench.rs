//! What the benches of pairs run once everything is built: `cargo xtask bench failover` and its like; root only.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use vipward_tests::bench::{Contender, Options, Suite, run};

/// vipward and keepalived on the same topology, in turns, against the goals.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    /// Which scenarios there are to choose from.
    #[arg(long, value_enum, default_value_t = Suite::Failover, hide = true)]
    suite: Suite,
    /// Run only scenarios whose names contain one of these.
    only: Vec<String>,
    /// A fifth of the failovers, shorter measurements: a look, not a result.
    #[arg(long)]
    quick: bool,
    /// Failovers of each contender in each scenario, instead of the scenario's own number.
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Who takes part: keepalived, keepalived-rt, xdp, xdp-generic, socket.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", default_values_t = Contender::ALL.map(|c| c.name().to_owned()))]
    contenders: Vec<String>,
    /// Folder for the raw numbers.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    results: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let contenders = cli.contenders.iter().map(|name| name.parse()).collect::<Result<_>>()?;
    run(&Options {
        suite: cli.suite,
        quick: cli.quick,
        rounds: cli.rounds,
        only: cli.only,
        contenders,
        results: cli.results,
    })
}
