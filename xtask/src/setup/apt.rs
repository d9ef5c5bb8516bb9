//! Debian packages: installed by apt-get when we may, otherwise named together with the exact command.

use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::daemons;
use crate::{programs, say};

/// Installs `packages` without starting any daemon that they bring.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if programs::find("apt-get").is_none() {
        bail!(
            "cannot install {wanted}: there is no apt-get here\n\
             Install what these Debian packages hold by this system's own means, then run this again."
        );
    }
    if !Uid::effective().is_root() {
        bail!(
            "only root can install {wanted}\n\
             Run:  sudo apt-get update && sudo apt-get install -y --no-install-recommends {wanted}\n\
             then run this again."
        );
    }
    refresh_lists();
    say::line("apt-get", format_args!("install {wanted}"));
    let quiet = daemons::Quiet::begin()?;
    let outcome =
        programs::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages));
    quiet.end(packages);
    outcome.with_context(|| {
        format!("the packages {wanted} could not be installed; the lines above say why (offline, or no such package?)")
    })
}

/// Fetches the package lists; a failure is only said, for the lists at hand may do.
pub(crate) fn refresh_lists() {
    say::line("apt-get", "update");
    if let Err(error) = programs::run(apt_get().args(["update", "-qq"])) {
        say::line("apt-get", format_args!("{error:#}; going on with the lists at hand"));
    }
}

/// Whether apt knows a version of `package` that it could install.
pub(crate) fn available(package: &str) -> bool {
    programs::ask("apt-cache", &["policy", package]).is_some_and(|policy| {
        policy.lines().any(|line| line.contains("Candidate:") && !line.contains("(none)"))
    })
}

/// Whether dpkg has `package` installed.
pub(crate) fn installed(package: &str) -> bool {
    programs::ask("dpkg-query", &["-W", "-f", "${db:Status-Status}", package])
        .is_some_and(|s| s == "installed")
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another apt run (unattended upgrades) is waited for, up to two minutes.
    command
        .args(["-o", "DPkg::Lock::Timeout=120"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_SUSPEND", "1");
    command
}
