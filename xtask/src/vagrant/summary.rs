//! Results as docs/vagrant.md has them.

use std::fmt::Write;

use super::results::Results;

/// A table in Markdown.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = String::from(
        "| what happens | VIP | n1 | n2 | client | gap | bound | result |\n|---|---|---|---|---|---:|---:|---|\n",
    );
    let mut step = "";
    for row in &results.rows {
        let title = if row.step == step { "" } else { &row.title };
        step = &row.step;
        let gap = row.gap.map_or_else(String::new, |gap| format!("{gap} ms"));
        let bound = match row.bound {
            None => String::new(),
            Some(0) => "no gap".to_owned(),
            Some(bound) => format!("{bound} ms"),
        };
        let stalled = (row.stalled > 0).then(|| format!("the machines stalled for {} ms", row.stalled));
        let remarks: Vec<&str> =
            [stalled.as_deref(), Some(&row.note).filter(|note| !note.is_empty()).map(String::as_str)]
                .into_iter()
                .flatten()
                .collect();
        let mut result = row.verdict.clone();
        if !remarks.is_empty() {
            let _ = write!(result, " ({})", remarks.join(", "));
        }
        let cells = [title, &row.vip, &row.states[0], &row.states[1], &row.path, &gap, &bound, &result];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_named_once_and_remarks_follow_the_verdict() {
        let report = "result\tcut\tthe link is cut\tWEB\tFAULT\tMASTER\tn1>n2\t3900\t3609\t41\tok\t\n\
            result\tcut\t\tWEB6\tFAULT\tMASTER\tn1>n2\t20\t0\t0\tok\ta | b\n\
            result\tscrape\tone curl\t-\t-\t-\t-\t-\t-\t0\tok\t\nmargin\t250\n";
        let text = markdown(&Results::read(report).unwrap());
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| the link is cut | WEB | FAULT | MASTER | n1>n2 | 3900 ms | 3609 ms | ok (the machines stalled for 41 ms) |",
                "|  | WEB6 | FAULT | MASTER | n1>n2 | 20 ms | no gap | ok (a \\| b) |",
                "| one curl | - | - | - | - |  |  | ok |",
            ]
        );
    }
}
