//! Making a service read its files again, by its command or by the built-in way, and how long to wait after a failure.

use std::time::Duration;

use tokio::sync::watch;

use super::apply::{self, Previous};
use super::nginx::{self, Installation};
use super::resource::Reload;
use super::shell;

/// How long to wait before another try, by the number of failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// After the first.
    pub first: Duration,
    /// At most; each wait is twice the one before.
    pub most: Duration,
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff { first: Duration::from_secs(1), most: Duration::from_mins(1) }
    }
}

impl BackOff {
    /// After so many failures in a row.
    pub fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

/// How a reload ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The service runs what is on the disk.
    Done,
    /// It does not, and another try is due.
    Failed(String),
    /// It does not want it, and the files are what they were before.
    RolledBack(String),
    /// We stop.
    Cancelled,
}

/// Runs one reload for everything in `written`.
pub(super) async fn run(
    reload: &Reload,
    timeout: Duration,
    written: Vec<Previous>,
    cancel: &mut watch::Receiver<bool>,
) -> Ended {
    match reload {
        Reload::Command(line) => match shell::run(line, timeout, cancel).await {
            Ok(()) => Ended::Done,
            Err(_) if *cancel.borrow() => Ended::Cancelled,
            Err(failure) => Ended::Failed(format!("reload_cmd `{line}` failed: {failure}")),
        },
        Reload::Nginx { conf, prefix } => {
            let installation = Installation { conf: conf.clone(), prefix: prefix.clone() };
            nginx(&installation, timeout, written, cancel).await
        }
    }
}

async fn nginx(
    installation: &Installation,
    timeout: Duration,
    written: Vec<Previous>,
    cancel: &mut watch::Receiver<bool>,
) -> Ended {
    let error = match nginx::reload::reload(installation, timeout, cancel).await {
        Ok(()) => return Ended::Done,
        Err(nginx::reload::ReloadError::Cancelled) => return Ended::Cancelled,
        Err(error) => error,
    };
    if !error.is_refusal() || written.is_empty() {
        return Ended::Failed(error.to_string());
    }
    let mut text = error.to_string();
    for previous in written.into_iter().rev() {
        let path = previous.path().display().to_string();
        match apply::restore(previous).await {
            Ok(()) => text.extend(["; ", &path, " is as it was before"]),
            Err(error) => {
                text.extend(["; and the former ", &path, " could not be put back: ", &error.to_string()]);
            }
        }
    }
    // So that what nginx runs is what is on the disk, whatever it had begun to do.
    match nginx::reload::reload(installation, timeout, cancel).await {
        Ok(()) => text.push_str(", and nginx runs that"),
        Err(error) => text.extend(["; and then: ", &error.to_string()]),
    }
    Ended::RolledBack(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let seconds = |failures| BackOff::default().after(failures).as_secs();
        assert_eq!([1, 2, 3, 6, 7, u32::MAX].map(seconds), [1, 2, 4, 32, 60, 60]);
    }
}
