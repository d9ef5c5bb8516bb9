//! `cargo xtask bench`: builds the agent and the bench for release, and runs it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::setup::Need;
use crate::{programs, root, say, setup, workspace};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Failovers and their cost, vipward and keepalived in turns; `failover --help` tells the options.
    #[command(disable_help_flag = true)]
    Failover {
        /// Handed to the bench: names of scenarios, `--quick`, `--rounds N`, `--contenders NAME,…`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// From a put in etcd to the renamed file, vipward and a confd on PATH; `render --help` tells the options.
    #[command(disable_help_flag = true)]
    Render {
        /// Handed to the bench: `--rounds N`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// What a packet costs in the XDP program, by its kind, and as a multiple of an ARP packet.
    Packets,
}

/// Runs the verb. Missed goals are printed and are no failure.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let verb = match &options.what {
        What::Failover { .. } => Some("bench failover"),
        What::Packets => Some("bench packets"),
        // An etcd and a folder are anybody's.
        What::Render { .. } => None,
    };
    if let Some(verb) = verb {
        root::required("the bench makes network namespaces and loads BPF programs", verb)?;
    }
    setup::ensure(Need::Tests)?;
    match &options.what {
        What::Failover { args } => bench("vipward-bench", args),
        What::Render { args } => bench("vipward-bench-render", args),
        What::Packets => packets(),
    }
}

/// Builds and runs one of the programs of the tests' crate.
fn bench(program: &str, args: &[OsString]) -> Result<ExitCode> {
    // The bench shares the CPUs with what it measures, so it is built for release too.
    for package in ["vipward", "vipward-tests"] {
        say::line("build", format_args!("cargo build --release --package {package}"));
        programs::run(workspace::cargo().args(["build", "--release", "--package", package]))?;
    }
    let release = workspace::target_dir().join("release");
    let mut bench = Command::new(release.join(program));
    bench.current_dir(workspace::root()).env("VIPWARD_BIN", release.join("vipward"));
    bench.arg("--results").arg(results()).args(args).stdin(Stdio::null());
    let status = bench.status().with_context(|| format!("cannot run {program}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn packets() -> Result<ExitCode> {
    say::line("build", "cargo bench --package vipward-tests --bench packets");
    let mut cargo = workspace::cargo();
    cargo.args(["bench", "--quiet", "--package", "vipward-tests", "--bench", "packets", "--", "--results"]);
    programs::run(cargo.arg(results()))?;
    Ok(ExitCode::SUCCESS)
}

/// Folder of the raw numbers.
fn results() -> PathBuf {
    workspace::target_dir().join("bench")
}
