//! Who is told of transitions: scripts and FIFOs, and the scripts of the agent as a whole.

use std::path::PathBuf;
use std::time::Duration;

use super::{Command, Location, User};

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

/// Scripts that tell of a transition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify`: any transition; run after the others, with `INSTANCE NAME STATE PRIORITY` appended.
    pub any: Option<NotifyScript>,
    /// `notify_master`.
    pub master: Option<NotifyScript>,
    /// `notify_backup`.
    pub backup: Option<NotifyScript>,
    /// `notify_fault`.
    pub fault: Option<NotifyScript>,
    /// `notify_stop`: the agent stops.
    pub stop: Option<NotifyScript>,
    /// `notify_deleted`: what a reload takes out is told as DELETED and not as FAULT.
    pub tells_deleted: bool,
    /// The script of `notify_deleted`.
    pub deleted: Option<NotifyScript>,
    /// `notify_master_rx_lower_pri`: a master heard an advert of lower priority.
    pub lower_priority: Option<NotifyScript>,
}

/// One script of [`Notify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyScript {
    /// What to run.
    pub command: Command,
    /// Whom it runs as; [`script_user`](super::Globals::script_user) when `None`.
    pub user: Option<User>,
    /// Where it was written.
    pub at: Location,
}
