//! A process in a namespace: a group of its own, its output in a file, killed by id when dropped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::netns::Namespace;
use super::wait;

/// Lines of a log that are shown when a test fails.
const TAIL: usize = 40;

/// A running process.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in `namespace`; stdout and stderr go to `folder/NAME.log`, appended over restarts.
    pub fn spawn(namespace: &Namespace, folder: &Path, name: &str, command: &mut Command) -> Result<Process> {
        let log = folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = namespace
            .enter(|| command.spawn())?
            .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
        Ok(Process { name: name.to_owned(), child, log })
    }

    /// Its id, which is also its group's.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends `signal` to the process alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Sends `signal` to the process and all its children.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        killpg(self.pid(), signal)
            .with_context(|| format!("cannot send {signal} to the group of {}", self.name))
    }

    /// SIGTERM, then waits for the end. An error if it does not come within `limit`.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.ended(limit)
    }

    /// Waits for the end.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} (pid {}) to end", self.name, self.pid());
        wait::value(&what, limit, || self.child.try_wait().transpose())?
            .with_context(|| format!("cannot wait for {}", self.name))
    }

    /// SIGKILL to the whole group at one blow, as when a host dies.
    pub fn kill(&mut self) {
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Whether it still runs.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.running() {
            self.kill();
        }
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
            eprintln!("--- end of {}\n{}\n---", self.log.display(), tail.join("\n"));
        }
    }
}
