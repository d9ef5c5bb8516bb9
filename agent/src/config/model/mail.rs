//! Whom a mail goes to upon transitions.

use std::time::Duration;

/// Mail to people. It is there if the configuration names a server and somebody to write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `smtp_server`: name or address of the server that takes it.
    pub server: String,
    /// Its port: 25 unless one is given.
    pub port: u16,
    /// `smtp_helo_name`: what this machine calls itself there; its host name when `None`.
    pub helo: Option<String>,
    /// `smtp_connect_timeout`: how long the server may take for one step.
    pub timeout: Duration,
    /// `notification_email_from`: who writes; the user that the agent runs as, on this host, when `None`.
    pub from: Option<String>,
    /// `notification_email`: to whom, at least one.
    pub to: Vec<String>,
    /// Faults are told too; not so with `no_email_faults`.
    pub faults: bool,
}
