//! One server process and its folder.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::READY;
use crate::lab::wait;

/// Lines of a log that are shown when a test fails.
const TAIL: usize = 30;

/// A server: its command line, its folder, and the process while it runs.
pub struct Daemon {
    program: PathBuf,
    arguments: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl Daemon {
    /// A server that is not running yet. Data belong into [`Daemon::folder`].
    pub fn new(program: impl Into<PathBuf>) -> Result<Daemon> {
        let folder = tempfile::Builder::new().prefix("vipward-server-").tempdir()?;
        Ok(Daemon { program: program.into(), arguments: Vec::new(), folder, child: None })
    }

    /// Where its data are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its command line from the next start on.
    pub fn set_arguments(&mut self, arguments: Vec<String>) {
        self.arguments = arguments;
    }

    /// Starts it and waits until `ready` holds.
    pub fn start(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // SAFETY: prctl is async-signal-safe and touches no memory of ours.
        unsafe {
            // A test that is killed takes its servers along.
            command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
        }
        let child = command.spawn().with_context(|| {
            format!("cannot run {}: `cargo xtask setup` installs it", self.program.display())
        })?;
        self.child = Some(child);
        let name = self.program.display().to_string();
        let log = self.log_path();
        let mut ended = None;
        let child = &mut self.child;
        wait::until(&format!("{name} to be ready"), READY, || {
            ended = child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            ended.is_some() || ready()
        })?;
        match ended {
            Some(status) => bail!("{name} ended with {status}: {}", tail(&log)),
            None => Ok(()),
        }
    }

    /// SIGKILL, as when its host dies.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Stops it in its tracks: connections stay and nothing is answered.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Ends a pause.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Whether it was started and not ended since.
    pub fn running(&self) -> bool {
        self.child.is_some()
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("the server is not running")?;
        kill(Pid::from_raw(child.id().cast_signed()), signal).context("cannot signal the server")
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("server.log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- end of the log of {}\n{}\n---", self.program.display(), tail(&self.log_path()));
        }
    }
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}
