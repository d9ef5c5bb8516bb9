//! How often scripts ran, for how long, and with what success: kept by their tasks and read by whoever asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::histogram::{Histogram, LONG};

/// What became of the runs of one script, or of one kind of scripts.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// How long each run took.
    pub durations: Histogram,
    /// Runs that failed, or could not even start.
    pub failures: u64,
    /// Runs that are under way.
    pub running: u32,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { durations: Histogram::new(LONG), failures: 0, running: 0 }
    }
}

/// A [`Tally`] that a task keeps and others read.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Tally>>);

impl Ledger {
    pub(super) fn read(&self) -> Tally {
        *self.lock()
    }

    /// A run begins.
    pub(super) fn begin(&self) {
        self.lock().running += 1;
    }

    /// It ended; `failed` is `None` for one that says nothing about its script.
    pub(super) fn end(&self, took: Duration, failed: Option<bool>) {
        let mut tally = self.lock();
        tally.running = tally.running.saturating_sub(1);
        if let Some(failed) = failed {
            tally.durations.record(took);
            tally.failures += u64::from(failed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        // Numbers are whole at every moment, so a panic elsewhere is no reason to stop counting.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
