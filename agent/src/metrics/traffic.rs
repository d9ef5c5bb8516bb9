//! What is counted of the requests themselves.

use std::sync::atomic::{AtomicU64, Ordering};

/// Statuses that are answered; anything else is counted as the last one.
pub(super) const CODES: [u16; 8] = [200, 400, 403, 404, 405, 413, 503, 500];

/// Counters of the HTTP server.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    requests: [AtomicU64; CODES.len()],
    refused: AtomicU64,
}

impl Traffic {
    /// A request was answered.
    pub(super) fn answered(&self, code: u16) {
        let place = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1);
        if let Some(count) = self.requests.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection found no room.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by the status of their answer.
    pub(super) fn requests(&self) -> impl Iterator<Item = (u16, u64)> {
        CODES.into_iter().zip(self.requests.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Connections that found no room.
    pub(super) fn refusals(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
