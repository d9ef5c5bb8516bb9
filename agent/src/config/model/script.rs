//! Commands, and the scripts that say whether this machine is fit.

use std::time::Duration;

use super::{Location, User};

/// A `vrrp_script`: a command whose exit status says whether this machine is fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where the block begins.
    pub at: Location,
    /// What to run.
    pub command: Command,
    /// From one start to the next.
    pub interval: Duration,
    /// How long a run may take before it is killed and counts as failed; [`Script::interval`] unless given.
    pub timeout: Duration,
    /// Default weight for those who track it, −253 to 253; 0 means FAULT when it fails.
    pub weight: i32,
    /// The weight has `reverse` after it.
    pub reverse: bool,
    /// Successes in a row until it counts as up.
    pub rise: u32,
    /// Failures in a row until it counts as down.
    pub fall: u32,
    /// Whom it runs as; [`script_user`](super::Globals::script_user) when `None`.
    pub user: Option<User>,
    /// It counts as down until it succeeded [`Script::rise`] times.
    pub init_fail: bool,
}

/// A command line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As it was written, without the outer quotes.
    pub source: String,
    /// How it is started.
    pub how: How,
    /// Where it was written.
    pub at: Location,
}

/// How a [`Command`] is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Directly: the program and its arguments, never empty.
    Exec(Vec<String>),
    /// By a shell, for it has shell syntax: `SHELL -c LINE`.
    Shell {
        /// `bash` where it exists (or where it is needed), else `sh`.
        shell: &'static str,
        /// The line for it.
        line: String,
    },
}
