//! Verbs that only root can run.

use anyhow::{Result, ensure};
use nix::unistd::Uid;

/// An error that says how to run `verb` as root, unless we are. `what` is why it must be.
pub(crate) fn required(what: &str, verb: &str) -> Result<()> {
    // sudo's own PATH has no folder of rustup's, and `-E` does not keep ours.
    ensure!(
        Uid::effective().is_root(),
        "{what}, which only root can: sudo -E env \"PATH=$PATH\" cargo xtask {verb}"
    );
    Ok(())
}
