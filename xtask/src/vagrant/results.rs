//! What `demo.sh --report` says for programs, and whether it is as it should be: the script's own verdicts are not taken on
//! trust.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

/// All results.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// What is allowed on top of a bound, in milliseconds.
    pub(super) margin: u64,
    pub(super) rows: Vec<Row>,
}

/// One VIP after one step, or one check.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) step: String,
    pub(super) title: String,
    pub(super) vip: String,
    /// States of n1 and n2.
    pub(super) states: [String; 2],
    /// Who answered the client, one after the other.
    pub(super) path: String,
    /// Milliseconds; nothing where no gap is judged.
    pub(super) gap: Option<u64>,
    pub(super) bound: Option<u64>,
    /// For how long of the excess the machines had no time.
    pub(super) stalled: u64,
    pub(super) verdict: String,
    pub(super) note: String,
}

/// Whether a line is not meant for people.
pub(super) fn is_for_programs(line: &str) -> bool {
    line.starts_with("result\t") || line.starts_with("margin\t")
}

impl Results {
    /// Reads them out of everything that was printed.
    pub(super) fn read(text: &str) -> Result<Results> {
        let mut results = Results::default();
        let mut margin = None;
        for line in text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| is_for_programs(line))
        {
            if let Some(number) = line.strip_prefix("margin\t") {
                margin = Some(number.parse().with_context(|| format!("not understood: {line}"))?);
            } else {
                results.rows.push(Row::read(line).with_context(|| format!("not understood: {line}"))?);
            }
        }
        results.margin = margin.context("the demonstration did not come to its end: it reported nothing")?;
        Ok(results)
    }

    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Everything that is not as it should be.
    pub(super) fn wrong(&self, expected: &BTreeSet<String>) -> Vec<String> {
        let found: BTreeSet<&str> = self.rows.iter().map(|row| row.step.as_str()).collect();
        let missing = expected.iter().filter(|step| !found.contains(step.as_str()));
        let missing = missing.map(|step| format!("{step}: no result"));
        let wrong = self.rows.iter().filter_map(|row| {
            let why = row.wrong(self.margin)?;
            Some(format!("{} {}: {why}", row.step, row.vip))
        });
        missing.chain(wrong).collect()
    }
}

impl Row {
    fn read(line: &str) -> Result<Row> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, step, title, vip, n1, n2, path, gap, bound, stalled, verdict, note] = fields[..] else {
            bail!("{} fields in place of 12", fields.len());
        };
        let optional = |text: &str| if text == "-" { Ok(None) } else { text.parse().map(Some) };
        Ok(Row {
            step: step.to_owned(),
            title: title.to_owned(),
            vip: vip.to_owned(),
            states: [n1.to_owned(), n2.to_owned()],
            path: path.to_owned(),
            gap: optional(gap)?,
            bound: optional(bound)?,
            stalled: stalled.parse()?,
            verdict: verdict.to_owned(),
            note: note.to_owned(),
        })
    }

    /// Why it is not as it should be.
    fn wrong(&self, margin: u64) -> Option<String> {
        if self.verdict != "ok" {
            return Some(self.verdict.clone());
        }
        match (self.gap, self.bound) {
            (Some(gap), Some(bound)) if gap > bound + margin + self.stalled => {
                Some(format!("{gap} ms, and the bound is {bound} ms"))
            }
            (Some(_), None) | (None, Some(_)) => Some("a gap without a bound, or the reverse".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "  noise\nresult\tcut\tthe link of n1 is cut\tWEB\tFAULT\tMASTER\tn1>n2\t3580\t3609\t0\tok\t\r\n\
        result\tscrape\tone curl\t-\t-\t-\t-\t-\t-\t0\tok\t4 states\nmargin\t250\n";

    fn expected(steps: &[&str]) -> BTreeSet<String> {
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    #[test]
    fn good_results_are_good() {
        let results = Results::read(TEXT).unwrap();
        assert_eq!(results.count(), 2);
        assert_eq!((results.rows[0].gap, results.rows[0].bound), (Some(3580), Some(3609)));
        assert_eq!(results.rows[1].note, "4 states");
        assert_eq!(results.wrong(&expected(&["cut", "scrape"])), Vec::<String>::new());
    }

    #[test]
    fn a_step_without_a_result_is_wrong() {
        let results = Results::read(TEXT).unwrap();
        assert_eq!(results.wrong(&expected(&["cut", "halt"])), ["halt: no result"]);
    }

    #[test]
    fn a_gap_is_judged_again() {
        let long = TEXT.replace("3580", "3860");
        let wrong = Results::read(&long).unwrap().wrong(&expected(&[]));
        assert_eq!(wrong, ["cut WEB: 3860 ms, and the bound is 3609 ms"]);
        let excused = long.replace("\t0\tok\t\r", "\t1\tok\t\r");
        assert_eq!(Results::read(&excused).unwrap().wrong(&expected(&[])), Vec::<String>::new());
    }

    #[test]
    fn what_the_script_finds_wrong_is_wrong() {
        let bad = TEXT.replace("0\tok\t4", "0\tnot so\t4");
        assert_eq!(Results::read(&bad).unwrap().wrong(&expected(&[])), ["scrape -: not so"]);
    }

    #[test]
    fn a_report_that_was_cut_off_is_an_error() {
        assert!(Results::read(TEXT.split("margin").next().unwrap()).is_err());
        assert!(Results::read("result\tcut\tWEB\nmargin\t1\n").is_err());
    }
}
