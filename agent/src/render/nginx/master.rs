//! The processes of a running nginx, as /proc shows them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::reload::ReloadError;

/// A process, with the time of its start: numbers are used again, pairs of both are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pid: i32,
    started: u64,
}

/// A process that was seen to be the master of an nginx.
#[derive(Debug)]
pub(super) struct Master(Process);

/// The worker processes of a master.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Workers {
    /// Those that serve.
    pub(super) serving: BTreeSet<Process>,
    /// Those that were told to go, and finish what they have.
    pub(super) leaving: BTreeSet<Process>,
}

impl Master {
    /// The process that the pid file names, if it is what it should be.
    pub(super) fn find(pid_file: &Path) -> Result<Master, ReloadError> {
        let not_running = |why: String| ReloadError::NotRunning(pid_file.to_owned(), why);
        let text = fs::read_to_string(pid_file).map_err(|error| not_running(error.to_string()))?;
        let pid = text.trim().parse().ok().filter(|pid| *pid > 1);
        let pid: i32 = pid.ok_or_else(|| not_running("it names no process".to_owned()))?;
        let process = Process::look(pid).ok_or_else(|| not_running(format!("process {pid} is gone")))?;
        if !title(pid).starts_with("nginx: master process") {
            return Err(not_running(format!("process {pid} is no nginx master")));
        }
        Ok(Master(process))
    }

    pub(super) fn pid(&self) -> i32 {
        self.0.pid
    }

    /// Whether it is still there.
    pub(super) fn lives(&self) -> bool {
        Process::look(self.0.pid) == Some(self.0)
    }

    /// Tells it to read its configuration again.
    pub(super) fn hang_up(&self) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.0.pid), Signal::SIGHUP)?)
    }

    /// The log that it writes to now: nginx makes that its standard error.
    pub(super) fn log(&self) -> Option<PathBuf> {
        let path = PathBuf::from(format!("/proc/{}/fd/2", self.0.pid));
        path.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(path)
    }

    pub(super) fn workers(&self) -> Workers {
        let mut workers = Workers::default();
        for process in children(self.0.pid) {
            let title = title(process.pid);
            if title.starts_with("nginx: worker process is shutting down") {
                workers.leaving.insert(process);
            } else if title.starts_with("nginx: worker process") {
                workers.serving.insert(process);
            }
        }
        workers
    }
}

impl Process {
    fn look(pid: i32) -> Option<Process> {
        stat(pid).map(|(_, started)| Process { pid, started })
    }
}

/// Parent and start of a process that is no zombie.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    (state != "Z" && state != "X").then_some((parent, started))
}

fn title(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn children(pid: i32) -> Vec<Process> {
    // Where the kernel keeps a list, it spares us a look at every process of the machine.
    if let Ok(list) = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
        return pids.filter_map(Process::look).collect();
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|child| {
        let (parent, started) = stat(child)?;
        (parent == pid).then_some(Process { pid: child, started })
    })
    .collect()
}
