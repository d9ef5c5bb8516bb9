//! `vipward template` as people run it.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::fs;
use std::process::{Command, Output};

/// Runs the verb in a folder with these files.
fn run(files: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let binary = env!("CARGO_BIN_EXE_vipward");
    Command::new(binary).arg("template").args(arguments).current_dir(folder.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_template_is_printed_with_the_keys_below_the_prefix() {
    let files = [
        ("a.tmpl", "{{getv \"/name\"}}:{{range getvs \"/up/*\"}} {{.}}{{end}}\n"),
        ("a.hbs", "{{getv \"/name\"}}:{{#each (getvs \"/up/*\")}} {{this}}{{/each}}\n"),
        (
            "keys.json",
            "{\"/web/name\": \"n\", \"web\": {\"up\": {\"a\": 1, \"b\": true}}, \"/other\": \"x\"}",
        ),
    ];
    for file in ["a.tmpl", "./a.hbs"] {
        let done = run(&files, &[file, "--keys", "keys.json", "--prefix", "/web"]);
        assert_eq!((text(&done.stdout), text(&done.stderr)), ("n: 1 true\n", ""));
        assert_eq!(done.status.code(), Some(0));
    }
}

#[test]
fn what_is_wrong_is_said_with_file_and_line_and_exit_1() {
    for (files, arguments, said) in [
        (vec![("a.tmpl", "\n{{end}}")], vec!["a.tmpl"], "a.tmpl:2: "),
        (vec![("a.hbs", "\n{{getv \"/x\"}}")], vec!["a.hbs"], "a.hbs:2: "),
        (vec![("a.tmpl", ""), ("k", "{\n\"a\": }")], vec!["a.tmpl", "--keys", "k"], "k:2: "),
        (vec![("a.tmpl", ""), ("k", "[]")], vec!["a.tmpl", "--keys", "k"], "k:1: "),
        (vec![], vec!["none.tmpl"], "none.tmpl:1: "),
        (vec![("a.tmpl", "")], vec!["a.tmpl", "--keys", "none"], "none: "),
    ] {
        let done = run(&files, &arguments);
        let error = text(&done.stderr);
        assert!(error.trim_start_matches("./").starts_with(said), "{error}");
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(1), ""));
    }
}
