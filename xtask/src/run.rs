//! `cargo xtask run`: the demonstration in the lab, or the agent on this host.

mod scene;
mod settings;
mod site;
mod stop;
mod table;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::unistd::Uid;

use crate::{programs, say, setup, workspace};
use scene::Scene;

/// Names another binary to show in the lab, which then is not built.
const BINARY_VARIABLE: &str = "VIPWARD_BIN";
/// Exit code for what is not there yet.
const NOT_YET: u8 = 2;
/// Exit code after Ctrl-C in the middle, as shells count it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// End after the demonstration; the exit code says whether every step did what it should within its bound.
    #[arg(long, conflicts_with = "args")]
    once: bool,
    /// Also show rendering from etcd.
    #[arg(long, conflicts_with = "args")]
    etcd: bool,
    /// Instead of the lab, run the agent on this host: `vipward run ARGS`.
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.etcd {
        eprintln!("--etcd: there is nothing to show yet; it comes with the rendering of templates");
        return Ok(ExitCode::from(NOT_YET));
    }
    let lab = options.args.is_empty();
    if lab && !Uid::effective().is_root() {
        bail!(
            "the lab makes network namespaces, which only root can: sudo -E env \"PATH=$PATH\" cargo xtask run"
        );
    }
    let agent = match env::var_os(BINARY_VARIABLE).filter(|_| lab) {
        Some(binary) => PathBuf::from(binary),
        None => build(!lab)?,
    };
    if lab {
        return demonstrate(&agent, options.once);
    }
    let error = Command::new(&agent).arg("run").args(&options.args).exec();
    Err(error).with_context(|| format!("cannot run {}", agent.display()))
}

/// Sets up, `only` for the build or for the lab too, and makes the release build; its path.
fn build(only: bool) -> Result<PathBuf> {
    setup::ensure(&setup::Options { build_only: only, ..setup::Options::default() })?;
    say::line("build", "cargo build --release --package vipward");
    programs::run(workspace::cargo().args(["build", "--release", "--package", "vipward"]))?;
    Ok(workspace::target_dir().join("release/vipward"))
}

/// Plays all scenes; the last one's lab stays up until Ctrl-C unless `once`.
fn demonstrate(agent: &Path, once: bool) -> Result<ExitCode> {
    stop::watch_signals()?;
    let mut good = true;
    let mut scenes = Scene::all()?.into_iter().peekable();
    while let Some(scene) = scenes.next() {
        let Some(mut site) = scene.play(agent, &mut good)? else {
            println!("\n  interrupted; the lab is removed");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        if scenes.peek().is_none() && !once {
            site.stay_up()?;
        }
    }
    println!(
        "\n  {}",
        if good {
            "Every step did what it should, within its bound."
        } else {
            "Not as it should be: see above."
        }
    );
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
