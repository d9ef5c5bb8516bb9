//! The last part of `cargo xtask bench starvation`: how late timers are on a CPU that SCHED_FIFO hogs have to themselves,
//! those of the XDP program and those of a process; root only.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use vipward::kernel::{Datapath as _, ReportKind, Timer, XdpPath};
use vipward_common::abi::RouterKey;
use vipward_tests::bench::Run;
use vipward_tests::frame::{LOOPBACK, key, rules};
use vipward_tests::lab::clock::Moment;

const BENCH: &str = "timers";
/// The CPU that the hogs have.
const CPU: usize = 1;
const HOGS: usize = 4;
/// Seconds after which a hog ends, whatever becomes of us.
const HOG_SECONDS: &str = "20";
/// How long it is measured.
const LENGTH: Duration = Duration::from_secs(12);
/// Timers that are set together.
const TIMERS: u8 = 100;
/// When the first of them runs out, and when the last has.
const FIRST: Duration = Duration::from_millis(20);
const ROUND: Duration = Duration::from_millis(150);
/// What a process sleeps.
const NAP: Duration = Duration::from_millis(10);

/// How late timers are on a CPU without time.
#[derive(Parser)]
#[command(name = "cargo xtask bench starvation", bin_name = "cargo xtask bench starvation")]
struct Cli {
    /// Folder for the raw numbers.
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Lateness in milliseconds.
#[derive(Serialize)]
struct Results {
    kernel: Vec<f64>,
    process: Vec<f64>,
}

/// Processes that end with this value.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start() -> Result<Hogs> {
        let mut hogs = Hogs(Vec::new());
        for _ in 0..HOGS {
            let mut command = Command::new("timeout");
            command.args(["-s", "KILL", HOG_SECONDS, "taskset", "-c", &CPU.to_string(), "chrt", "-f", "60"]);
            command.args(["sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
            hogs.0.push(command.spawn().context("cannot start a hog (taskset, chrt)")?);
        }
        Ok(hogs)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            // timeout passes a SIGTERM on to what it runs.
            // SAFETY: a system call on a process of our own, which is not waited for yet.
            unsafe { libc::kill(hog.id().cast_signed(), libc::SIGTERM) };
            let _ = hog.wait();
        }
    }
}

fn bind(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot run on CPU {cpu}"))
}

/// Above the hogs, or below everything again.
fn real_time(priority: i32) -> Result<()> {
    let policy = if priority > 0 { libc::SCHED_FIFO } else { libc::SCHED_OTHER };
    // SAFETY: plain data, for which zero is fine.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // SAFETY: 0 is this thread, and the parameters outlive the call.
    let refused = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } != 0;
    ensure!(!refused, "no real-time priority");
    Ok(())
}

/// The program's timers run on the CPU that sets them.
fn kernel_timers() -> Result<Vec<f64>> {
    let mut path = XdpPath::load().context("cannot load the XDP program")?;
    let rules = rules(3, 4);
    let routers: Vec<RouterKey> =
        (1..=TIMERS).map(|vrid| RouterKey { vrid, ..key(LOOPBACK, 4, 1) }).collect();
    for key in &routers {
        path.add(*key, &rules, &[])?;
    }
    let mut late = Vec::new();
    let end = Moment::now() + LENGTH;
    while Moment::now() < end {
        let begun = Moment::now();
        for (key, place) in routers.iter().zip(0..) {
            path.watch(key, &rules, Timer::Set(FIRST + Duration::from_millis(1) * place))?;
        }
        (begun + ROUND).sleep_until();
        let mut reports = Vec::new();
        path.drain(Moment::now().0, &mut reports);
        let expired = reports.iter().filter(|report| report.kind == ReportKind::Expired);
        late.extend(expired.map(|report| millis(report.at.0.saturating_sub(report.deadline.0))));
    }
    Ok(late)
}

fn process_timers() -> Vec<f64> {
    let mut late = Vec::new();
    let end = Moment::now() + LENGTH / 3;
    while Moment::now() < end {
        let due = Moment::now() + NAP;
        due.sleep_until();
        late.push(millis(u64::try_from(Moment::now().since(due).as_nanos()).unwrap_or(u64::MAX)));
    }
    late
}

fn millis(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64() * 1e3
}

fn line(name: &str, values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    let [median, p99, max] = [50, 99, 100].map(|percent| at(percent).unwrap_or(f64::NAN));
    format!("    {name:<42}{:>7}{median:>12.4}{p99:>12.4}{max:>12.4}", sorted.len())
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let run = Run::begin();
    ensure!(std::thread::available_parallelism()?.get() > CPU, "this takes two CPUs: one stays free");
    bind(CPU)?;
    real_time(80)?;
    let kernel = {
        let _hogs = Hogs::start()?;
        kernel_timers()?
    };
    real_time(0)?;
    let process = {
        let _hogs = Hogs::start()?;
        process_timers()
    };
    println!("\ntimers: four SCHED_FIFO hogs on the CPU of the timers, lateness in ms");
    println!("\n    {:<42}{:>7}{:>12}{:>12}{:>12}", "", "n", "median", "p99", "max");
    println!("{}", line("in the XDP program (goal: p99 ≤ 0.1)", &kernel));
    println!("{}", line("in a process of normal priority", &process));
    run.write(&cli.results, BENCH, &Results { kernel, process })?;
    println!("\nraw numbers: {}", run.path(&cli.results, BENCH).display());
    Ok(())
}
