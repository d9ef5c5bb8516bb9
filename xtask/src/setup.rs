//! `cargo xtask setup`: finds what building and testing need, installs what is missing, says each thing it does.

mod apt;
mod bpf;
mod daemons;
mod kernel;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{programs, say, workspace};

/// Version of cargo-deny that `.ci/run` uses.
const CARGO_DENY: &str = "0.20.2";

/// What to set up.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Also what `.ci/run` needs beyond the tests: rustfmt, clippy, cargo-deny.
    #[arg(long)]
    pub(crate) ci: bool,
    /// Only what the build needs: for a host that is to run the agent and nothing else.
    #[arg(skip)]
    pub(crate) build_only: bool,
}

/// A program, and the Debian packages that bring it.
struct Tool {
    program: &'static str,
    packages: &'static [&'static str],
}

/// What building needs, apart from the BPF compiler.
const BUILD: &[Tool] = &[Tool { program: "cc", packages: &["gcc", "libc6-dev"] }];

/// What the lab, its peers and the tests need.
const LAB: &[Tool] = &[
    Tool { program: "ip", packages: &["iproute2"] },
    Tool { program: "nft", packages: &["nftables"] },
    Tool { program: "keepalived", packages: &["keepalived"] },
    Tool { program: "nginx", packages: &["nginx-light"] },
    Tool { program: "tshark", packages: &["tshark"] },
    Tool { program: "arping", packages: &["arping"] },
    Tool { program: "curl", packages: &["curl"] },
];

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    ensure(options)?;
    say::line("ready", "nothing is missing");
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that everything is there; quick when it is.
pub(crate) fn ensure(options: &Options) -> Result<()> {
    let lab: &[Tool] = if options.build_only { &[] } else { LAB };
    tools(BUILD.iter().chain(lab).collect())?;
    bpf::ensure()?;
    kernel::report();
    if options.ci {
        ci_tools()?;
    }
    Ok(())
}

fn tools(wanted: Vec<&Tool>) -> Result<()> {
    let (found, missing): (Vec<&Tool>, Vec<&Tool>) =
        wanted.into_iter().partition(|tool| programs::find(tool.program).is_some());
    if missing.is_empty() {
        say::line("programs", format_args!("{} found: {}", found.len(), names(found.into_iter())));
        return Ok(());
    }
    say::line("programs", format_args!("missing: {}", names(missing.iter().copied())));
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.packages.iter().copied()).collect();
    apt::install(&packages)
}

fn names<'a>(tools: impl Iterator<Item = &'a Tool>) -> String {
    tools.map(|tool| tool.program).collect::<Vec<_>>().join(" ")
}

fn ci_tools() -> Result<()> {
    for (component, verb) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        // Asked, for rustup leaves programs of these names whether the toolchain has them or not.
        if programs::ask("cargo", &[verb, "--version"]).is_none() {
            say::line(component, "missing: adding the component to the toolchain");
            programs::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    if let Some(path) = programs::find("cargo-deny") {
        say::line("cargo-deny", path.display());
        return Ok(());
    }
    say::line("cargo-deny", format_args!("missing: cargo install cargo-deny {CARGO_DENY}, some minutes"));
    // Unoptimised: it is run once, and compiles in half the time.
    let install = ["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY];
    programs::run(workspace::cargo().args(install)).context("cargo-deny checks licences in .ci/run")
}
