//! `cargo xtask dist`: the Debian package and the tarball, under `target/dist`.
//!
//! What neither the compiler nor the repository has in its final form (the stripped binary, manual pages, completions) is
//! staged first; agent/Cargo.toml says what of it and of the repository goes where in the package.

mod check;
mod stage;
mod tarball;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::setup::{self, Need};
use crate::{programs, say, workspace};

/// What to make.
#[derive(Args)]
pub(crate) struct Options {
    /// Also install, run, remove and purge the package, in a mount name space that goes with the check. Needs root.
    #[arg(long)]
    check: bool,
    /// Make no tarball, which takes a second release build.
    #[arg(long)]
    deb_only: bool,
    /// A finished binary to put into the package, in place of a release build.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::ensure(Need::Build)?;
    setup::dist_tools(options.check)?;
    let out = workspace::target_dir().join("dist");
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build(None)?,
    };
    let stage = stage::fill(&binary)?;
    let deb = deb(&out)?;
    say::line("package", deb.display());
    if options.check {
        check::package(&deb)?;
    }
    if !options.deb_only {
        say::line("tarball", tarball::make(&binary, &stage, &out)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the release build, for another target if one is named; its path.
fn build(target: Option<&str>) -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--package", "vipward"]);
    let mut folder = workspace::target_dir();
    if let Some(target) = target {
        cargo.args(["--target", target]);
        folder.push(target);
    }
    say::line("build", programs::shown(&cargo));
    programs::run(&mut cargo)?;
    Ok(folder.join("release/vipward"))
}

/// Makes the package out of what is staged.
fn deb(out: &Path) -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["deb", "--package", "vipward", "--no-build", "--no-strip", "--quiet", "--output"]).arg(out);
    say::line("package", programs::shown(&cargo));
    programs::run(&mut cargo).context("cargo-deb makes the package from agent/Cargo.toml")?;
    newest(out, "deb")
}

/// The file with this extension that was written last.
fn newest(folder: &Path, extension: &str) -> Result<PathBuf> {
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            found.push((path.metadata()?.modified()?, path));
        }
    }
    ensure!(!found.is_empty(), "there is no .{extension} in {}", folder.display());
    found.sort();
    found.pop().map(|(_, path)| path).context("no file")
}
