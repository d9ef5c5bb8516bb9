//! `cargo xtask chaos`: builds the agent and the harness for release, and runs it.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::setup::Need;
use crate::{programs, root, say, setup, workspace};

/// What to run.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Handed to the harness: `--seconds N`, `--faults N`, `--seed S`, `--nodes N`, `--peer keepalived`; `--help` tells
    /// all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs the verb. Whatever was not as it must be is a failure.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    root::required("the nodes are network namespaces with BPF programs", "chaos")?;
    setup::ensure(Need::Tests)?;
    for package in ["vipward", "vipward-tests"] {
        say::line("build", format_args!("cargo build --release --package {package}"));
        programs::run(workspace::cargo().args(["build", "--release", "--package", package]))?;
    }
    let release = workspace::target_dir().join("release");
    let mut chaos = Command::new(release.join("vipward-chaos"));
    chaos.current_dir(workspace::root()).env("VIPWARD_BIN", release.join("vipward"));
    chaos
        .arg("--results")
        .arg(workspace::target_dir().join("chaos"))
        .args(&options.args)
        .stdin(Stdio::null());
    let status = chaos.status().context("cannot run vipward-chaos")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
