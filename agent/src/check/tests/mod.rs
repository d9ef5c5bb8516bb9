//! Real child processes: the machine's own shell and its small programs.

mod fifo;
mod file;
mod mail;
mod notify;
mod plan;
mod process;
mod processes;
mod runner;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use super::launch::{Identity, Launch, Program};

/// Longer than anything here takes on the slowest machine; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// `line` for the shell, as whoever runs the test.
fn shell(line: &str) -> Launch {
    let program = Program::Shell { shell: "sh".into(), line: line.into() };
    Launch { program, identity: Identity::own(), secure: false }
}

/// `words`, executed directly.
fn exec(words: &[&str]) -> Launch {
    Launch { program: Program::Exec(words.iter().map(ToString::to_string).collect()), ..shell("") }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The lines of a file that scripts append to; none while it does not exist.
fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Whether the process with this number is alive; a zombie is not.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}
