//! What a run of all scenarios found out: its raw numbers, and its last words.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use super::Options;
use super::outcome::Outcome;
use super::record::Run;

/// Everything that a run found out.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(skip)]
    run: Run,
    quick: bool,
    scenarios: Vec<Outcome>,
}

impl Report {
    pub(super) fn begin(options: &Options) -> Report {
        Report { run: Run::begin(), quick: options.quick, scenarios: Vec::new() }
    }

    /// Adds an outcome, and writes all so far: whatever ends the run, what was measured is kept.
    pub(super) fn add(&mut self, outcome: Outcome, options: &Options) -> Result<()> {
        self.scenarios.push(outcome);
        self.run.write(&options.results, options.suite.name(), self)
    }

    /// Says which goals were missed, and where the raw numbers are.
    pub(super) fn finish(&self, options: &Options) {
        println!("\n{}", self.tally());
        println!("raw numbers: {}", self.run.path(&options.results, options.suite.name()).display());
    }

    /// A goal is every verdict, and that no round of a contender with goals fails.
    fn tally(&self) -> String {
        let mut count = 0;
        let mut missed = Vec::new();
        for outcome in &self.scenarios {
            let name = outcome.name;
            for metric in &outcome.metrics {
                count += metric.verdicts.len();
                for verdict in metric.verdicts.iter().filter(|verdict| !verdict.met) {
                    let (what, who) = (&metric.name, verdict.contender);
                    let missing = match verdict.missing {
                        0 => String::new(),
                        some => format!(", {some} of {} not measured", metric.wanted),
                    };
                    let (value, limit) = (verdict.value, verdict.limit);
                    missed.push(format!("\n  {name}: {what} of {who}: {value:.2}, goal {limit:.2}{missing}"));
                }
            }
            for failure in outcome.failures.iter().filter(|failure| failure.contender.is_vipward()) {
                count += 1;
                missed.push(format!("\n  {name}: {}: {}", failure.contender, failure.why));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::outcome::{Failure, Metric, Statistic};
    use crate::bench::{Contender, Suite};

    fn report(metrics: Vec<Metric>, failures: Vec<Failure>) -> Report {
        let outcome = Outcome { name: "one", metrics, failures, ..Outcome::default() };
        Report { run: Run::begin(), quick: false, scenarios: vec![outcome] }
    }

    fn gap(values: &[f64]) -> Metric {
        let mut gap = Metric::new("gap", "ms", &[Contender::Xdp], 2);
        for value in values {
            gap.add(Contender::Xdp, *value);
        }
        gap.at_most(Statistic::Median, 2.0, Contender::is_vipward);
        gap
    }

    fn failure(contender: Contender) -> Failure {
        Failure { contender, why: "took over from a living master".to_owned() }
    }

    #[test]
    fn what_was_not_measured_or_failed_is_not_met() {
        assert_eq!(report(vec![gap(&[1.0, 1.0])], vec![]).tally(), "all 1 goals met");
        let of_keepalived = vec![failure(Contender::Keepalived)];
        assert_eq!(report(vec![gap(&[1.0, 1.0])], of_keepalived).tally(), "all 1 goals met");
        let expected = "1 of 1 goals missed:\n  one: gap of vipward xdp: NaN, goal 2.00, 2 of 2 not measured";
        assert_eq!(report(vec![gap(&[])], vec![]).tally(), expected);
        let expected = "1 of 2 goals missed:\n  one: vipward xdp: took over from a living master";
        assert_eq!(report(vec![gap(&[1.0, 1.0])], vec![failure(Contender::Xdp)]).tally(), expected);
    }

    #[test]
    fn the_file_holds_what_was_measured_so_far() {
        let folder = std::env::temp_dir().join(format!("vipward-report-{}", std::process::id()));
        let options = Options {
            suite: Suite::Failover,
            quick: true,
            rounds: None,
            only: Vec::new(),
            contenders: vec![Contender::Xdp],
            results: folder.clone(),
        };
        let mut report = Report::begin(&options);
        report.add(Outcome { name: "one", metrics: vec![gap(&[])], ..Outcome::default() }, &options).unwrap();
        let text = fs::read_to_string(report.run.path(&folder, Suite::Failover.name())).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["scenarios"][0]["name"], "one");
        assert_eq!(json["quick"], true);
        assert!(
            json["begun"].is_u64() && json["scenarios"][0]["metrics"][0]["verdicts"][0]["value"].is_null()
        );
    }
}
