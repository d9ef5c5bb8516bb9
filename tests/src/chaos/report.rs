//! What a run found out: a table, a summary, and the raw results.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::Options;
use super::fault::Kind;
use super::holdings::Holdings;
use super::judge::{Seen, Verdict};
use crate::bench::Run;

/// How the files of results are called.
const NAME: &str = "chaos";

/// Everything that a run found out.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(skip)]
    run: Run,
    seed: u64,
    nodes: usize,
    keepalived: bool,
    leases: bool,
    allowance_ms: f64,
    faults: Vec<Verdict>,
    /// VIPs and mounts that were left on the hosts.
    left: Vec<String>,
    /// BPF objects that outlived everything.
    leaked: Vec<String>,
    /// How many of them there were.
    objects: usize,
    /// What ended the run early.
    broken: Vec<String>,
}

/// One line of the table: a kind of fault at one interval.
#[derive(Default)]
struct Row {
    none: Vec<f64>,
    bound: f64,
    two: f64,
    excused: f64,
}

impl Report {
    pub(super) fn begin(options: &Options) -> Report {
        Report {
            run: Run::begin(),
            seed: options.seed,
            nodes: options.nodes,
            keepalived: options.keepalived,
            leases: !options.without_lease,
            allowance_ms: options.allowance.as_secs_f64() * 1e3,
            faults: Vec::new(),
            left: Vec::new(),
            leaked: Vec::new(),
            objects: 0,
            broken: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, verdict: Verdict) {
        self.faults.push(verdict);
    }

    pub(super) fn broke(&mut self, why: String) {
        self.broken.push(why);
    }

    pub(super) fn left(&mut self, left: Vec<String>) {
        self.left = left;
    }

    pub(super) fn leaked(&mut self, holdings: &Holdings) {
        self.leaked = holdings.leaked();
        self.objects = holdings.count();
    }

    fn is_good(&self) -> bool {
        let judged = !self.faults.is_empty() && self.faults.iter().all(|fault| fault.wrong.is_empty());
        judged && [&self.left, &self.leaked, &self.broken].into_iter().all(Vec::is_empty)
    }

    /// Prints and writes all; whether everything was as it must be.
    pub(super) fn finish(&self, options: &Options) -> Result<bool> {
        print!("{}", self.show());
        self.run.write(&options.results, NAME, self)?;
        println!("\n  raw results: {}", self.run.path(&options.results, NAME).display());
        Ok(self.is_good())
    }

    fn show(&self) -> String {
        let mut text = format!(
            "\n{} faults from seed {} on {} nodes{}{}; time without an answer in ms, an allowance of {} ms in every \
             bound\n\n  {:<16}{:>9}{:>5}{:>9}{:>9}{:>9}{:>11}{:>9}\n",
            self.faults.len(),
            self.seed,
            self.nodes,
            if self.keepalived { ", n2 keepalived" } else { "" },
            if self.leases { "" } else { ", without leases" },
            self.allowance_ms,
            "fault",
            "interval",
            "n",
            "median",
            "worst",
            "bound",
            "two at once",
            "excused"
        );
        for ((kind, interval), row) in self.rows() {
            let mut none = row.none;
            none.sort_by(f64::total_cmp);
            let median = none.get(none.len() / 2).copied().unwrap_or(f64::NAN);
            let worst = none.last().copied().unwrap_or(f64::NAN);
            let bound = row.bound + self.allowance_ms;
            let verdict = if worst <= bound && row.two == 0.0 { "ok" } else { "FAILED" };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  {kind:<16}{interval:>6} ms{:>5}{median:>9.1}{worst:>9.1}{bound:>9.1}{:>11.1}{:>9.1}   {verdict}",
                none.len(),
                row.two,
                row.excused
            );
        }
        text.push('\n');
        self.summary(&mut text);
        text
    }

    fn summary(&self, text: &mut String) {
        let seen = || self.faults.iter().flat_map(|fault| &fault.seen);
        let two: f64 = seen().map(|seen| seen.two_ms).sum();
        let excused: f64 = seen().map(|seen| seen.two_excused_ms).sum();
        let wrong: Vec<&String> = self.faults.iter().flat_map(|fault| &fault.wrong).collect();
        let late: usize = self.faults.iter().map(|fault| fault.late.len()).sum();
        let stall = self.faults.iter().map(|fault| fault.stall_ms).fold(0.0, f64::max);
        let uncaused = wrong.iter().filter(|line| line.starts_with("without a cause")).count();
        let _ = writeln!(
            text,
            "  two answered for {two:.1} ms (and {excused:.1} ms within the exceptions), {uncaused} transitions without a \
             cause\n  and {late} that lateness within the allowance explains (the witness was kept waiting for {stall:.1} ms \
             at most),\n  {} things left behind on hosts, {} of {} BPF objects leaked",
            self.left.len(),
            self.leaked.len(),
            self.objects
        );
        for line in wrong.into_iter().chain(&self.left).chain(&self.leaked).chain(&self.broken) {
            let _ = writeln!(text, "  WRONG {line}");
        }
        let verdict =
            if self.is_good() { "Never two, and never none for longer than explained." } else { "FAILED" };
        let _ = writeln!(text, "\n  {verdict}");
    }

    /// By kind and interval in whole milliseconds: routers whose service a fault was to disturb.
    fn rows(&self) -> BTreeMap<(Kind, u64), Row> {
        let mut rows: BTreeMap<(Kind, u64), Row> = BTreeMap::new();
        for fault in &self.faults {
            for seen in fault.seen.iter().filter(|seen| seen.concerned || seen.two_ms > 0.0) {
                let Seen { interval_ms, none_ms, bound_ms, two_ms, two_excused_ms, .. } = *seen;
                let interval = std::time::Duration::from_secs_f64(interval_ms / 1e3).as_millis();
                let key = (fault.fault.kind, u64::try_from(interval).unwrap_or(u64::MAX));
                let row = rows.entry(key).or_default();
                row.none.push(none_ms);
                row.bound = row.bound.max(bound_ms);
                row.two += two_ms;
                row.excused += two_excused_ms;
            }
        }
        rows
    }
}
