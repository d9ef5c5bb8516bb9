//! Installing nginx, keepalived and stores for the lab and the tests must not start them on this host, now or at the next boot.
//!
//! Debian's maintainer scripts ask `/usr/sbin/policy-rc.d` before they start anything (invoke-rc.d(8)). Where
//! there is none, one that says no stands there while apt-get runs; one that is already there is left alone.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{programs, say};

const POLICY: &str = "/usr/sbin/policy-rc.d";
/// 101: "action forbidden by policy". The comment tells a later run that a left-over is ours.
const DENY: &str =
    "#!/bin/sh\n# Left here by `cargo xtask setup` while it installs packages; safe to remove.\nexit 101\n";

/// Packages whose unit would start at the next boot.
const UNITS: [(&str, &str); 5] = [
    ("nginx-light", "nginx.service"),
    ("keepalived", "keepalived.service"),
    ("etcd-server", "etcd.service"),
    ("redis-server", "redis-server.service"),
    ("prometheus", "prometheus.service"),
];

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// While this lives no installed package starts a daemon. Dropping it restores what was there.
pub(crate) struct Quiet {
    ours: bool,
    handlers: Vec<(Signal, SigAction)>,
}

impl Quiet {
    /// Puts the policy in place.
    pub(crate) fn begin() -> Result<Quiet> {
        let ours = match fs::read_to_string(POLICY) {
            Ok(text) if text == DENY => true,
            Ok(_) => {
                say::line("daemons", format_args!("left to the {POLICY} that this machine already has"));
                false
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                say::line(
                    "daemons",
                    format_args!("kept from starting by a {POLICY} until apt-get has ended"),
                );
                true
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {POLICY}")),
        };
        let quiet = Quiet { ours, handlers: if ours { outlive_signals() } else { Vec::new() } };
        if ours {
            fs::write(POLICY, DENY).with_context(|| format!("cannot write {POLICY}"))?;
            fs::set_permissions(POLICY, Permissions::from_mode(0o755))
                .with_context(|| format!("cannot make {POLICY} executable"))?;
        }
        Ok(quiet)
    }

    /// Takes the policy away, and keeps the units of the new `packages` from starting at boot.
    pub(crate) fn end(self, packages: &[&str]) {
        drop(self);
        if !Path::new("/run/systemd/system").exists() {
            return;
        }
        for (_, unit) in UNITS.iter().filter(|(package, _)| packages.contains(package)) {
            say::line("daemons", format_args!("systemctl disable {unit}"));
            if let Err(error) = programs::run(Command::new("systemctl").args(["disable", "--quiet", unit])) {
                say::line("daemons", format_args!("{error:#}"));
            }
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.ours
            && fs::read_to_string(POLICY).is_ok_and(|text| text == DENY)
            && let Err(error) = fs::remove_file(POLICY)
        {
            say::line("daemons", format_args!("cannot remove {POLICY}: {error}; remove it by hand"));
        }
        for (signal, handler) in &self.handlers {
            // SAFETY: puts back the handler that was in force before.
            let _ = unsafe { sigaction(*signal, handler) };
        }
    }
}

extern "C" fn ignore(_: i32) {}

/// Ctrl-C then ends apt-get, and us after the policy has been taken away. A handler and not SIG_IGN, because
/// apt-get would inherit that.
fn outlive_signals() -> Vec<(Signal, SigAction)> {
    let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::SA_RESTART, SigSet::empty());
    let mut before = Vec::new();
    for signal in SIGNALS {
        // SAFETY: the handler does nothing, so it is async-signal-safe.
        if let Ok(handler) = unsafe { sigaction(signal, &action) } {
            before.push((signal, handler));
        }
    }
    before
}
