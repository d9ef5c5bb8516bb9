//! `cargo xtask setup`: finds what building and testing need, installs what is missing, says each thing it does.

mod apt;
mod bpf;
mod daemons;
mod kernel;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::{programs, say, workspace};

/// Version of cargo-deny that `.ci/run` uses.
const CARGO_DENY: &str = "0.20.2";
/// Version of cargo-deb that `cargo xtask dist` uses.
const CARGO_DEB: &str = "3.8.0";

/// What to set up.
#[derive(Args)]
pub(crate) struct Options {
    /// Also what `.ci/run` needs beyond the tests: rustfmt, clippy, cargo-deny.
    #[arg(long)]
    ci: bool,
}

/// What it is for; each also needs what is needed for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Building the agent, to run it on this host.
    Build,
    /// The demonstration in the lab.
    Lab,
    /// Tests, with the real peers.
    Tests,
    /// Benches.
    Benches,
}

/// A program, what needs it, and the Debian packages that bring it.
struct Tool {
    program: &'static str,
    /// A file without which the program is of no use to us.
    file: Option<&'static str>,
    need: Need,
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool { program: "cc", file: None, need: Need::Build, packages: &["gcc", "libc6-dev"] },
    // The interface of etcd is compiled from its description.
    Tool {
        program: "protoc",
        file: Some("/usr/include/google/protobuf/descriptor.proto"),
        need: Need::Build,
        packages: &["protobuf-compiler", "libprotobuf-dev"],
    },
    Tool { program: "ip", file: None, need: Need::Lab, packages: &["iproute2"] },
    Tool { program: "nginx", file: None, need: Need::Lab, packages: &["nginx-light"] },
    Tool { program: "curl", file: None, need: Need::Lab, packages: &["curl"] },
    Tool {
        program: "nginx",
        file: Some("/usr/lib/nginx/modules/ngx_stream_module.so"),
        need: Need::Tests,
        packages: &["libnginx-mod-stream"],
    },
    Tool { program: "keepalived", file: None, need: Need::Tests, packages: &["keepalived"] },
    Tool { program: "tshark", file: None, need: Need::Tests, packages: &["tshark"] },
    Tool { program: "arping", file: None, need: Need::Tests, packages: &["arping"] },
    Tool { program: "nft", file: None, need: Need::Tests, packages: &["nftables"] },
    Tool { program: "etcd", file: None, need: Need::Tests, packages: &["etcd-server"] },
    Tool { program: "etcdctl", file: None, need: Need::Tests, packages: &["etcd-client"] },
    Tool { program: "redis-server", file: None, need: Need::Tests, packages: &["redis-server"] },
    Tool { program: "wrk", file: None, need: Need::Benches, packages: &["wrk"] },
    // What the demonstration in virtual machines is checked with, where there are none.
    Tool { program: "ruby", file: None, need: Need::Tests, packages: &["ruby"] },
    Tool { program: "shellcheck", file: None, need: Need::Tests, packages: &["shellcheck"] },
    Tool { program: "python3", file: None, need: Need::Tests, packages: &["python3-minimal"] },
    // The alerts' own tests. Only promtool is run, but it has no package of its own.
    Tool { program: "promtool", file: None, need: Need::Tests, packages: &["prometheus"] },
    Tool {
        program: "java",
        file: Some("/usr/share/java/zookeeper.jar"),
        need: Need::Tests,
        packages: &["default-jre-headless", "zookeeper"],
    },
];

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    ensure(Need::Tests)?;
    if options.ci {
        ci_tools()?;
    }
    say::line("ready", "nothing is missing");
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that everything is there; quick when it is.
pub(crate) fn ensure(need: Need) -> Result<()> {
    tools(need)?;
    bpf::ensure()?;
    kernel::report();
    Ok(())
}

fn tools(need: Need) -> Result<()> {
    let missing: Vec<&Tool> = needed(need).filter(|tool| !tool.present()).collect();
    if missing.is_empty() {
        say::line("programs", format_args!("found: {}", names(needed(need))));
        return Ok(());
    }
    say::line("programs", format_args!("missing: {}", names(missing.iter().copied())));
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.packages.iter().copied()).collect();
    apt::install(&packages)
}

impl Tool {
    fn present(&self) -> bool {
        programs::find(self.program).is_some() && self.file.is_none_or(|file| Path::new(file).exists())
    }
}

fn needed(need: Need) -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(move |tool| tool.need <= need)
}

fn names<'a>(tools: impl Iterator<Item = &'a Tool>) -> String {
    tools.map(|tool| tool.program).collect::<Vec<_>>().join(" ")
}

fn ci_tools() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        // rustup puts a program of that name there whether or not the toolchain has the component.
        if !answers(subcommand) {
            say::line(component, "missing: adding the component to the toolchain");
            programs::run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("`cargo {subcommand}` is needed by .ci/run"))?;
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

/// What `cargo xtask dist` needs beyond the build, and beyond that to check what it made.
pub(crate) fn dist_tools(check: bool) -> Result<()> {
    let mut wanted = vec![("strip", "binutils"), ("xz", "xz-utils")];
    if check {
        wanted.extend([
            ("lintian", "lintian"),
            ("man", "man-db"),
            ("systemd-analyze", "systemd"),
            ("systemd-nspawn", "systemd-container"),
            ("unshare", "util-linux"),
        ]);
    }
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|(program, _)| programs::find(program).is_none())
        .map(|(_, package)| package)
        .collect();
    if !missing.is_empty() {
        apt::install(&missing)?;
    }
    if let Some(path) = programs::find("cargo-deb") {
        say::line("cargo-deb", path.display());
        return Ok(());
    }
    say::line("cargo-deb", format_args!("missing: cargo install cargo-deb {CARGO_DEB}, some minutes"));
    // Unoptimised, as cargo-deny is; xz compresses by the program of that name.
    let install =
        ["install", "cargo-deb", "--locked", "--debug", "--no-default-features", "--version", CARGO_DEB];
    programs::run(workspace::cargo().args(install)).context("cargo-deb makes the Debian package")
}

/// Whether cargo has a working subcommand of this name.
fn answers(subcommand: &str) -> bool {
    let mut cargo = workspace::cargo();
    cargo.args([subcommand, "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_the_agent_needs_no_daemons() {
        assert_eq!(names(needed(Need::Build)), "cc protoc");
        assert!(!names(needed(Need::Lab)).contains("keepalived"));
        assert!(!names(needed(Need::Tests)).contains("wrk"));
        assert_eq!(needed(Need::Benches).count(), TOOLS.len());
    }

    #[test]
    fn a_subcommand_that_does_not_work_is_missing() {
        assert!(!answers("vipward-no-such-subcommand"));
    }
}
