//! The page: what was missed, then every number.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::read::{Goal, Kind, Metric, Record, Rendered, Scenario, Task, Verdict, shown};
use crate::bench::stats::Summary;

const HEAD: &str = "# Benchmarks\n\n\
    Written by `cargo xtask bench publish` from the raw numbers of the benches, which run vipward and keepalived (Debian's, \
    as configured by default, and with `vrrp_rt_priority 50`) on the same topology of network namespaces, in the same run, \
    taking turns. What counts is read off the wire and off a client's probes. Compare the columns of one table, not those of \
    different days: the machine is virtual, has few CPUs, and both routers, the client and the observer share them.\n";

/// The page as it grows.
#[derive(Default)]
pub(super) struct Page {
    missed: Vec<String>,
    body: String,
}

impl Page {
    /// A bench of which there are no numbers.
    pub(super) fn absent(&mut self, bench: &str, about: &str) {
        self.write(format_args!("\n## {bench}: {about}\n\nIt was not run.\n"));
    }

    /// All numbers of a bench.
    pub(super) fn bench(&mut self, bench: &str, about: &str, record: &Record) {
        let begun = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(record.begun));
        let quick = if record.quick { " A quick look, no result." } else { "" };
        self.write(format_args!(
            "\n## {bench}: {about}\n\n{begun}, Linux {}, {} CPUs.{quick}\n",
            record.kernel, record.cpus
        ));
        for scenario in &record.scenarios {
            self.scenario(bench, scenario);
        }
        if let Some(bare) = &record.bare {
            self.packets(bare, &record.kinds);
        }
        if !record.tasks.is_empty() {
            self.tasks(&record.tasks);
        }
        if !record.measured.is_empty() {
            self.rendered(&record.measured);
        }
        self.missed.extend(record.missed.iter().map(|missed| format!("{bench}: {missed}")));
    }

    /// Puts a plot where its metric stands.
    pub(super) fn plot(&mut self, scenario: &str, number: usize, file: &str) {
        let (mark, image) = (mark(scenario, number), format!("![{scenario}]({file})\n"));
        self.body = self.body.replacen(&mark, &image, 1);
    }

    /// The page.
    pub(super) fn text(&self) -> String {
        let missed = match self.missed.len() {
            0 => "All goals that were measured are met.\n".to_owned(),
            some => format!(
                "{some} goals are missed:\n\n{}",
                self.missed.iter().fold(String::new(), |text, line| { text + "* " + line + "\n" })
            ),
        };
        let mut body: Vec<&str> = self.body.lines().filter(|line| !line.starts_with(MARK)).collect();
        body.dedup_by(|line, before| line.is_empty() && before.is_empty());
        format!("{HEAD}\n{missed}{}\n", body.join("\n"))
    }

    fn scenario(&mut self, bench: &str, scenario: &Scenario) {
        self.write(format_args!("\n### {}\n\n{}", scenario.name, scenario.title));
        if let Some(down) = scenario.master_down_ms {
            self.write(format_args!("; Master_Down_Interval {down:.2} ms"));
        }
        if let [Some(before), Some(after)] = scenario.load {
            self.write(format_args!("; load {before:.1} to {after:.1}"));
        }
        self.write(format_args!(".\n"));
        for (number, metric) in scenario.metrics.iter().enumerate() {
            self.metric(metric);
            self.write(format_args!("\n{}\n", mark(&scenario.name, number)));
            for verdict in metric.verdicts.iter().filter(|verdict| !verdict.met) {
                let line = format!(
                    "{bench}, {}: {} of {}: {}, goal {}",
                    scenario.name,
                    metric.name,
                    shown(&verdict.contender),
                    number_or_none(verdict.value),
                    goal(verdict)
                );
                self.missed.push(line);
            }
        }
        for failure in &scenario.failures {
            self.write(format_args!(
                "\n* failed: {}: {}",
                shown(&failure.contender),
                first_line(&failure.why)
            ));
            if shown(&failure.contender).starts_with("vipward") {
                self.missed.push(format!(
                    "{bench}, {}: {}: {}",
                    scenario.name,
                    shown(&failure.contender),
                    first_line(&failure.why)
                ));
            }
        }
        for note in &scenario.notes {
            self.write(format_args!("\n* {}", first_line(note)));
        }
        self.write(format_args!("\n"));
    }

    fn metric(&mut self, metric: &Metric) {
        let (name, unit) = (&metric.name, &metric.unit);
        self.write(format_args!(
            "\n| {name}, {unit} | n | min | median | p95 | max | goal |\n|---|--:|--:|--:|--:|--:|---|\n"
        ));
        for sample in &metric.samples {
            let numbers = sample.summary().map_or_else(
                || "0 | | | | ".to_owned(),
                |s| format!("{} | {:.2} | {:.2} | {:.2} | {:.2}", s.count, s.min, s.median, s.p95, s.max),
            );
            let of_it = metric.verdicts.iter().filter(|verdict| verdict.contender == sample.contender);
            let goals: Vec<String> = of_it
                .map(|verdict| {
                    format!("{} {}", goal(verdict), if verdict.met { "met" } else { "**missed**" })
                })
                .collect();
            self.write(format_args!("| {} | {numbers} | {} |\n", shown(&sample.contender), goals.join("; ")));
        }
    }

    fn packets(&mut self, bare: &Kind, kinds: &[Kind]) {
        let least = |kind: &Kind| Summary::of(&kind.ns).min;
        self.write(format_args!(
            "\nBy BPF_PROG_TEST_RUN; the best of {} runs, for others on the machine only add.\n\n\
             | packet | ns | above an empty program | goal |\n|---|--:|--:|---|\n",
            bare.ns.len()
        ));
        for kind in std::iter::once(bare).chain(kinds) {
            let above = least(kind) - least(bare);
            let goal = kind.goal.map_or_else(String::new, |goal| {
                if above <= goal {
                    return format!("at most {goal:.0} met");
                }
                self.missed.push(format!(
                    "packets: {}: {above:.0} ns above an empty program, goal {goal:.0}",
                    kind.name
                ));
                format!("at most {goal:.0} **missed**")
            });
            self.write(format_args!("| {} | {:.0} | {above:.0} | {goal} |\n", kind.name, least(kind)));
        }
    }

    fn tasks(&mut self, tasks: &[Task]) {
        self.write(format_args!(
            "\n| task | who | n | min | median | max | goal |\n|---|---|--:|--:|--:|--:|---|\n"
        ));
        for Task { name: task, contender, unit, values, why, goal } in tasks {
            let s = Summary::of(values);
            let numbers = match (values.len(), why) {
                (0, Some(why)) => format!("0 | | {} | ", first_line(why)),
                (0, None) => "0 | | | ".to_owned(),
                (count, _) => format!("{count} | {:.1} | {:.1} | {:.1}", s.min, s.median, s.max),
            };
            let goal = goal.map_or_else(String::new, |goal| {
                let (sign, limit, met) = match goal {
                    Goal::Below(limit) => ('<', limit, s.median < limit),
                    Goal::AtLeast(limit) => ('≥', limit, s.median >= limit),
                };
                if met {
                    return format!("median {sign} {limit:.0} met");
                }
                self.missed.push(format!(
                    "config: {task} of {contender}: {:.1} {unit}, goal {sign} {limit:.0}",
                    s.median
                ));
                format!("median {sign} {limit:.0} **missed**")
            });
            self.write(format_args!("| {task}, {unit} | {contender} | {numbers} | {goal} |\n"));
        }
    }

    fn rendered(&mut self, measured: &[Rendered]) {
        self.write(format_args!(
            "\n| keys | who | put to file, p50 ms | p95 | of it the put, p50 | CPU per update, ms | resident, MiB | idle CPU |\n\
             |--:|---|--:|--:|--:|--:|--:|--:|\n"
        ));
        for one in measured {
            let (seen, put) = (Summary::of(&one.latency_ms), Summary::of(&one.put_ms));
            let idle = one.idle_cpu_percent.map_or_else(String::new, |idle| format!("{idle:.2} %"));
            self.write(format_args!(
                "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {idle} |\n",
                one.keys,
                one.contender,
                seen.median,
                seen.p95,
                put.median,
                one.cpu_ms_per_update,
                one.resident_mib
            ));
        }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(text);
    }
}

const MARK: &str = "<!-- plot ";

/// Where a metric's plot goes.
fn mark(scenario: &str, number: usize) -> String {
    format!("{MARK}{scenario} {number} -->")
}

fn goal(verdict: &Verdict) -> String {
    let sign = if verdict.side == "at-most" { "≤" } else { "≥" };
    let noise = verdict.noise.map_or_else(String::new, |noise| format!(" ± {noise:.2}"));
    format!("{} {sign} {}{noise}", verdict.statistic, number_or_none(verdict.limit))
}

fn number_or_none(number: Option<f64>) -> String {
    number.map_or_else(|| "nothing measured".to_owned(), |number| format!("{number:.2}"))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
