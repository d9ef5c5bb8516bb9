//! What `cargo xtask bench publish` runs once it is built.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use vipward_tests::bench::{PublishOptions, publish};

/// The newest raw numbers of each bench as docs/benchmarks.md.
#[derive(Parser)]
#[command(name = "cargo xtask bench publish", bin_name = "cargo xtask bench publish")]
struct Cli {
    /// Folder of the raw numbers.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    results: PathBuf,
    /// Folder that gets benchmarks.md and the plots.
    #[arg(long, value_name = "DIR", default_value = "docs")]
    docs: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    publish(&PublishOptions { results: cli.results, docs: cli.docs })
}
