//! Notify FIFOs: a line for everything that is told, in order, and perhaps a program that reads them.
//!
//! A FIFO is opened for reading too, as keepalived does it: what is written while nobody reads waits in it, up to the
//! kernel's 64 KiB. What comes then is dropped and counted, for nobody here waits for a reader.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, mkfifo};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::launch::Launch;
use super::notify::Subject;
use super::process::{self, Exit};

/// Longer than any reader runs.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 100);

/// A FIFO to write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FifoSpec {
    /// Where it is. It is made if it is not there, and then removed at the end.
    pub path: PathBuf,
    /// Whom it belongs to if it is made.
    pub owner: (Uid, Gid),
    /// What reads it, given the path as its last argument.
    pub reader: Option<Launch>,
}

/// Writes to FIFOs. [`Fifos::write`] never waits.
#[derive(Debug, Default)]
pub struct Fifos {
    fifos: Vec<Fifo>,
    readers: JoinSet<()>,
}

#[derive(Debug)]
struct Fifo {
    spec: FifoSpec,
    file: File,
    made: bool,
    /// Lines that found it full since the last that did not.
    dropped: u64,
    /// Ends the reader when it is dropped.
    reader: watch::Sender<bool>,
}

impl Fifos {
    /// Makes `specs` the FIFOs that are written to; those that stay are not touched. Must be called within a tokio
    /// runtime.
    pub fn apply(&mut self, specs: &[FifoSpec]) {
        while self.readers.try_join_next().is_some() {}
        self.fifos.retain(|fifo| specs.contains(&fifo.spec));
        for spec in specs {
            if self.fifos.iter().any(|fifo| fifo.spec == *spec) {
                continue;
            }
            match Fifo::open(spec) {
                Ok(fifo) => {
                    if let Some(reader) = &spec.reader {
                        let path = spec.path.display().to_string();
                        self.readers.spawn(read(reader.clone(), path, fifo.reader.subscribe()));
                    }
                    self.fifos.push(fifo);
                }
                Err(error) => warn!("the notify FIFO {} cannot be used: {error}", spec.path.display()),
            }
        }
    }

    /// Writes `INSTANCE "NAME" STATE PRIORITY`, or the same of a group.
    pub fn write(&mut self, subject: &Subject, state: &str, priority: u8) {
        if self.fifos.is_empty() {
            return;
        }
        let (kind, name) = subject.words();
        let line = format!("{kind} \"{name}\" {state} {priority}\n");
        for fifo in &mut self.fifos {
            fifo.write(&line);
        }
    }

    /// Closes and removes the FIFOs. Their readers get `grace` to end with them.
    pub async fn shutdown(mut self, grace: Duration) {
        let readers: Vec<_> = self.fifos.drain(..).map(Fifo::close).collect();
        let all = async { while self.readers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            drop(readers);
            while self.readers.join_next().await.is_some() {}
        }
    }
}

impl Fifo {
    fn open(spec: &FifoSpec) -> io::Result<Fifo> {
        let made = match mkfifo(&spec.path, Mode::from_bits_truncate(0o644)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(errno.into()),
        };
        if made {
            chown(&spec.path, Some(spec.owner.0), Some(spec.owner.1))?;
        }
        let file = open(&spec.path).inspect_err(|_| {
            if made {
                remove(&spec.path);
            }
        })?;
        Ok(Fifo { spec: spec.clone(), file, made, dropped: 0, reader: watch::Sender::new(false) })
    }

    fn write(&mut self, line: &str) {
        let path = self.spec.path.display();
        // A FIFO takes so short a line as a whole or not at all.
        match self.file.write(line.as_bytes()) {
            Ok(_) if self.dropped > 0 => {
                warn!("{} lines for the notify FIFO {path} were dropped", self.dropped);
                self.dropped = 0;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.dropped == 0 {
                    warn!("nobody reads the notify FIFO {path}: it is full, and lines are dropped");
                }
                self.dropped += 1;
            }
            Err(error) => warn!("cannot write to the notify FIFO {path}: {error}"),
        }
    }

    /// Removed first, so that a reader which opens it again does not find it.
    fn close(self) -> watch::Sender<bool> {
        self.reader.clone()
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if self.made {
            remove(&self.spec.path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        Ok(file)
    } else {
        Err(io::Error::other("there is something else than a FIFO"))
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        debug!(path = %path.display(), %error, "the FIFO could not be removed");
    }
}

async fn read(reader: Launch, path: String, mut cancel: watch::Receiver<bool>) {
    let finished = process::run(&reader, std::slice::from_ref(&path), FOR_EVER, &mut cancel).await;
    let (script, exit, output) = (reader.program.to_string(), finished.exit, finished.output);
    match exit {
        Exit::Cancelled => {}
        Exit::Status(0) => info!(script, path, output, "the reader of a notify FIFO has ended"),
        exit => warn!(script, path, output, "the reader of a notify FIFO has ended: {exit}"),
    }
}
