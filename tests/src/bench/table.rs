//! Outcomes as text: one block per metric, one line per contender, its goals beside it.

use std::fmt::Write;

use super::outcome::{Metric, Outcome, Side, Statistic, Verdict};

/// The whole outcome.
pub(super) fn show(outcome: &Outcome) -> String {
    let mut text = format!("\n{}: {}", outcome.name, outcome.title);
    // Writing to a String cannot fail.
    if let Some(down) = outcome.master_down_ms {
        let _ = write!(text, "; Master_Down_Interval {down:.2} ms");
    }
    if let [Some(before), Some(after)] = outcome.load {
        let _ = write!(text, "; load {before:.1} to {after:.1}");
    }
    text.push('\n');
    for metric in &outcome.metrics {
        block(&mut text, metric);
    }
    let failures = outcome.failures.iter().map(|failure| format!("{}: {}", failure.contender, failure.why));
    remarks(&mut text, "FAILED", failures.collect());
    remarks(&mut text, "note", outcome.notes.clone());
    text
}

/// Each remark once, with how often it was made.
fn remarks(text: &mut String, kind: &str, mut remarks: Vec<String>) {
    remarks.sort();
    for same in remarks.chunk_by(|a, b| a == b) {
        if let Some(remark) = same.first() {
            let times = if same.len() > 1 { format!(" ({} times)", same.len()) } else { String::new() };
            let _ = writeln!(text, "\n  {kind}: {remark}{times}");
        }
    }
}

fn block(text: &mut String, metric: &Metric) {
    let title = format!("{}, {}", metric.name, metric.unit);
    let _ = writeln!(text, "\n  {title:<44}    n       min    median       p95       max");
    for sample in &metric.samples {
        let _ = write!(text, "    {:<42}", sample.contender.to_string());
        match metric.summary(sample.contender) {
            None => text.push_str(" nothing measured"),
            Some(s) => {
                let numbers = [s.min, s.median, s.p95, s.max].map(|value| format!("{value:>10.2}")).concat();
                let _ = write!(text, "{:>7}{numbers}", s.count);
            }
        }
        for verdict in metric.verdicts.iter().filter(|verdict| verdict.contender == sample.contender) {
            let _ = write!(text, "   {}", goal(verdict));
        }
        text.push('\n');
    }
}

fn goal(verdict: &Verdict) -> String {
    let statistic = match verdict.statistic {
        Statistic::Median => "median",
        Statistic::P95 => "p95",
        Statistic::Min => "min",
    };
    let sign = match verdict.side {
        Side::AtMost => '≤',
        Side::AtLeast => '≥',
    };
    let noise = verdict.noise.map(|noise| format!(" ± {noise:.2}")).unwrap_or_default();
    let word = match (verdict.met, verdict.missing) {
        (true, _) => "met".to_owned(),
        (false, 0) => "MISSED".to_owned(),
        (false, missing) => format!("MISSED ({missing} not measured)"),
    };
    format!("{statistic} {sign} {:.2}{noise} {word}", verdict.limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::contender::Contender;
    use crate::bench::outcome::Failure;

    #[test]
    fn goals_stand_beside_their_values() {
        let mut gap = Metric::new("gap", "ms", &Contender::ALL, 1);
        gap.add(Contender::Keepalived, 33.2);
        gap.add(Contender::Xdp, 31.5);
        gap.add(Contender::Socket, 41.0);
        gap.at_most(Statistic::P95, 38.0, Contender::is_vipward);
        let outcome = Outcome {
            name: "one",
            title: "a test".to_owned(),
            metrics: vec![gap],
            failures: vec![Failure { contender: Contender::Xdp, why: "no takeover".to_owned() }],
            notes: vec!["twice".to_owned(), "twice".to_owned()],
            ..Outcome::default()
        };
        let text = show(&outcome);
        let line = |word: &str| text.lines().find(|line| line.contains(word)).unwrap().to_owned();
        assert!(line("vipward xdp ").ends_with("31.50   p95 ≤ 38.00 met"), "{text}");
        assert!(line("vipward socket").ends_with("41.00   p95 ≤ 38.00 MISSED"), "{text}");
        assert!(line("keepalived  ").ends_with("33.20"), "{text}");
        assert!(
            line("xdp-generic").ends_with("nothing measured   p95 ≤ 38.00 MISSED (1 not measured)"),
            "{text}"
        );
        assert!(line("FAILED").ends_with("vipward xdp: no takeover"), "{text}");
        assert!(line("note").ends_with("twice (2 times)"), "{text}");
    }
}
