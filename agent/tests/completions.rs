//! `vipward completions` as a package or a user runs it.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vipward")).args(arguments).output().unwrap()
}

#[test]
fn shells_learn_verbs_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in
            ["unfence", "nginx-check", "datapath", "xdp-generic", "doctor", "monitor", "log-level", "listen"]
        {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    assert_eq!(run(&["completions", "dos"]).status.code(), Some(2));
}
