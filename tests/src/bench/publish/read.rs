//! The raw numbers as the benches wrote them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::bench::contender::Contender;
use crate::bench::stats::Summary;

/// Values of which a plot tells more than a table.
const WORTH_A_PLOT: usize = 5;

/// One run of one bench.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    pub(super) begun: u64,
    pub(super) kernel: String,
    pub(super) cpus: usize,
    /// A look, not a result.
    #[serde(default)]
    pub(super) quick: bool,
    /// Of the benches of pairs.
    #[serde(default)]
    pub(super) scenarios: Vec<Scenario>,
    /// Of `packets`: the empty program.
    pub(super) bare: Option<Kind>,
    /// Of `packets`.
    #[serde(default)]
    pub(super) kinds: Vec<Kind>,
    /// Of `config`.
    #[serde(default)]
    pub(super) tasks: Vec<Task>,
    /// Of `render`.
    #[serde(default)]
    pub(super) measured: Vec<Rendered>,
    /// Of `render`: the goals that it missed.
    #[serde(default)]
    pub(super) missed: Vec<String>,
}

/// What one scenario brought.
#[derive(Debug, Deserialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) master_down_ms: Option<f64>,
    pub(super) metrics: Vec<Metric>,
    pub(super) failures: Vec<Failure>,
    pub(super) notes: Vec<String>,
    pub(super) load: [Option<f64>; 2],
}

/// A round that a contender failed.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) contender: String,
    pub(super) why: String,
}

/// One thing that was measured on every contender.
#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) samples: Vec<Sample>,
    pub(super) verdicts: Vec<Verdict>,
}

/// All values of one contender.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    pub(super) contender: String,
    pub(super) values: Vec<f64>,
}

/// Whether one contender reached one goal.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) contender: String,
    pub(super) statistic: String,
    pub(super) side: String,
    pub(super) value: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) noise: Option<f64>,
    pub(super) met: bool,
}

/// A kind of packets.
#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) ns: Vec<f64>,
    pub(super) goal: Option<f64>,
}

/// A contender with something to read or to start.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    #[serde(rename = "task")]
    pub(super) name: String,
    pub(super) contender: String,
    pub(super) unit: String,
    pub(super) values: Vec<f64>,
    pub(super) why: Option<String>,
    pub(super) goal: Option<Goal>,
}

/// What the median is to be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    Below(f64),
    AtLeast(f64),
}

/// A contender with a number of keys.
#[derive(Debug, Deserialize)]
pub(super) struct Rendered {
    pub(super) contender: String,
    pub(super) keys: usize,
    pub(super) latency_ms: Vec<f64>,
    pub(super) put_ms: Vec<f64>,
    pub(super) cpu_ms_per_update: f64,
    pub(super) resident_mib: f64,
    pub(super) idle_cpu_percent: Option<f64>,
}

impl Record {
    /// Reads a file that a bench wrote.
    pub(super) fn read(path: &Path) -> Result<Record> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| {
            format!("{} is not what a bench of this version writes: run it again", path.display())
        })
    }
}

impl Metric {
    /// Whether anybody brought enough values.
    pub(super) fn plots(&self) -> bool {
        self.samples.iter().any(|sample| sample.values.len() >= WORTH_A_PLOT)
    }
}

impl Sample {
    /// Nothing, if there are no values.
    pub(super) fn summary(&self) -> Option<Summary> {
        (!self.values.is_empty()).then(|| Summary::of(&self.values))
    }
}

/// The name of a contender as the tables have it.
pub(super) fn shown(contender: &str) -> String {
    contender.parse::<Contender>().map_or_else(|_| contender.to_owned(), |known| known.to_string())
}
