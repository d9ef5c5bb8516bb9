//! What people do first: `cargo xtask run`, to its end twice in a row, and ended by Ctrl-C in the middle.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vipward_tests::lab::{vipward, wait};

/// How long a lab may take to go away.
const LIMIT: Duration = Duration::from_secs(20);
/// Exit code after SIGINT, as shells count it.
const INTERRUPTED: i32 = 130;

/// A running `xtask run`. Dropping it ends it; the lab's guardian cleans up.
struct Run(Child);

impl Run {
    fn start(args: &[&str]) -> (Run, BufReader<ChildStdout>) {
        // This test's binary is in the folder `deps` beside it.
        let xtask = env::current_exe().unwrap().parent().unwrap().with_file_name("xtask");
        assert!(xtask.exists(), "there is no {}: cargo build -p xtask", xtask.display());
        let mut command = Command::new(xtask);
        command.arg("run").args(args).env("VIPWARD_BIN", vipward::binary().unwrap());
        // A group of its own, so that a signal to it is none to us.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        (Run(child), output)
    }

    /// What carries its process id on this machine.
    fn left(&self) -> Vec<PathBuf> {
        let prefix = format!("vw{}-", self.0.id());
        let folders = ["/run", "/run/netns"].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
        let entries = folders
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)));
        entries.map(|entry| entry.path()).collect()
    }

    fn leaves_nothing(&self) {
        let gone = wait::until("the lab to be gone", LIMIT, || self.left().is_empty());
        assert!(gone.is_ok(), "left behind: {:?}", self.left());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn plays_to_its_end(more: &[&str]) {
    let (mut run, output) = Run::start(&[&["--once"], more].concat());
    let lines: Vec<String> = output.lines().map(Result::unwrap).collect();
    let text = lines.join("\n");
    assert_eq!(run.0.wait().unwrap().code(), Some(0), "{text}");
    run.leaves_nothing();
    // Two scenes of six events, one row for each VIP, and nothing but good ones.
    let rows: Vec<&String> = lines.iter().filter(|line| line.contains(" 10.77.0.10")).collect();
    assert_eq!(rows.len(), 6 + 12, "{text}");
    for event in [
        "both nodes start",
        "a key is changed",
        "nginx stops on n1",
        "nginx is back on n1",
        "is cut",
        "is back",
    ] {
        assert!(text.contains(event), "{event} is missing in\n{text}");
    }
    assert!(rows.iter().all(|row| row.contains(" ok") && row.contains("MASTER")), "{text}");
    assert!(text.ends_with("Every step did what it should, within its bound."), "{text}");
}

#[test]
#[ignore = "judges times, which a busy machine spoils: run with --ignored before a release"]
fn the_demonstration_succeeds_and_can_be_had_again_at_once() {
    plays_to_its_end(&[]);
    plays_to_its_end(&["--etcd"]);
}

#[test]
fn ctrl_c_in_the_middle_removes_the_lab() {
    let (mut run, output) = Run::start(&[]);
    let mut lines = output.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("both nodes start")), "it ended before it began");
    assert!(!run.left().is_empty(), "the lab stands");
    kill(Pid::from_raw(run.0.id().cast_signed()), Signal::SIGINT).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(run.0.wait().unwrap().code(), Some(INTERRUPTED), "{}", rest.join("\n"));
    run.leaves_nothing();
}
