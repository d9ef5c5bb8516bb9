//! Tracked processes, real ones: those of the machine are told apart by a name that no other has.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use tokio::sync::mpsc;

use super::super::processes::{Match, ProcessSpec, Processes, Subject};
use super::super::tracking::{Reading, Report};
use super::*;

/// A program with a name of its own, which stays until it is killed.
struct Scene {
    dir: tempfile::TempDir,
    name: String,
    processes: Processes,
    reports: mpsc::Receiver<Report>,
}

impl Scene {
    fn new(name: &str) -> Scene {
        let (sender, reports) = mpsc::channel(16);
        let name = format!("{name}{}", std::process::id());
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::copy("/bin/sleep", dir.path().join(&name)).expect("copied");
        Scene { dir, name, processes: Processes::new(sender), reports }
    }

    fn program(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    fn start(&self) -> Child {
        Command::new(self.program()).arg("600").spawn().expect("started")
    }

    fn spec(&self) -> ProcessSpec {
        ProcessSpec {
            name: "p".to_owned(),
            command: self.name.clone(),
            subject: Subject::Name,
            quorum: 1,
            quorum_max: u32::MAX,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    async fn told(&mut self) -> Reading {
        within(self.reports.recv()).await.expect("watched").reading
    }
}

fn end(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[tokio::test]
async fn a_process_is_seen_to_come_and_to_go() {
    let mut scene = Scene::new("hc");
    scene.processes.apply(vec![scene.spec()]);
    assert_eq!(scene.told().await, Reading::Down);
    let child = scene.start();
    assert_eq!(scene.told().await, Reading::Up);
    end(child);
    assert_eq!(scene.told().await, Reading::Down);
}

#[tokio::test]
async fn one_that_runs_already_is_found_by_its_command_line() {
    let mut scene = Scene::new("hd");
    let child = scene.start();
    let command = scene.program().display().to_string();
    let subject = Subject::Parameters { words: vec!["60".into()], how: Match::Initial };
    let spec = ProcessSpec { command: command.clone(), subject, ..scene.spec() };
    // The child has executed its program by now, for `spawn` waits for that.
    scene.processes.apply(vec![spec.clone()]);
    assert_eq!(scene.told().await, Reading::Up);
    let subject = Subject::Parameters { words: vec!["60".into()], how: Match::Exact };
    scene.processes.apply(vec![ProcessSpec { subject, ..spec }]);
    assert_eq!(scene.told().await, Reading::Down);
    end(child);
}
