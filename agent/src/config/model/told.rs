//! FIFOs and scripts of the agent as a whole.

use std::path::PathBuf;
use std::time::Duration;

use super::{Location, NotifyScript, User};

/// A FIFO that is told of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fifo {
    /// Where it is.
    pub path: PathBuf,
    /// Whom it belongs to if it has to be made; [`script_user`](super::Globals::script_user) when `None`.
    pub owner: Option<User>,
    /// What reads it, with the path as its last argument.
    pub script: Option<NotifyScript>,
    /// Where it was written.
    pub at: Location,
}

/// A script that runs once in an agent's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeScript {
    /// What to run.
    pub script: NotifyScript,
    /// How long it may run.
    pub timeout: Duration,
}
