//! A short run of the chaos harness with a fixed seed, and the proof that it finds what it looks for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::fs;
use std::process::Command;

use serde_json::Value;
use vipward_tests::lab::{Lab, vipward};

/// What a machine that builds and tests at the same time may add to a time without an answer, in milliseconds. That
/// nobody ever sees two answer needs no allowance.
const ALLOWANCE: &str = "1000";

/// Runs it; whether everything was as it must be, what it printed, and its raw results.
fn chaos(args: &[&str]) -> (bool, String, Value) {
    let lab = Lab::new().unwrap();
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_vipward-chaos"));
    chaos.args(["--allowance", ALLOWANCE, "--results"]).arg(lab.dir()).args(args);
    let output =
        chaos.env("VIPWARD_BIN", fs::canonicalize(vipward::binary().unwrap()).unwrap()).output().unwrap();
    let text = [output.stderr, output.stdout].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let files = fs::read_dir(lab.dir()).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "json"));
    let json = fs::read_to_string(file.unwrap_or_else(|| panic!("no results: {text}"))).unwrap();
    (output.status.success(), text, serde_json::from_str(&json).unwrap())
}

#[test]
fn a_minute_of_faults_never_shows_two_that_answer() {
    let (good, text, json) = chaos(&["--seconds", "60", "--seed", "1"]);
    assert!(good, "{text}");
    let faults = json["faults"].as_array().unwrap();
    assert!(faults.len() >= 5, "{text}");
    assert!(json["objects"].as_u64().unwrap() > 10, "{text}");
}

/// Without leases a frozen master goes on answering, and the run must say so.
#[test]
fn without_leases_it_finds_two_that_answer() {
    let (good, text, json) = chaos(&["--faults", "2", "--only", "freeze", "--seed", "1", "--lease", "off"]);
    assert!(!good, "{text}");
    let two = |seen: &Value| seen["two_ms"].as_f64().unwrap() > 100.0;
    let faults = json["faults"].as_array().unwrap();
    assert!(faults.iter().flat_map(|fault| fault["seen"].as_array().unwrap()).any(two), "{text}");
    assert!(text.contains("WRONG") && text.contains("n1 and n2"), "{text}");
}
