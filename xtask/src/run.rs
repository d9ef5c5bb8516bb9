//! `cargo xtask run`: the demonstration in the lab, or the agent on this host.

mod scene;
mod settings;
mod site;
mod stop;
mod store;
mod table;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::setup::Need;
use crate::{programs, root, say, setup, workspace};
use scene::Scene;

/// Names another binary to show in the lab, which then is not built.
const BINARY_VARIABLE: &str = "VIPWARD_BIN";
/// Exit code after Ctrl-C in the middle, as shells count it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// End after the demonstration; the exit code says whether every step did what it should within its bound.
    #[arg(long, conflicts_with = "args")]
    once: bool,
    /// The nodes render from an etcd on a host of its own instead of a file.
    #[arg(long, conflicts_with = "args")]
    etcd: bool,
    /// Instead of the lab, run the agent on this host: `vipward run ARGS`.
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if separated(env::args_os()) {
        let agent = build(Need::Build)?;
        let error = Command::new(&agent).arg("run").args(&options.args).exec();
        return Err(error).with_context(|| format!("cannot run {}", agent.display()));
    }
    root::required("the lab makes network namespaces", "run")?;
    // Stores come with what the tests need.
    let need = if options.etcd { Need::Tests } else { Need::Lab };
    let agent = match env::var_os(BINARY_VARIABLE) {
        Some(binary) => PathBuf::from(binary),
        None => build(need)?,
    };
    demonstrate(&agent, options)
}

/// Whether there is a `--`, even with nothing after it: that asks for the agent with its defaults, and the parser
/// does not tell it from none.
fn separated(mut args: impl Iterator<Item = OsString>) -> bool {
    args.any(|arg| arg == "--")
}

/// Sets up and makes the release build; its path.
fn build(need: Need) -> Result<PathBuf> {
    setup::ensure(need)?;
    say::line("build", "cargo build --release --package vipward");
    programs::run(workspace::cargo().args(["build", "--release", "--package", "vipward"]))?;
    Ok(workspace::target_dir().join("release/vipward"))
}

/// Plays all scenes; the last one's lab stays up until Ctrl-C unless it is to end by itself.
fn demonstrate(agent: &Path, options: &Options) -> Result<ExitCode> {
    stop::watch_signals()?;
    let mut good = true;
    let mut scenes = Scene::all()?.into_iter().peekable();
    while let Some(scene) = scenes.next() {
        let Some(mut site) = scene.play(agent, options.etcd, &mut good)? else {
            println!("\n  interrupted; the lab is removed");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        if scenes.peek().is_none() && !options.once {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_with_nothing_after_them_ask_for_the_agent() {
        let separated = |line: &str| separated(line.split(' ').map(OsString::from));
        assert!(separated("xtask run --") && separated("xtask run -- -f file"));
        assert!(!separated("xtask run") && !separated("xtask run --once"));
    }
}
