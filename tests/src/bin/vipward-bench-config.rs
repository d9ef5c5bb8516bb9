//! What `cargo xtask bench config` runs once everything is built; root only.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use vipward_tests::bench::{ConfigOptions, config};

/// Reading configurations of up to 10,000 instances, and starting with 1,020, beside keepalived.
#[derive(Parser)]
#[command(name = "cargo xtask bench config", bin_name = "cargo xtask bench config")]
struct Cli {
    /// Runs of each contender at each size; a third as many starts.
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
    /// Folder for the raw numbers.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    results: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    config(&ConfigOptions { rounds: cli.rounds.max(1), results: cli.results })
}
