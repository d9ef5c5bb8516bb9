//! The vipward agent on a host, by its binary and its command line, as a user runs it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::host::Host;
use super::process::Process;
use super::wait;

/// Names the binary to use.
const BINARY_VARIABLE: &str = "VIPWARD_BIN";

/// A running agent.
pub struct Vipward {
    process: Process,
    binary: PathBuf,
    run_dir: PathBuf,
}

/// What `vipward status --json` says; fields that the lab does not look at are left out.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// One per `vrrp_instance`.
    pub instances: Vec<Instance>,
}

/// One instance of a [`Status`].
#[derive(Clone, Debug, Deserialize)]
pub struct Instance {
    /// Its name in the config.
    pub name: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// `MASTER`, `BACKUP`, `FAULT` or `INIT`.
    pub state: String,
    /// Priority in the config.
    pub priority: u8,
    /// Priority with the weights of its scripts.
    pub effective_priority: u8,
    /// The master that it hears, or itself.
    pub master: Option<Master>,
    /// Its virtual addresses as `ADDRESS/LENGTH`.
    pub vips: Vec<String>,
    /// `xdp`, `xdp-generic` or `socket`; nothing while its interface does not exist.
    pub datapath: Option<String>,
    /// Why it is that one.
    pub datapath_reason: Option<String>,
    /// Changes of state so far.
    pub transitions: u64,
    /// Why the last one was.
    pub last_cause: Option<String>,
    /// What keeps it in FAULT or INIT.
    pub fault: Option<String>,
    /// Adverts that it accepted.
    pub adverts_received: u64,
    /// Adverts that a receive check rejected.
    pub adverts_rejected: u64,
    /// The same by reason.
    pub adverts_rejected_by: BTreeMap<String, u64>,
}

/// The master in an [`Instance`].
#[derive(Clone, Debug, Deserialize)]
pub struct Master {
    /// Where its adverts come from.
    pub address: IpAddr,
    /// The priority in them.
    pub priority: u8,
}

impl Vipward {
    /// Starts `vipward run` with the text of a keepalived.conf and more arguments.
    pub fn start(host: &Host, config: &str, args: &[&str]) -> Result<Vipward> {
        Vipward::start_binary(&binary()?, host, config, args)
    }

    /// Starts a certain binary in the same way.
    pub fn start_binary(binary: &Path, host: &Host, config: &str, args: &[&str]) -> Result<Vipward> {
        let config = host.write("vipward.conf", config)?;
        let run_dir = host.folder().join("vipward");
        let mut command = Command::new(binary);
        command.arg("run").arg("-f").arg(config).arg("--run-dir").arg(&run_dir);
        command.args(args);
        Ok(Vipward { process: host.spawn("vipward", &mut command)?, binary: binary.to_owned(), run_dir })
    }

    /// What the agent says of itself.
    pub fn status(&self) -> Result<Status> {
        let output = self.ask(&["status", "--json"])?;
        serde_json::from_str(&output).with_context(|| format!("vipward status --json printed {output:?}"))
    }

    /// The first instance, once the agent answers.
    pub fn instance(&self) -> Option<Instance> {
        self.status().ok()?.instances.into_iter().next()
    }

    /// The state of the instance with this VRID, if the agent answers and has one.
    pub fn state(&self, vrid: u8) -> Option<String> {
        self.status()
            .ok()?
            .instances
            .into_iter()
            .find(|instance| instance.vrid == vrid)
            .map(|found| found.state)
    }

    /// Waits until the instance with this VRID is in `state`.
    pub fn reaches(&self, vrid: u8, state: &str, limit: Duration) -> Result<()> {
        let what = format!("VRID {vrid} to become {state}");
        wait::until(&what, limit, || self.state(vrid).as_deref() == Some(state))
            .with_context(|| format!("the agent said:\n{}", self.log()))
    }

    /// Runs one of the subcommands that talk to the control socket, and returns what it prints.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(words).arg("--run-dir").arg(&self.run_dir).stdin(Stdio::null());
        // Ctrl-C is for us and not for a question that we are asking.
        command.process_group(0);
        let output = command.output().with_context(|| format!("cannot run {}", self.binary.display()))?;
        if !output.status.success() {
            bail!("vipward {} failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// SIGTERM: priority 0, addresses removed.
    pub fn stop(mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.stop(limit)
    }

    /// SIGKILL to everything at one blow, as when the host dies: the guard too, which would hand over.
    pub fn kill(mut self) {
        if let Some(guard) = self.guard() {
            let _ = kill(guard, Signal::SIGKILL);
        }
        self.process.kill();
    }

    /// SIGKILL to the agent alone, as when it crashes. Returns its guard, which outlives it for a moment.
    pub fn kill_agent(mut self) -> Option<Pid> {
        let guard = self.guard();
        self.process.kill();
        guard
    }

    /// The guard's process.
    pub fn guard(&self) -> Option<Pid> {
        let agent = self.process.pid();
        let is_guard = |pid: &Pid| {
            let name = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            name.split(|byte| *byte == 0).nth(1) == Some(b"guard") && parent(*pid) == Some(agent)
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
        pids.into_iter().find(is_guard)
    }

    /// SIGHUP: reads its config again.
    pub fn reload(&self) -> Result<()> {
        self.process.signal(Signal::SIGHUP)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process, for what has no word here.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The process that started another; the fourth field of its `stat`, behind a name that may hold anything.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok().map(Pid::from_raw)
}

/// The agent's binary: `$VIPWARD_BIN`, else the newer of the release and the debug build.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os(BINARY_VARIABLE).map(PathBuf::from) {
        ensure!(path.is_file(), "{BINARY_VARIABLE}: there is no file {}", path.display());
        return Ok(path);
    }
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let built = ["release", "debug"].map(|profile| target.join(profile).join("vipward"));
    let newest =
        built.into_iter().filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path))).max();
    match newest {
        Some((_, path)) => Ok(path),
        None => bail!("there is no vipward binary in {}: run `cargo build -p vipward`", target.display()),
    }
}
