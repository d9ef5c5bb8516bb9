//! What travels over the control socket: one JSON object per line in each direction.
//!
//! ```text
//! {"request":"status"}   → {"status":{"instances":[…],"resources":[…],…}}
//! {"request":"reload"}   → {"reloaded":{"added":["VI_2"],…}}
//! {"request":"drain"}    → {"done":"draining 2 instances"}
//! anything else          → {"error":"why"}
//! ```

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::StatusSnapshot;

/// Longest request line, in bytes.
pub const MAX_REQUEST: usize = 64 * 1024;
/// Longest answer that a client accepts, in bytes: thousands of instances.
pub const MAX_RESPONSE: u64 = 16 * 1024 * 1024;
/// Connections served at a time; a further one is told so and closed.
pub const MAX_CONNECTIONS: usize = 64;
/// How long a connection may take over one request line, and over taking one answer.
pub const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the agent may take over a request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What is asked of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// The state of everything.
    Status {},
    /// Read the configuration again.
    Reload {},
    /// Hand over, and let everybody else go first.
    Drain {},
    /// The end of that.
    Undrain {},
    /// Leave the VIPs to the next agent if this one is stopped soon.
    Hold {
        /// For how many milliseconds they are kept.
        keep_ms: u64,
    },
    /// Log more or less from now on.
    #[serde(rename = "log-level")]
    LogLevel {
        /// The least severe level that is logged.
        level: Level,
    },
}

/// How severe a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something does not work
    Error,
    /// Somebody should look at this
    Warn,
    /// What happens, a line per transition
    Info,
    /// What is done for it
    Debug,
    /// Every packet and message
    Trace,
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> tracing::Level {
        match level {
            Level::Error => tracing::Level::ERROR,
            Level::Warn => tracing::Level::WARN,
            Level::Info => tracing::Level::INFO,
            Level::Debug => tracing::Level::DEBUG,
            Level::Trace => tracing::Level::TRACE,
        }
    }
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<StatusSnapshot>),
    /// To [`Request::Reload`]: done.
    Reloaded(ReloadReport),
    /// To any other request: done; what that means, for a person.
    Done(String),
    /// The request was not understood, or not done; the reason, for a person.
    Error(String),
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadReport {
    /// Names of new instances.
    pub added: Vec<String>,
    /// Names of instances that are gone.
    pub removed: Vec<String>,
    /// Names of instances that run on with other settings.
    pub changed: Vec<String>,
    /// How many instances are as before.
    pub unchanged: usize,
    /// What a person should know of the new configuration, one line each.
    pub warnings: Vec<String>,
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "{warning}")?;
        }
        for (what, names) in [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
        {
            if !names.is_empty() {
                write!(f, "{what} {}, ", names.join(" "))?;
            }
        }
        write!(f, "{} unchanged", self.unchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_on_the_wire() {
        assert_eq!(serde_json::to_string(&Request::Status {}).expect("JSON"), r#"{"request":"status"}"#);
        let reload: Request = serde_json::from_str(r#"{"request":"reload"}"#).expect("understood");
        assert_eq!(reload, Request::Reload {});
        let level: Request =
            serde_json::from_str(r#"{"request":"log-level","level":"debug"}"#).expect("understood");
        assert_eq!(level, Request::LogLevel { level: Level::Debug });
        for bad in [
            "",
            "{}",
            r#"{"request":"log-level","level":"loud"}"#,
            "[]",
            "\"status\"",
            r#"{"request":"halt"}"#,
            r#"{"request":"status","x":1}"#,
        ] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
        let error = serde_json::to_string(&Response::Error("why".into())).expect("JSON");
        assert_eq!(error, r#"{"error":"why"}"#);
        let report: Response = serde_json::from_str(r#"{"reloaded":{"added":["a"]}}"#).expect("understood");
        let expected = ReloadReport { added: vec!["a".into()], ..ReloadReport::default() };
        assert_eq!(report, Response::Reloaded(expected), "fields that an older agent lacks");
    }
}
