//! The built-in reload: the signal goes to a process that was seen to be the master, and success is what then happens,
//! not what a command returns. A master that refuses its configuration goes on with the old one and says so in its log.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use tokio::sync::watch;
use tokio::time::Instant;

use super::binary::{Binary, BinaryError};
use super::master::Master;
use super::{Installation, tree};

/// From one look to the next.
const POLL: Duration = Duration::from_millis(10);
/// What is read of a log at one look.
const MAX_READ: u64 = 1 << 20;
/// Log lines that a message repeats.
const MAX_LINES: usize = 3;
/// Characters of a line.
const MAX_LINE: usize = 400;

/// Why nginx does not run the configuration that is on the disk.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// No binary to ask where its files are.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// No process to tell.
    #[error("nginx is not running by {pid}: {1}", pid = .0.display())]
    NotRunning(PathBuf, String),
    /// The master may not be signalled.
    #[error("cannot signal the master of nginx, process {0}: {1}")]
    Signal(i32, #[source] io::Error),
    /// The master says that it goes on with what it had.
    #[error("nginx refuses the new configuration and goes on with the old one: {0}")]
    Refused(String),
    /// Nothing, or not all, of what a reload brings about was seen.
    #[error("nginx did not start new workers and tell the old ones to go within {0:?}{1}")]
    Late(Duration, String),
    /// The master is gone.
    #[error("the master of nginx ended while it reloaded{0}")]
    Died(String),
    /// We stop.
    #[error("cancelled")]
    Cancelled,
}

impl ReloadError {
    /// Whether the old configuration should be put back: the new one is what nginx does not take.
    pub fn is_refusal(&self) -> bool {
        matches!(self, ReloadError::Refused(_) | ReloadError::Late(..) | ReloadError::Died(_))
    }
}

/// Makes a running nginx read its configuration, and watches it do so.
pub async fn reload(
    installation: &Installation,
    timeout: Duration,
    cancel: &mut watch::Receiver<bool>,
) -> Result<(), ReloadError> {
    let owned = installation.clone();
    let places = tokio::task::spawn_blocking(move || Places::find(&owned)).await;
    let places = places
        .unwrap_or_else(|error| Err(BinaryError::Run("nginx".into(), io::Error::other(error)).into()))?;
    let master = Master::find(&places.pid)?;
    let mut log = Log::open(&master, places.error_log.as_deref());
    let before = master.workers();
    master.hang_up().map_err(|error| ReloadError::Signal(master.pid(), error))?;
    let deadline = Instant::now() + timeout;
    loop {
        log.read();
        if let Some(refusal) = log.refusal() {
            return Err(ReloadError::Refused(refusal));
        }
        let now = master.workers();
        let new_one = now.serving.iter().any(|worker| !before.serving.contains(worker));
        // nginx tells the old ones a moment after it has started the new ones, which have then lived that long.
        if new_one && !now.serving.iter().any(|worker| before.serving.contains(worker)) {
            return Ok(());
        }
        if !master.lives() {
            return Err(ReloadError::Died(log.hint()));
        }
        if Instant::now() >= deadline {
            return Err(ReloadError::Late(timeout, log.hint()));
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = cancel.wait_for(|cancelled| *cancelled) => return Err(ReloadError::Cancelled),
        }
    }
}

/// Where a running nginx has its files.
struct Places {
    pid: PathBuf,
    error_log: Option<PathBuf>,
}

impl Places {
    fn find(installation: &Installation) -> Result<Places, ReloadError> {
        let binary = Binary::find()?;
        let prefix = installation.prefix(&binary);
        // A configuration that cannot be read is for the master to refuse; the built-in places may still be right.
        let tree = tree::read(&installation.conf(&binary), None).unwrap_or_default();
        let pid = prefix.join(tree.pid.as_deref().unwrap_or(&binary.pid));
        let error_log = tree.error_log.as_deref().unwrap_or(&binary.error_log);
        let error_log = (error_log.as_os_str() != "stderr").then(|| prefix.join(error_log));
        Ok(Places { pid, error_log })
    }
}

/// What the master writes to its log from now on.
struct Log {
    file: Option<File>,
    /// How its own lines of the worst kind look.
    mark: String,
    tail: Vec<u8>,
    /// Its complaints so far.
    complaints: Vec<String>,
}

impl Log {
    fn open(master: &Master, named: Option<&Path>) -> Log {
        let path = master.log().or_else(|| named.map(Path::to_owned));
        let file = path.and_then(|path| {
            // In containers the log is a link to somebody's standard error, from which reading would wait for ever.
            let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
            if !file.metadata().ok()?.is_file() {
                return None;
            }
            file.seek(SeekFrom::End(0)).ok()?;
            Some(file)
        });
        Log { file, mark: format!("[emerg] {}#", master.pid()), tail: Vec::new(), complaints: Vec::new() }
    }

    fn read(&mut self) {
        let Some(file) = &mut self.file else { return };
        // What cannot be read now may be readable at the next look, and the workers tell as well.
        let _ = file.take(MAX_READ).read_to_end(&mut self.tail);
        while let Some(end) = self.tail.iter().position(|c| *c == b'\n') {
            let line: Vec<u8> = self.tail.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some((_, said)) = line.split_once(&self.mark) else { continue };
            // Behind the mark stands the thread's number.
            let said = said.split_once(": ").map_or(said, |(_, said)| said);
            let said: String =
                said.trim().chars().take(MAX_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
            if self.complaints.len() < MAX_LINES && !self.complaints.contains(&said) {
                self.complaints.push(said);
            } else if Log::is_final(&said) {
                self.complaints.pop();
                self.complaints.push(said);
            }
        }
        self.tail.truncate(usize::try_from(MAX_READ).unwrap_or(usize::MAX));
    }

    /// nginx tries to bind five times before it gives up, and may succeed.
    fn is_final(said: &str) -> bool {
        !said.starts_with("bind() to ")
    }

    fn refusal(&self) -> Option<String> {
        self.complaints.iter().any(|said| Log::is_final(said)).then(|| self.complaints.join(" | "))
    }

    fn hint(&self) -> String {
        if self.complaints.is_empty() { String::new() } else { format!(": {}", self.complaints.join(" | ")) }
    }
}
