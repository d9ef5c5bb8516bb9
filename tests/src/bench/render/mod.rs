//! `cargo xtask bench render`: from a put to the renamed file, at several sizes of the store, with an etcd of its own.
//!
//! A `confd` on PATH takes part; without one there are figures of confd's that were measured elsewhere, and the table says
//! so. What counts is the file: it is opened when it was renamed, and must hold the value that was put.

mod contender;
mod site;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::record::Run;
use super::stats::Summary;
use crate::servers::{Etcd, Setting};
use contender::Contender;
use site::Site;

/// Keys in the store.
const SIZES: [usize; 4] = [1, 100, 1_000, 10_000];
/// At this size the cost is judged.
const JUDGED: usize = 1_000;
/// How long nothing is put, to see what that costs.
const IDLE: Duration = Duration::from_secs(10);
/// The goal for the CPU time of an update at [`JUDGED`] keys, in milliseconds.
const CPU_GOAL: f64 = 2.0;
/// The goal for resident memory, in MiB.
const MEMORY_GOAL: f64 = 20.0;
/// Below the accuracy of what is measured: nothing.
const IDLE_GOAL: f64 = 0.05;
/// The best confd's median by size, measured with etcd 3.4 on two quiet cores: 0.16 with one key, and with a hundred no
/// other was faster; the fork 0.41 with a thousand.
const CONFD: [(usize, f64); 3] = [(1, 3.5), (100, 4.3), (1_000, 7.7)];

/// What to measure.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Updates of each contender at each size.
    pub rounds: usize,
    /// Folder of the raw numbers.
    pub results: PathBuf,
}

/// One contender at one size.
#[derive(Debug, Serialize)]
struct Measured {
    contender: String,
    keys: usize,
    /// From the put to the renamed file, in milliseconds.
    latency_ms: Vec<f64>,
    /// From the put to etcd's answer, which is in the former.
    put_ms: Vec<f64>,
    cpu_ms_per_update: f64,
    resident_mib: f64,
    idle_cpu_percent: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    measured: Vec<Measured>,
    missed: Vec<String>,
}

/// Measures, prints a table and writes the raw numbers. Missed goals are printed and are no failure.
pub fn run(options: &RenderOptions) -> Result<()> {
    let run = Run::begin();
    let contenders = Contender::all()?;
    let mut measured = Vec::new();
    for keys in SIZES {
        for contender in &contenders {
            eprintln!("  {} with {keys} keys", contender.name);
            measured.push(measure(contender, keys, options.rounds)?);
        }
    }
    let missed = missed(&measured);
    print!("{}", table(&measured));
    if !contenders.iter().any(|contender| contender.is_confd) {
        println!("\nno confd on PATH: its medians are {CONFD:?} (keys, ms), measured on another machine");
    }
    match missed.len() {
        0 => println!("all goals met"),
        some => println!("{some} goals missed:\n  {}", missed.join("\n  ")),
    }
    let report = Report { measured, missed };
    run.write(&options.results, "render", &report)?;
    println!("raw numbers: {}", run.path(&options.results, "render").display());
    Ok(())
}

fn measure(contender: &Contender, keys: usize, rounds: usize) -> Result<Measured> {
    let etcd = Etcd::with(Setting { more: vec!["--max-txn-ops=20000".to_owned()], ..Setting::default() })?;
    let mut site = Site::new(&etcd, keys)?;
    let mut process = contender.start(&site, &etcd)?;
    site.settles(&process)?;
    // The first ones find caches cold and buffers small.
    for round in 0..rounds.div_ceil(10) {
        site.update(round, &process)?;
    }
    let (mut latency_ms, mut put_ms) = (Vec::new(), Vec::new());
    let before = contender::cpu(&process)?;
    for round in 0..rounds {
        let (put, seen) = site.update(round, &process)?;
        put_ms.push(put);
        latency_ms.push(seen);
    }
    let spent = contender::cpu(&process)?.saturating_sub(before);
    let idle = (keys == JUDGED).then(|| contender::idle(&process, IDLE)).transpose()?;
    let resident_mib = contender::resident(&process)?;
    process.stop()?;
    let updates = f64::from(u32::try_from(rounds).unwrap_or(u32::MAX));
    Ok(Measured {
        contender: contender.name.clone(),
        keys,
        latency_ms,
        put_ms,
        cpu_ms_per_update: super::stats::ms(spent) / updates,
        resident_mib,
        idle_cpu_percent: idle,
    })
}

/// The goals of vipward that it missed.
fn missed(all: &[Measured]) -> Vec<String> {
    let mut missed = Vec::new();
    let mut goal = |what: String, value: f64, limit: f64| {
        // Not a number meets no goal.
        if value.is_nan() || value > limit {
            missed.push(format!("{what}: {value:.2}, goal {limit:.2}"));
        }
    };
    for own in all.iter().filter(|measured| measured.contender.starts_with("vipward")) {
        let keys = own.keys;
        let others = all.iter().filter(|other| other.keys == keys && other.contender != own.contender);
        let best = others.map(|other| Summary::of(&other.latency_ms).median).reduce(f64::min);
        let known = CONFD.iter().find(|(size, _)| *size == keys).map(|(_, median)| *median);
        if let Some(best) = best.or(known) {
            goal(format!("median with {keys} keys, ms"), Summary::of(&own.latency_ms).median, best);
        }
        if keys == JUDGED {
            goal(format!("CPU per update with {keys} keys, ms"), own.cpu_ms_per_update, CPU_GOAL);
            goal(format!("memory with {keys} keys, MiB"), own.resident_mib, MEMORY_GOAL);
            goal(
                "CPU while nothing happens, %".to_owned(),
                own.idle_cpu_percent.unwrap_or(f64::NAN),
                IDLE_GOAL,
            );
        }
    }
    missed
}

fn table(all: &[Measured]) -> String {
    let mut text = String::from(
        "\n  keys  who                  put→file p50    p95  of it the put p50   CPU/update  resident  idle CPU\n",
    );
    for measured in all {
        let (seen, put) = (Summary::of(&measured.latency_ms), Summary::of(&measured.put_ms));
        let idle = measured.idle_cpu_percent.map_or_else(|| "-".to_owned(), |idle| format!("{idle:.2} %"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:>6}  {:<20}{:>10.2} ms{:>7.2}{:>16.2} ms{:>10.2} ms{:>6.1} MiB{idle:>10}",
            measured.keys,
            measured.contender,
            seen.median,
            seen.p95,
            put.median,
            measured.cpu_ms_per_update,
            measured.resident_mib,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(contender: &str, latency: f64) -> Measured {
        Measured {
            contender: contender.to_owned(),
            keys: JUDGED,
            latency_ms: vec![latency],
            put_ms: vec![1.0],
            cpu_ms_per_update: 1.0,
            resident_mib: 10.0,
            idle_cpu_percent: Some(0.0),
        }
    }

    #[test]
    fn goals_are_those_of_the_best_confd() {
        assert!(missed(&[measured("vipward", 7.0)]).is_empty(), "the known figure");
        assert_eq!(missed(&[measured("vipward", 8.0)]).len(), 1);
        let there = [measured("vipward", 7.0), measured("confd", 6.0)];
        assert_eq!(missed(&there), ["median with 1000 keys, ms: 7.00, goal 6.00"]);
        let costly = Measured { idle_cpu_percent: None, resident_mib: 30.0, ..measured("vipward", 1.0) };
        assert_eq!(missed(&[costly]).len(), 2);
    }

    #[test]
    fn a_row_each() {
        let text = table(&[measured("vipward", 7.0), measured("confd", 6.0)]);
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
