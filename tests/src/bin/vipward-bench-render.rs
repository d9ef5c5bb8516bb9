//! What `cargo xtask bench render` runs once everything is built.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use vipward_tests::bench::{RenderOptions, render};

/// From a put to the rendered file, vipward and a confd on PATH, against the goals.
#[derive(Parser)]
#[command(name = "cargo xtask bench render", bin_name = "cargo xtask bench render")]
struct Cli {
    /// Updates of each contender at each size of the store.
    #[arg(long, value_name = "N", default_value_t = 200)]
    rounds: usize,
    /// Folder for the raw numbers.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    results: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    render(&RenderOptions { rounds: cli.rounds.max(1), results: cli.results })
}
