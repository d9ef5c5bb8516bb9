//! Files of the package that other programs read, put before those programs.
#![allow(clippy::expect_used, reason = "these are tests")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn promtool(arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/prometheus");
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    let output = output.expect("promtool is there (package prometheus)");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_takes_the_alerts() {
    promtool(&["check", "rules", "--lint=all", "alerts.yml"]);
}

#[test]
fn each_alert_fires_on_its_fault_and_at_no_other() {
    promtool(&["test", "rules", "alerts.test.yml"]);
}

/// Each query of the dashboard as a rule, for promtool to read.
#[test]
fn prometheus_understands_the_dashboard() {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../packaging/grafana/vipward.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("a query")).collect();
    assert!(queries.len() > panels.len() / 2, "{} queries", queries.len());
    let rules: Vec<Value> = queries
        .iter()
        .enumerate()
        // The variable stands for a time that Grafana puts in.
        .map(|(number, query)| json!({ "record": format!("query:{number}"), "expr": query.replace("$__rate_interval", "5m") }))
        .collect();
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    // JSON is YAML.
    std::fs::write(&file, json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string())
        .expect("written");
    promtool(&["check", "rules", &file.path().display().to_string()]);
}
