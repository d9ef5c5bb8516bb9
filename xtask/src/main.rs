//! `cargo xtask`: everything a developer types. Each verb is one file.

mod bench;
mod chaos;
mod dist;
mod fuzz;
mod programs;
mod root;
mod run;
mod say;
mod scale;
mod setup;
mod test;
mod tidy;
mod vagrant;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, tests and checks of vipward.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or install what building and testing need, saying each thing that is done.
    Setup(setup::Options),
    /// Show two nodes failing over in the lab; after `--`, run the agent on this host.
    Run(run::Options),
    /// Set up, build, and run all tests, or those whose names contain one of the filters.
    Test(test::Options),
    /// Measure failovers against keepalived, or packets in the XDP program.
    Bench(bench::Options),
    /// Random faults from a seed, and a witness: never two that answer, and none only for as long as explained.
    Chaos(chaos::Options),
    /// Give what reads untrusted bytes anything, guided by coverage.
    Fuzz(fuzz::Options),
    /// Simulate ten thousand routers on a thousand hosts, and print what it costs each.
    Scale,
    /// Make the Debian package and the tarball; with `--check`, install and remove the package and see what is left.
    Dist(dist::Options),
    /// The demonstration in virtual machines, brought up by vagrant or by the command in VAGRANT_UP, with each result checked.
    VagrantTest(vagrant::Options),
    /// Check what the compiler does not: file lengths, module docs, unwraps, clocks, the ABI, manifests.
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Setup(options) => setup::run(&options),
        Verb::Run(options) => run::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Chaos(options) => chaos::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Scale => scale::run(),
        Verb::Dist(options) => dist::run(&options),
        Verb::VagrantTest(options) => vagrant::run(&options),
        Verb::Tidy => tidy::run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}
