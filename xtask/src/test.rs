//! `cargo xtask test [filter…]`: sets up, builds, and runs every test of the workspace.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::unistd::Uid;

use crate::{programs, say, setup, workspace};

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
    if !Uid::effective().is_root() {
        bail!(
            "the tests make network namespaces and load BPF programs, which only root can: \
             sudo -E env \"PATH=$PATH\" cargo xtask test"
        );
    }
    setup::ensure(&setup::Options::default())?;
    say::line("build", "cargo build");
    // First, because the lab's tests run the agent's binary, which building tests alone would not bring.
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
