//! `cargo xtask bench config`: what reading and checking a configuration takes by its size, and how long a start with
//! a thousand routers takes; vipward and keepalived in turns, on the same files.

mod check;
mod start;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::record::Run;
use super::stats::Summary;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ConfigOptions {
    /// Runs of each contender at each size, and starts.
    pub rounds: usize,
    /// Folder of the raw numbers.
    pub results: PathBuf,
}

/// One contender in one task.
#[derive(Debug, Serialize)]
struct Measured {
    task: String,
    contender: &'static str,
    unit: &'static str,
    /// Empty if it did not finish; then `why` says more.
    values: Vec<f64>,
    why: Option<String>,
    goal: Option<Goal>,
}

/// What the median is to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Goal {
    Below(f64),
    AtLeast(f64),
}

impl Goal {
    /// Not a number meets no goal.
    fn met_by(self, value: f64) -> bool {
        match self {
            Goal::Below(limit) => value < limit,
            Goal::AtLeast(limit) => value >= limit,
        }
    }
}

#[derive(Serialize)]
struct Report {
    tasks: Vec<Measured>,
}

/// Measures, prints a table and writes the raw numbers. Missed goals are printed and are no failure.
pub fn run(options: &ConfigOptions) -> Result<()> {
    let run = Run::begin();
    let mut measured = check::measure(options.rounds)?;
    measured.extend(start::measure(options.rounds)?);
    print!("{}", table(&measured));
    run.write(&options.results, "config", &Report { tasks: measured })?;
    println!("raw numbers: {}", run.path(&options.results, "config").display());
    Ok(())
}

fn table(all: &[Measured]) -> String {
    let mut text = String::from(
        "\n  task                                    who           n       min    median       max\n",
    );
    for Measured { task, contender, unit, values, why, goal } in all {
        let summary = Summary::of(values);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  {:<40}{contender:<12}{:>3}{:>10.1}{:>10.1}{:>10.1}",
            format!("{task}, {unit}"),
            summary.count,
            summary.min,
            summary.median,
            summary.max
        );
        if let Some(goal) = goal {
            let met = if goal.met_by(summary.median) { "met" } else { "MISSED" };
            let (sign, limit) = match goal {
                Goal::Below(limit) => ('<', limit),
                Goal::AtLeast(limit) => ('≥', limit),
            };
            let _ = write!(text, "   median {sign} {limit:.0} {met}");
        }
        if let Some(why) = why {
            let _ = write!(text, "   {why}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(values: Vec<f64>, goal: Option<Goal>) -> Measured {
        Measured { task: "check 10".to_owned(), contender: "vipward", unit: "ms", values, why: None, goal }
    }

    #[test]
    fn goals_are_judged_by_the_median() {
        let row = |values, goal| table(&[measured(values, Some(goal))]);
        assert!(row(vec![1.0, 2.0, 9.0], Goal::Below(5.0)).ends_with("median < 5 met\n"));
        assert!(row(vec![5.0], Goal::Below(5.0)).ends_with("MISSED\n"));
        assert!(row(vec![5.0], Goal::AtLeast(5.0)).ends_with("median ≥ 5 met\n"));
        assert!(row(Vec::new(), Goal::AtLeast(5.0)).ends_with("MISSED\n"), "nothing was measured");
    }
}
