//! The real keepalived on a host: the peer that vipward must get along with, and be better than.

use std::fs;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::host::Host;
use super::process::Process;

/// A running keepalived.
pub struct Keepalived(Process);

impl Keepalived {
    /// Starts it with the text of a keepalived.conf. Its pid files lie in the host's folder, so several can run.
    pub fn start(host: &Host, config: &str) -> Result<Keepalived> {
        Keepalived::start_with(host, config, &["--log-detail"])
    }

    /// Starts it in the same way without a log line for every GARP, as a measured one runs.
    pub fn start_terse(host: &Host, config: &str) -> Result<Keepalived> {
        Keepalived::start_with(host, config, &[])
    }

    fn start_with(host: &Host, config: &str, args: &[&str]) -> Result<Keepalived> {
        let config = host.write("keepalived.conf", config)?;
        let folder = host.folder();
        let mut command = Command::new("keepalived");
        command.args(["--dont-fork", "--vrrp", "--log-console", "--no-syslog"]).args(args);
        command.arg("--use-file").arg(config);
        for (option, file) in [
            ("--pid", "keepalived.pid"),
            ("--vrrp_pid", "keepalived-vrrp.pid"),
            ("--checkers_pid", "keepalived-checkers.pid"),
        ] {
            let path = folder.join(file);
            // One that was killed leaves its files, and counts as running until init has reaped it.
            let _ = fs::remove_file(&path);
            command.arg(option).arg(path);
        }
        Ok(Keepalived(host.spawn("keepalived", &mut command)?))
    }

    /// SIGTERM: it announces priority 0 and removes its addresses.
    pub fn stop(mut self, limit: Duration) -> Result<ExitStatus> {
        self.0.stop(limit)
    }

    /// SIGKILL to parent and children together: its addresses stay where they are.
    pub fn kill(mut self) {
        self.0.kill();
    }

    /// SIGHUP: reads its config again.
    pub fn reload(&self) -> Result<()> {
        self.0.signal(Signal::SIGHUP)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.0.log()
    }

    /// The process, for what has no word here.
    pub fn process(&mut self) -> &mut Process {
        &mut self.0
    }
}
