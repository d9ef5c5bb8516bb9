//! Whether a store is there.

use std::time::{Duration, Instant};

/// How it stands with the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing has been tried yet.
    #[default]
    Starting,
    /// Not one read has succeeded since the start.
    Never {
        /// What the last try failed with.
        why: String,
        /// When the first try failed.
        since: Instant,
    },
    /// The keys are current.
    Connected {
        /// Since when.
        since: Instant,
        /// Which node, file or environment.
        node: String,
    },
    /// The last known keys are in use.
    Lost {
        /// Since when.
        since: Instant,
        /// What the last try failed with.
        why: String,
    },
}

impl Health {
    /// Whether the keys are current.
    pub fn connected(&self) -> bool {
        matches!(self, Health::Connected { .. })
    }

    /// For how long the keys may have been stale: zero while connected or before anything was tried.
    pub fn stale(&self, now: Instant) -> Duration {
        match self {
            Health::Starting | Health::Connected { .. } => Duration::ZERO,
            Health::Never { since, .. } | Health::Lost { since, .. } => now.saturating_duration_since(*since),
        }
    }

    /// Why it is not connected.
    pub fn why(&self) -> Option<&str> {
        match self {
            Health::Starting | Health::Connected { .. } => None,
            Health::Never { why, .. } | Health::Lost { why, .. } => Some(why),
        }
    }
}
