//! What is shipped for Prometheus and Grafana uses only metrics that there are.

use std::collections::BTreeSet;

use super::tree::{File, Finding, Tree};

/// The list of all metrics, which a test of the agent compares with what it serves.
const LIST: &str = "docs/metrics.md";
/// Folders of what uses them.
const USERS: [&str; 2] = ["packaging/prometheus/", "packaging/grafana/"];
/// How names of metrics begin.
const PREFIX: &str = "vipward_";
/// What Prometheus puts behind the names of histograms.
const HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Metrics in rules and dashboards that are not in the list.
pub(super) fn known(tree: &Tree) -> Vec<Finding> {
    let users: Vec<&File> =
        tree.files.iter().filter(|file| USERS.iter().any(|user| file.path.starts_with(user))).collect();
    // Without a list the agent's test fails.
    let Some(list) = tree.get(LIST) else { return Vec::new() };
    let listed: BTreeSet<&str> = list.text.lines().flat_map(names).collect();
    let mut findings = Vec::new();
    for file in users {
        for (number, line) in file.text.lines().enumerate() {
            let unknown = names(line).filter(|name| !is_listed(&listed, name));
            findings.extend(unknown.map(|name| file.finding(number + 1, format!("{name} is not in {LIST}"))));
        }
    }
    findings
}

fn is_listed(listed: &BTreeSet<&str>, name: &str) -> bool {
    let histogram = HISTOGRAM.iter().find_map(|end| name.strip_suffix(end));
    listed.contains(name) || histogram.is_some_and(|name| listed.contains(name))
}

/// The names of metrics in a line.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample::{shown, tree};
    use super::*;

    #[test]
    fn rules_and_dashboards_use_what_there_is() {
        let found = shown(&known(&tree(&[
            (LIST, "| `vipward_up` |\n| `vipward_late_seconds` | a histogram |\n"),
            (
                "packaging/prometheus/alerts.yml",
                "expr: vipward_up == 0\nexpr: rate(vipward_down_total[5m])\n",
            ),
            ("packaging/grafana/a.json", "\"expr\": \"vipward_late_seconds_bucket{x=\\\"vipward\\\"}\"\n"),
            ("README.md", "vipward_peers"),
        ])));
        assert_eq!(
            found,
            ["packaging/prometheus/alerts.yml:2: vipward_down_total is not in docs/metrics.md"]
        );
    }
}
