//! The two files: the present one, and the one before it. Whole lines are appended; a line that a full disk or a crash
//! has cut is closed before the next one, so that it costs no other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use nix::libc;

use super::record::Record;
use crate::control::rundir::RunDir;

/// Name of the present file in the run directory.
pub(super) const FILE: &str = "events";
/// Name of the one before it.
pub(super) const OLDER: &str = "events.old";
/// Largest size of either in bytes: some thousand events.
pub(super) const MAX_SIZE: u64 = 1 << 20;

pub(super) struct Store {
    run_dir: Arc<RunDir>,
    /// The present file and its size; none before the first event, and after an error.
    open: Option<(File, u64)>,
}

impl Store {
    pub(super) fn new(run_dir: Arc<RunDir>) -> Store {
        Store { run_dir, open: None }
    }

    /// One that writes to this file first.
    #[cfg(test)]
    pub(super) fn with(run_dir: Arc<RunDir>, file: File) -> Store {
        Store { run_dir, open: Some((file, 0)) }
    }

    /// Where the present file is.
    pub(super) fn path(&self) -> PathBuf {
        self.run_dir.path().join(FILE)
    }

    /// Writes an event to the end.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let (mut file, mut size) = match self.open.take() {
            Some(open) => open,
            None => self.reopen()?,
        };
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if size > 0 && size.saturating_add(length) > MAX_SIZE {
            std::fs::rename(self.run_dir.entry(FILE), self.run_dir.entry(OLDER))?;
            (file, size) = self.reopen()?;
        }
        file.write_all(&line)?;
        self.open = Some((file, size + length));
        Ok(())
    }

    fn reopen(&self) -> io::Result<(File, u64)> {
        // A pipe or a link that somebody put there is not written to.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(self.run_dir.entry(FILE))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file: remove it"));
        }
        let size = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if size > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last == [b'\n'] {
            return Ok((file, size));
        }
        file.write_all(b"\n")?;
        Ok((file, size + 1))
    }
}
