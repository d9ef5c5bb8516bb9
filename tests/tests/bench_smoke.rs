//! One failover of each kind through the bench, so that a broken bench is not found when numbers are wanted.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::process::Command;

use serde_json::Value;
use vipward_tests::lab::{Lab, vipward};

#[test]
#[ignore = "judges times, which a busy machine spoils: run with --ignored before a release"]
fn the_bench_brings_a_value_of_each_contender() {
    let lab = Lab::new().unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_vipward-bench"));
    bench.args(["one-10ms", "--rounds", "1", "--contenders", "xdp,keepalived", "--results"]).arg(lab.dir());
    let output = bench.env("VIPWARD_BIN", vipward::binary().unwrap()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("vipward xdp") && text.contains("goals m"), "{text}");

    let files = fs::read_dir(lab.dir()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    let [file] = &files[..] else { panic!("one file of raw numbers: {files:?}") };
    let json: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let scenarios = json["scenarios"].as_array().unwrap();
    let names: Vec<&str> = scenarios.iter().map(|scenario| scenario["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one-10ms", "one-10ms-killed"]);
    for scenario in scenarios {
        assert_eq!(scenario["failures"], Value::Array(Vec::new()), "{text}");
        for metric in scenario["metrics"].as_array().unwrap() {
            let samples = metric["samples"].as_array().unwrap();
            let counts: Vec<usize> =
                samples.iter().map(|sample| sample["values"].as_array().unwrap().len()).collect();
            assert_eq!(counts, [1, 1], "{text}");
            assert!(!metric["verdicts"].as_array().unwrap().is_empty(), "{text}");
        }
    }
}
