//! Writes the manual pages of `vipward` and its verbs into a folder: `cargo run --example manpages DIR`. Not part of the
//! binary, which has no use for them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;
use vipward::cli::Cli;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).context("name the folder to write to")?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    clap_mangen::generate_to(Cli::command(), &folder)
        .with_context(|| format!("cannot write to {}", folder.display()))
}
