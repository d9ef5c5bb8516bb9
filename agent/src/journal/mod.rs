//! The journal: what happened, in two bounded files of the run directory, so that it can be read after a restart and
//! without an agent (`vipward events`).
//!
//! * [`record`]: one event, which is one line of JSON;
//! * `store`: the files; [`show`]: reading them.
//!
//! A thread of its own writes, for the folder may be on a disk that hangs. What it has no room for, and what cannot be
//! written, is counted and told; nobody waits for it.

pub mod record;
pub mod show;
mod store;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::control::rundir::RunDir;
use record::Record;
use store::Store;

/// Events that wait to be written.
const QUEUE: usize = 1024;
/// How long the end of the agent waits for the last of them.
const PATIENCE: Duration = Duration::from_secs(1);
/// Beside an election all memory is locked, used or not.
const STACK: usize = 256 << 10;

/// Takes events in for as long as it lives.
#[derive(Debug)]
pub struct Journal {
    events: Option<SyncSender<Record>>,
    lost: Arc<AtomicU64>,
    /// Its other end is dropped when all is written.
    written: Receiver<()>,
}

impl Journal {
    /// Goes on with what is in the run directory.
    pub fn open(run_dir: Arc<RunDir>) -> io::Result<Journal> {
        let (events, inbox) = sync_channel(QUEUE);
        let (done, written) = sync_channel::<()>(0);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { store: Store::new(run_dir), lost: Arc::clone(&lost), failing: false };
        std::thread::Builder::new().name("journal".to_owned()).stack_size(STACK).spawn(move || {
            for record in inbox {
                writer.write(&record);
            }
            // The run directory is let go of before anybody hears that all is written.
            drop(writer);
            drop(done);
        })?;
        Ok(Journal { events: Some(events), lost, written })
    }

    /// Writes down what happened, soon.
    pub fn note(&self, record: Record) {
        let taken = self.events.as_ref().is_some_and(|events| events.try_send(record).is_ok());
        if !taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.events = None;
        // Either all is written, or the disk hangs.
        let _ = self.written.recv_timeout(PATIENCE);
    }
}

struct Writer {
    store: Store,
    lost: Arc<AtomicU64>,
    /// It was said that it cannot be written.
    failing: bool,
}

impl Writer {
    fn write(&mut self, record: &Record) {
        match self.try_write(record) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the journal of events is written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        "events cannot be written to {}: {error}; they are lost until that is mended",
                        self.store.path().display()
                    );
                }
            }
        }
    }

    fn try_write(&mut self, record: &Record) -> io::Result<()> {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            self.store.append(&Record::new("journal", format!("{lost} events are missing here")))?;
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        self.store.append(record)
    }
}

#[cfg(test)]
mod tests;
