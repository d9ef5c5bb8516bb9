//! The raw numbers of a run as JSON, and its last words.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::sys::utsname::uname;
use serde::Serialize;

use super::Options;
use super::outcome::Outcome;

/// Everything that a run found out.
#[derive(Serialize)]
pub(super) struct Report {
    /// Seconds since 1970; the file's name carries it too.
    begun: u64,
    quick: bool,
    kernel: String,
    cpus: usize,
    scenarios: Vec<Outcome>,
}

impl Report {
    pub(super) fn begin(options: &Options) -> Report {
        let kernel = uname().map(|names| names.release().to_string_lossy().into_owned());
        Report {
            begun: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            quick: options.quick,
            kernel: kernel.unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            scenarios: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        self.scenarios.push(outcome);
    }

    /// Writes the raw numbers so far.
    pub(super) fn write(&self, options: &Options) -> Result<()> {
        let folder = &options.results;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = self.path(options);
        let text = serde_json::to_string_pretty(self).context("cannot write the results as JSON")?;
        fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Says which goals were missed.
    pub(super) fn finish(&self, options: &Options) {
        println!("\n{}", self.tally());
        println!("raw numbers: {}", self.path(options).display());
    }

    fn path(&self, options: &Options) -> PathBuf {
        options.results.join(format!("failover-{}.json", self.begun))
    }

    fn tally(&self) -> String {
        let of_metrics = |outcome: &Outcome| {
            let metrics = outcome.metrics.iter();
            metrics.map(|metric| metric.verdicts.len()).sum::<usize>()
        };
        let count: usize = self.scenarios.iter().map(of_metrics).sum();
        let mut missed = Vec::new();
        for outcome in &self.scenarios {
            for metric in &outcome.metrics {
                for verdict in metric.verdicts.iter().filter(|verdict| !verdict.met) {
                    let (name, value, limit) = (outcome.name, verdict.value, verdict.limit);
                    let (what, who) = (metric.name, verdict.contender);
                    missed.push(format!("\n  {name}: {what} of {who}: {value:.2}, goal {limit:.2}"));
                }
            }
        }
        match missed.len() {
            0 if count == 0 => "no goal applies to who took part".to_owned(),
            0 => format!("all {count} goals met"),
            some => format!("{some} of {count} goals missed:{}", missed.concat()),
        }
    }
}

/// The load average of the last minute.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
