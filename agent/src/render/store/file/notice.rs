//! What inotify tells: who has begun to write, and who has ended.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

/// How long a file that somebody keeps open without writing to it is waited for.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// Watches folders.
pub(super) struct Notice<F> {
    /// Whether a file of this name counts. Others in the same folder, such as logs, are kept open for ever.
    counts: F,
    inotify: Inotify,
    ready: AsyncFd<OwnedFd>,
    /// Files that were written to and not closed since, by watch and name.
    open: BTreeSet<(i32, OsString)>,
    written: Instant,
    changed: bool,
}

impl<F: Fn(&OsStr) -> bool> Notice<F> {
    pub(super) fn new(counts: F) -> io::Result<Notice<F>> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let descriptor = inotify.as_fd().try_clone_to_owned()?;
        // SAFETY: the AsyncFd owns the descriptor, which thus stays open for as long as it is registered.
        let ready = unsafe { AsyncFd::register(descriptor)? };
        Ok(Notice { counts, inotify, ready, open: BTreeSet::new(), written: Instant::now(), changed: false })
    }

    /// Watches these folders too. One that cannot be watched is left to the slow look at its files.
    pub(super) fn watch(&self, folders: &[PathBuf]) {
        let events = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ONLYDIR;
        for folder in folders {
            if let Err(error) = self.inotify.add_watch(folder, events) {
                tracing::debug!(folder = %folder.display(), %error, "the folder cannot be watched");
            }
        }
    }

    /// Whether a file has been written to and not been closed since.
    pub(super) fn writing(&mut self) -> bool {
        self.drain();
        !self.open.is_empty() && self.written.elapsed() < FORGOTTEN
    }

    /// Waits until something has changed and nobody is writing. Cancel safe.
    pub(super) async fn quiet(&mut self, look: Duration) -> io::Result<()> {
        loop {
            let writing = self.writing();
            if self.changed && !writing {
                self.changed = false;
                self.open.clear();
                return Ok(());
            }
            // A writer that is forgotten makes no event, so this does not wait for ever.
            if let Ok(ready) = tokio::time::timeout(look, self.ready.readable()).await {
                // Drained after the readiness is cleared, so that what comes in between wakes us again.
                ready?.clear_ready();
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) if !events.is_empty() => events,
                Ok(_) | Err(Errno::EAGAIN) => return,
                Err(_) => {
                    self.changed = true;
                    return;
                }
            };
            for event in events {
                let mask = event.mask;
                if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    self.changed = true;
                    self.open.clear();
                    continue;
                }
                let Some(name) = event.name else { continue };
                let content = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
                // What comes and goes may be a link to one that counts.
                if mask.intersects(content) && !(self.counts)(&name) {
                    continue;
                }
                let file = (event.wd.as_raw(), name);
                if mask.contains(AddWatchFlags::IN_MODIFY) {
                    self.open.insert(file);
                    self.written = Instant::now();
                } else {
                    self.open.remove(&file);
                }
                self.changed = true;
            }
        }
    }
}
