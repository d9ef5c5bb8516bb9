//! Check and reload commands: a line for `/bin/sh`, ended in time with everything that it started.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use crate::check::launch::{Identity, Launch, Program};
use crate::check::process::{self, Exit};

/// confd's shell, at confd's place.
const SHELL: &str = "/bin/sh";

/// A command that did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// How it ended.
    pub exit: Exit,
    /// The end of what it printed, as one line.
    pub output: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.exit)?;
        if self.output.is_empty() { Ok(()) } else { write!(f, ": {}", self.output) }
    }
}

/// Runs `line` as our own user, for at most `timeout` or until `cancel` becomes true.
pub(super) async fn run(
    line: &str,
    timeout: Duration,
    cancel: &mut watch::Receiver<bool>,
) -> Result<(), Failure> {
    let program = Program::Shell { shell: SHELL.to_owned(), line: line.to_owned() };
    let launch = Launch { program, identity: Identity::own(), secure: false };
    let finished = process::run(&launch, &[], timeout, cancel).await;
    if finished.exit.is_success() {
        Ok(())
    } else {
        Err(Failure { exit: finished.exit, output: finished.output })
    }
}
