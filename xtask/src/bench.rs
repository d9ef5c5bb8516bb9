//! `cargo xtask bench`: builds the agent and the bench for release, and runs it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
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
    /// Stops, drains and returns: what a client loses meanwhile, with keepalived and with vipward as the other.
    #[command(disable_help_flag = true)]
    Handover {
        /// As for `failover`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Hostile adverts at full rate against running pairs: transitions, cadence, CPU.
    #[command(disable_help_flag = true)]
    Flood {
        /// As for `failover`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Pairs without CPU or memory, and the kernel's timers beside those of user space.
    #[command(disable_help_flag = true)]
    Starvation {
        /// As for `failover`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// The cadence of adverts while a configuration of thousands of lines is read again and again.
    #[command(disable_help_flag = true)]
    Reload {
        /// As for `failover`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// What nginx delivers through the VIP, beside what it delivers without anybody who holds one.
    #[command(disable_help_flag = true)]
    Throughput {
        /// As for `failover`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// How long a scrape of 1,000 VIPs takes, and the cadence of adverts under ten of them a second.
    #[command(disable_help_flag = true)]
    Scrape {
        /// As for `failover`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// What reading up to 10,000 instances takes, and a start with 1,020; `config --help` tells the options.
    #[command(disable_help_flag = true)]
    Config {
        /// Handed to the bench: `--rounds N`.
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
    /// What a packet costs in the XDP program, by its kind, above an empty program.
    Packets,
    /// The newest raw numbers of each bench as docs/benchmarks.md, with plots.
    #[command(disable_help_flag = true)]
    Publish {
        /// Handed to the program: `--results DIR`, `--docs DIR`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// All of them, one after the other, on a machine with nothing else to do; takes an hour. Then publishes.
    All,
}

/// Runs the verb. Missed goals are printed and are no failure.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let verb = match &options.what {
        What::Failover { .. } => Some("bench failover"),
        What::Handover { .. } => Some("bench handover"),
        What::Flood { .. } => Some("bench flood"),
        What::Starvation { .. } => Some("bench starvation"),
        What::Reload { .. } => Some("bench reload"),
        What::Throughput { .. } => Some("bench throughput"),
        What::Config { .. } => Some("bench config"),
        What::Scrape { .. } => Some("bench scrape"),
        What::Packets => Some("bench packets"),
        What::All => Some("bench all"),
        // An etcd and a folder are anybody's.
        What::Render { .. } | What::Publish { .. } => None,
    };
    if let Some(verb) = verb {
        root::required("the bench makes network namespaces and loads BPF programs", verb)?;
    }
    setup::ensure(Need::Benches)?;
    match &options.what {
        What::Failover { args } => suite("failover", args),
        What::Handover { args } => suite("handover", args),
        What::Flood { args } => suite("flood", args),
        What::Starvation { args } => starvation(args),
        What::Reload { args } => suite("reload", args),
        What::Throughput { args } => suite("throughput", args),
        What::Config { args } => program("vipward-bench-config", &[], args),
        What::Scrape { args } => suite("scrape", args),
        What::Render { args } => program("vipward-bench-render", &[], args),
        What::Packets => cargo_bench("packets").map(|()| ExitCode::SUCCESS),
        What::Publish { args } => publish(args),
        What::All => all(),
    }
}

/// Everything. A bench that fails ends it: what was measured until then is kept.
fn all() -> Result<ExitCode> {
    for name in ["failover", "handover", "flood", "reload", "throughput", "scrape"] {
        ensure!(suite(name, &[])? == ExitCode::SUCCESS, "bench {name} failed");
    }
    ensure!(starvation(&[])? == ExitCode::SUCCESS, "bench starvation failed");
    for name in ["vipward-bench-config", "vipward-bench-render"] {
        ensure!(program(name, &[], &[])? == ExitCode::SUCCESS, "{name} failed");
    }
    cargo_bench("packets")?;
    publish(&[])
}

/// The pairs, and then the timers alone.
fn starvation(args: &[OsString]) -> Result<ExitCode> {
    let status = suite("starvation", args)?;
    cargo_bench("timers")?;
    Ok(status)
}

/// Needs no agent, and no release build.
fn publish(args: &[OsString]) -> Result<ExitCode> {
    let mut cargo = workspace::cargo();
    cargo.args([
        "run",
        "--quiet",
        "--package",
        "vipward-tests",
        "--bin",
        "vipward-bench-publish",
        "--",
        "--results",
    ]);
    programs::run(cargo.arg(results()).args(args))?;
    Ok(ExitCode::SUCCESS)
}

/// One suite of the bench of pairs.
fn suite(name: &str, args: &[OsString]) -> Result<ExitCode> {
    program("vipward-bench", &["--suite", name], args)
}

/// Builds and runs one of the programs of the tests' crate.
fn program(name: &str, first: &[&str], args: &[OsString]) -> Result<ExitCode> {
    // The bench shares the CPUs with what it measures, so it is built for release too.
    for package in ["vipward", "vipward-tests"] {
        say::line("build", format_args!("cargo build --release --package {package}"));
        programs::run(workspace::cargo().args(["build", "--release", "--package", package]))?;
    }
    let release = workspace::target_dir().join("release");
    let mut bench = Command::new(release.join(name));
    bench.current_dir(workspace::root()).env("VIPWARD_BIN", release.join("vipward"));
    bench.args(first).arg("--results").arg(results()).args(args).stdin(Stdio::null());
    let status = bench.status().with_context(|| format!("cannot run {name}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a bench that may use the agent's crate.
fn cargo_bench(name: &str) -> Result<()> {
    say::line("build", format_args!("cargo bench --package vipward-tests --bench {name}"));
    let mut cargo = workspace::cargo();
    cargo.args(["bench", "--quiet", "--package", "vipward-tests", "--bench", name, "--", "--results"]);
    programs::run(cargo.arg(results()))?;
    Ok(())
}

/// Folder of the raw numbers.
fn results() -> PathBuf {
    workspace::target_dir().join("bench")
}
