//! A running router, vipward or keepalived.

use std::fmt;
use std::fs;
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::lab::Host;
use crate::lab::keepalived::Keepalived;
use crate::lab::vipward::Vipward;

/// How long a router may take to stop.
const STOP: Duration = Duration::from_secs(10);
/// Lines of a log in a report.
const TAIL: usize = 60;

/// Which router, and how it is to receive adverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// vipward with this `--datapath`.
    Vipward(&'static str),
    /// keepalived.
    Keepalived,
}

impl Kind {
    /// vipward by every data path.
    const DATAPATHS: [Kind; 3] =
        [Kind::Vipward("xdp"), Kind::Vipward("xdp-generic"), Kind::Vipward("socket")];

    /// Runs a test with vipward by every data path. Side by side, for most of a test is waiting.
    pub fn by_every_datapath(test: impl Fn(Kind) -> Result<()> + Sync) -> Result<()> {
        let test = &test;
        thread::scope(|scope| {
            let cases = Self::DATAPATHS.map(|kind| (kind, scope.spawn(move || test(kind))));
            // All are waited for, so that none is cut short by another's failure.
            let ended = cases.map(|(kind, case)| (kind, case.join()));
            ended.into_iter().try_for_each(|(kind, end)| match end {
                Ok(result) => result.with_context(|| format!("with {kind}")),
                Err(_) => Err(anyhow!("the test panicked with {kind}")),
            })
        })
    }
}

impl Kind {
    /// The end of the log of one that has ended.
    pub(super) fn last_words(self, host: &Host) -> String {
        let file = match self {
            Kind::Vipward(_) => "vipward.log",
            Kind::Keepalived => "keepalived.log",
        };
        tail(&fs::read_to_string(host.folder().join(file)).unwrap_or_default())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Vipward(datapath) => write!(f, "vipward ({datapath})"),
            Kind::Keepalived => f.write_str("keepalived"),
        }
    }
}

/// A running router.
pub enum Peer {
    /// vipward.
    Vipward(Vipward),
    /// keepalived.
    Keepalived(Keepalived),
}

impl Peer {
    /// Starts a router on `host`; `options` are more of vipward's.
    pub fn start(kind: Kind, host: &Host, config: &str, options: &[String]) -> Result<Peer> {
        Ok(match kind {
            Kind::Vipward(datapath) => {
                let options = options.iter().map(String::as_str);
                let all: Vec<&str> = ["--datapath", datapath].into_iter().chain(options).collect();
                Peer::Vipward(Vipward::start(host, config, &all)?)
            }
            Kind::Keepalived => Peer::Keepalived(Keepalived::start(host, config)?),
        })
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(self) -> Result<ExitStatus> {
        match self {
            Peer::Vipward(agent) => agent.stop(STOP),
            Peer::Keepalived(peer) => peer.stop(STOP),
        }
    }

    /// SIGKILL to all of it.
    pub fn kill(self) {
        match self {
            Peer::Vipward(agent) => agent.kill(),
            Peer::Keepalived(peer) => peer.kill(),
        }
    }

    /// SIGKILL to the router alone: what watches over it stays, and is returned.
    pub fn kill_alone(self) -> Option<Pid> {
        match self {
            Peer::Vipward(agent) => agent.kill_agent(),
            Peer::Keepalived(peer) => {
                peer.kill();
                None
            }
        }
    }

    /// SIGHUP.
    pub fn reload(&self) -> Result<()> {
        match self {
            Peer::Vipward(agent) => agent.reload(),
            Peer::Keepalived(peer) => peer.reload(),
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        match self {
            Peer::Vipward(agent) => agent.log(),
            Peer::Keepalived(peer) => peer.log(),
        }
    }

    /// The agent, if it is one.
    pub fn agent(&self) -> Option<&Vipward> {
        match self {
            Peer::Vipward(agent) => Some(agent),
            Peer::Keepalived(_) => None,
        }
    }

    /// Sends `signal` to the router alone, and to none of its children.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        match self {
            Peer::Vipward(agent) => agent.process().signal(signal),
            Peer::Keepalived(peer) => peer.process().signal(signal),
        }
    }

    /// What it says of itself, and the end of its log: for a test that failed.
    pub fn report(&self) -> String {
        let tail = tail(&self.log());
        match self.agent().map(|agent| agent.ask(&["status", "--json"])) {
            Some(Ok(status)) => format!("{}\n{tail}", status.trim()),
            Some(Err(error)) => format!("no status: {error:#}\n{tail}"),
            None => tail,
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}
