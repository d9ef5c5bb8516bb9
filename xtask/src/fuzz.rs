//! `cargo xtask fuzz`: builds the targets with the compiler's coverage and drives them with libFuzzer, one after the
//! other. Coverage comes from flags that a stable compiler takes; what needs a nightly one is the sanitizers, and there
//! is little for them to find in code without `unsafe`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::{programs, say, setup, workspace};

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Targets; all of them by default.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Afterwards, keep the smallest inputs that reach everything that was reached in the repository.
    #[arg(long)]
    keep: bool,
    /// Name the targets and end.
    #[arg(long)]
    list: bool,
}

/// Members that the targets spend their time in.
const OPTIMISED: [&str; 2] = ["vipward", "vipward-fuzz"];
/// Package and binary.
const BINARY: &str = "vipward-fuzz";
/// An input that takes longer is a find.
const SECONDS_PER_INPUT: u32 = 10;
/// Memory in MiB beyond which an input is a find.
const MEMORY: u32 = 2048;
/// Inputs kept per target at most, the shortest of those that are needed.
const KEPT: usize = 120;

/// Runs the verb. A find is a failure.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let known = targets()?;
    if options.list {
        for name in &known {
            println!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = options.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown}; there are {}", known.join(", "));
    }
    setup::ensure(setup::Need::Build)?;
    ensure!(programs::find("c++").is_some(), "libFuzzer needs a C++ compiler: apt-get install g++");
    let binary = build()?;
    let chosen = if options.targets.is_empty() { &known } else { &options.targets };
    let mut found = Vec::new();
    for name in chosen {
        let place = Place::new(name)?;
        if !place.fuzz(&binary, options.seconds)? {
            found.push(name.as_str());
        }
        if options.keep {
            place.keep(&binary)?;
        }
    }
    if found.is_empty() {
        say::line(
            "fuzz",
            format_args!("{} targets, {} s each, nothing found", chosen.len(), options.seconds),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let finds = folder().join("finds");
    say::line("fuzz", format_args!("found something in {}: see {}", found.join(", "), finds.display()));
    Ok(ExitCode::FAILURE)
}

/// Each target has a folder of inputs, which a test sees to.
fn targets() -> Result<Vec<String>> {
    let corpora = workspace::root().join("fuzz/corpus");
    let entries = fs::read_dir(&corpora).with_context(|| format!("cannot read {}", corpora.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Everything that is made: working corpora, finds, the targets' files.
fn folder() -> PathBuf {
    workspace::target_dir().join("fuzz")
}

/// Only members of the workspace are built anew: what they depend on is there already, and is none of our code.
fn build() -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    // All members, or what they depend on would be built with other features.
    cargo.args(["build", "--quiet", "--workspace", "--exclude", "vipward-ebpf", "--bin", BINARY]);
    cargo.args(["--features", "vipward-fuzz/libfuzzer"]);
    for member in OPTIMISED {
        cargo.arg("--config").arg(format!("profile.dev.package.{member}.opt-level=1"));
    }
    cargo.env("RUSTC_WORKSPACE_WRAPPER", workspace::root().join("fuzz/rustc"));
    say::line("build", programs::shown(&cargo));
    programs::run(&mut cargo)?;
    Ok(workspace::target_dir().join("debug").join(BINARY))
}

/// The folders of one target.
struct Place {
    name: String,
    /// Kept in the repository.
    kept: PathBuf,
    /// Where a run's own inputs are.
    work: PathBuf,
    finds: PathBuf,
    scratch: PathBuf,
}

impl Place {
    fn new(name: &str) -> Result<Place> {
        let below = |kind: &str| folder().join(kind).join(name);
        let (work, finds, scratch) = (below("corpus"), below("finds"), below("scratch"));
        for folder in [&work, &finds, &scratch] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let kept = workspace::root().join("fuzz/corpus").join(name);
        Ok(Place { name: name.to_owned(), kept, work, finds, scratch })
    }

    /// The program with this target chosen, and the limits of one input.
    fn program(&self, binary: &Path) -> Command {
        let mut program = Command::new(binary);
        program.current_dir(&self.scratch).stdin(Stdio::null());
        program.env("VIPWARD_FUZZ_TARGET", &self.name).env("VIPWARD_FUZZ_SCRATCH", &self.scratch);
        program.arg(format!("-timeout={SECONDS_PER_INPUT}")).arg(format!("-rss_limit_mb={MEMORY}"));
        program.arg(format!("-artifact_prefix={}/", self.finds.display()));
        program
    }

    /// Whether nothing was found.
    fn fuzz(&self, binary: &Path, seconds: u64) -> Result<bool> {
        say::line("fuzz", format_args!("{} for {seconds} s", self.name));
        let began = Instant::now();
        let mut program = self.program(binary);
        program.arg(format!("-max_total_time={seconds}")).args(["-print_final_stats=1", "-verbosity=1"]);
        program.args([&self.work, &self.kept]);
        let regressions = workspace::root().join("fuzz/regressions").join(&self.name);
        if regressions.is_dir() {
            program.arg(regressions);
        }
        let status = program.status().with_context(|| format!("cannot run {}", binary.display()))?;
        say::line("fuzz", format_args!("{}: {status} after {:?}", self.name, began.elapsed()));
        Ok(status.success())
    }

    /// Puts the smallest inputs that reach everything in the place of those that were kept.
    fn keep(&self, binary: &Path) -> Result<()> {
        let merged = folder().join("merged").join(&self.name);
        if merged.is_dir() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        let mut program = self.program(binary);
        program.args(["-merge=1", "-verbosity=0"]).arg(&merged).args([&self.kept, &self.work]);
        programs::run(&mut program)?;
        let mut inputs = Vec::new();
        for entry in fs::read_dir(&merged)? {
            let entry = entry?;
            inputs.push((entry.metadata()?.len(), entry.path()));
        }
        ensure!(!inputs.is_empty(), "the merge of {} came out empty", self.name);
        inputs.sort();
        inputs.truncate(KEPT);
        fs::remove_dir_all(&self.kept)?;
        fs::create_dir_all(&self.kept)?;
        for (_, input) in &inputs {
            if let Some(name) = input.file_name() {
                fs::copy(input, self.kept.join(name))?;
            }
        }
        say::line("fuzz", format_args!("{}: {} inputs kept", self.name, inputs.len()));
        Ok(())
    }
}
