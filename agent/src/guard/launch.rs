//! Starting the guard, and starting it again should it end.

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use nix::libc;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tracing::{error, warn};

use super::will::{Ending, Will};

/// Under which descriptor the guard finds the leases.
pub(super) const LEASES_FD: i32 = libc::STDOUT_FILENO;
/// Pause before another guard is started.
const PAUSE: Duration = Duration::from_secs(1);

/// A running guard, and whoever replaces it.
#[derive(Debug)]
pub struct Guard {
    will: Will,
    keeper: JoinHandle<()>,
}

impl Guard {
    /// Starts a guard for this process, with the leases' map if there is one. After a crash it keeps serving for
    /// `keep`, or hands over at once.
    pub fn start(will: Will, leases: Option<OwnedFd>, keep: Duration) -> std::io::Result<Guard> {
        let spawn = {
            let will = will.share()?;
            move || -> std::io::Result<Child> {
                let mut command = Command::new("/proc/self/exe");
                command.arg0("vipward").arg("guard");
                command.arg("--keep").arg(u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX).to_string());
                command.stdin(will.fd().try_clone_to_owned()?);
                match &leases {
                    Some(leases) => command.arg("--leases").stdout(leases.try_clone()?),
                    None => command.stdout(Stdio::null()),
                };
                // What ends the agent's group is not meant for its guard.
                command.process_group(0).spawn()
            }
        };
        let mut child = spawn()?;
        let kept = will.share()?;
        let keeper = tokio::spawn(async move {
            loop {
                let ended = child.wait().await;
                if kept.planned() == Ending::Nothing {
                    return;
                }
                match ended {
                    Ok(status) => warn!("the guard ended ({status}); starting another"),
                    Err(error) => warn!(%error, "the guard cannot be watched; starting another"),
                }
                child = loop {
                    tokio::time::sleep(PAUSE).await;
                    match spawn() {
                        Ok(child) => break child,
                        Err(error) => error!(%error, "no guard: the agent's death will be noticed late"),
                    }
                };
            }
        });
        Ok(Guard { will, keeper })
    }

    /// What the guard is to do when this process ends.
    pub fn will(&self) -> &Will {
        &self.will
    }

    /// Leaves the guard to do what was planned.
    pub fn leave(self) {
        self.keeper.abort();
    }
}
