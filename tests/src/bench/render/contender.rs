//! Who renders, and what that costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::site::Site;
use crate::lab::vipward::binary;
use crate::servers::{Daemon, Etcd};

/// A program with confd's command line.
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) is_confd: bool,
    program: PathBuf,
    /// What stands before the flags, and flags of its own.
    words: Vec<&'static str>,
}

impl Contender {
    /// vipward, and a confd if there is one.
    pub(super) fn all() -> Result<Vec<Contender>> {
        // Nobody who waits for further changes is fast.
        let words = vec!["confd", "-wait", "0ms:1s"];
        let mut all =
            vec![Contender { name: "vipward".to_owned(), is_confd: false, program: binary()?, words }];
        let version = Command::new("confd").arg("-version").output().ok();
        if let Some(version) = version.filter(|version| version.status.success()) {
            let text = String::from_utf8_lossy(&version.stdout).into_owned();
            let version = text.split(" (").next().unwrap_or(&text).trim().to_owned();
            // Ours under confd's name would run against itself.
            if !text.contains("vipward") {
                let program = Path::new("confd").to_owned();
                all.push(Contender { name: version, is_confd: true, program, words: Vec::new() });
            }
        }
        Ok(all)
    }

    /// Starts to follow the store.
    pub(super) fn start(&self, site: &Site, etcd: &Etcd) -> Result<Daemon> {
        let mut process = Daemon::new(&self.program)?;
        let (confdir, node) = (site.confdir().display().to_string(), etcd.url());
        let flags = ["-watch", "-backend", "etcdv3", "-node", &node, "-confdir", &confdir];
        // Ours would otherwise note its reloads among those of this host's agent.
        let run_dir = process.folder().join("run").display().to_string();
        let own = ["-run-dir", &run_dir].into_iter().filter(|_| !self.is_confd);
        let words = self.words.iter().copied().chain(flags).chain(own).map(str::to_owned);
        process.set_arguments(words.collect());
        process.start(|| true)?;
        Ok(process)
    }
}

fn pid(process: &Daemon) -> Result<u32> {
    process.pid().context("it does not run")
}

/// CPU time of the process so far, threads that have ended included.
pub(super) fn cpu(process: &Daemon) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid(process)?.cast_signed()))?;
    Ok(clock_gettime(clock)?.into())
}

/// CPU time in percent while nothing is put.
pub(super) fn idle(process: &Daemon, time: Duration) -> Result<f64> {
    let (begun, before) = (Instant::now(), cpu(process)?);
    thread::sleep(time);
    Ok(100.0 * cpu(process)?.saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64())
}

/// Resident memory in MiB.
pub(super) fn resident(process: &Daemon) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/status", pid(process)?))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
    Ok(kib / 1024.0)
}
