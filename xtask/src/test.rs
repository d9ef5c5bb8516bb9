//! `cargo xtask test [filter…]`: sets up, builds, and runs every test of the workspace.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::setup::Need;
use crate::{programs, root, say, setup, workspace};

/// Which tests to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only tests whose names contain one of these.
    filters: Vec<String>,
}

/// What is built and tested: everything but the XDP program, which agent/build.rs builds for its own target.
const MEMBERS: [&str; 3] = ["--workspace", "--exclude", "vipward-ebpf"];

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    root::required("the tests make network namespaces and load BPF programs", "test")?;
    setup::ensure(Need::Tests)?;
    say::line("build", "cargo build");
    // First, because tests run the agent's binary and xtask's own, which building tests alone would not bring.
    programs::run(workspace::cargo().arg("build").args(MEMBERS))?;

    let mut cargo = workspace::cargo();
    cargo.arg("test").arg("--no-fail-fast").args(MEMBERS);
    cargo.env("VIPWARD_BIN", workspace::target_dir().join("debug/vipward"));
    if !options.filters.is_empty() {
        cargo.arg("--").args(&options.filters);
    }
    say::line("test", programs::shown(&cargo));
    passed(&mut cargo)
}

/// The tests' own exit code: they have said themselves what failed.
fn passed(cargo: &mut Command) -> Result<ExitCode> {
    let status = cargo.stdin(Stdio::null()).status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
