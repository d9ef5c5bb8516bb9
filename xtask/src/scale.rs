//! `cargo xtask scale`: the largest fleet of the simulation, which is too large for every run of the tests.

use std::process::ExitCode;

use anyhow::Result;

use crate::{programs, workspace};

/// Runs the verb.
pub(crate) fn run() -> Result<ExitCode> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--quiet", "--package", "vipward-vrrp", "--test", "simulation", "--"]);
    cargo.args(["--ignored", "--nocapture", "ten_thousand_routers"]);
    programs::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
