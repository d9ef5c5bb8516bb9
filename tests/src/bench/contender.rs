//! Who is measured: keepalived in two ways, vipward on each of its data paths.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Error, Result, bail};
use serde::{Serialize, Serializer};

use super::plan::Plan;
use crate::lab::Host;
use crate::lab::keepalived::Keepalived;
use crate::lab::vipward::Vipward;

/// One way of running a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// keepalived as it comes.
    Keepalived,
    /// keepalived with `vrrp_rt_priority 50`, and no limit on the work it may do at a time.
    KeepalivedRt,
    /// vipward with native XDP.
    Xdp,
    /// vipward with generic XDP.
    XdpGeneric,
    /// vipward with a raw socket.
    Socket,
}

/// The second line is in its favour: by default the kernel kills it after 10 ms of work without a pause, which 100
/// VIPs at once are, and it restarts seconds later (`rlimit_rttime`, seen with 2.2.7).
const REAL_TIME: &str = "    vrrp_rt_priority 50\n    vrrp_rlimit_rttime 10000000\n";
/// How long a router may take to end when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);

impl Contender {
    /// All of them.
    pub const ALL: [Contender; 5] =
        [Self::Keepalived, Self::KeepalivedRt, Self::Xdp, Self::XdpGeneric, Self::Socket];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Keepalived => "keepalived",
            Contender::KeepalivedRt => "keepalived-rt",
            Contender::Xdp => "xdp",
            Contender::XdpGeneric => "xdp-generic",
            Contender::Socket => "socket",
        }
    }

    /// Whether it is ours, so that goals are set for it.
    pub(super) fn is_vipward(self) -> bool {
        self.datapath().is_some()
    }

    /// Whether the kernel watches the master for it, without its agent.
    pub(super) fn watches_in_kernel(self) -> bool {
        matches!(self, Contender::Xdp | Contender::XdpGeneric)
    }

    fn datapath(self) -> Option<&'static str> {
        match self {
            Contender::Keepalived | Contender::KeepalivedRt => None,
            Contender::Xdp | Contender::XdpGeneric | Contender::Socket => Some(self.name()),
        }
    }

    /// Lines of `global_defs` that make it what it is.
    pub(super) fn globals(self) -> &'static str {
        if self == Contender::KeepalivedRt { REAL_TIME } else { "" }
    }

    /// Starts it on `host`.
    pub(super) fn start(self, host: &Host, plan: &Plan, priority: u8) -> Result<Router> {
        self.start_with(host, plan, priority, &[])
    }

    /// The same, with further options for vipward.
    pub(super) fn start_with(
        self,
        host: &Host,
        plan: &Plan,
        priority: u8,
        options: &[&str],
    ) -> Result<Router> {
        let config = plan.config(priority, self.globals());
        Ok(match self.datapath() {
            None => Router::Keepalived(Keepalived::start_terse(host, &config)?),
            Some(datapath) => {
                let options = [&["--datapath", datapath], options].concat();
                Router::Vipward(Vipward::start(host, &config, &options)?)
            }
        })
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Contender::Keepalived => "keepalived",
            Contender::KeepalivedRt => "keepalived rt 50",
            Contender::Xdp => "vipward xdp",
            Contender::XdpGeneric => "vipward xdp-generic",
            Contender::Socket => "vipward socket",
        })
    }
}

impl FromStr for Contender {
    type Err = Error;

    fn from_str(name: &str) -> Result<Contender> {
        match Contender::ALL.into_iter().find(|contender| contender.name() == name) {
            Some(contender) => Ok(contender),
            None => bail!("there is no {name}: {}", Contender::ALL.map(Contender::name).join(", ")),
        }
    }
}

impl Serialize for Contender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A running contender. Dropping it kills it.
pub(super) enum Router {
    Keepalived(Keepalived),
    Vipward(Vipward),
}

impl Router {
    /// SIGKILL to all its processes at one blow.
    pub(super) fn kill(self) {
        match self {
            Router::Keepalived(router) => router.kill(),
            Router::Vipward(router) => router.kill(),
        }
    }

    /// SIGKILL to the agent, and to nothing that it left to outlive it; to all of keepalived.
    pub(super) fn kill_agent(self) {
        match self {
            Router::Keepalived(router) => router.kill(),
            Router::Vipward(router) => drop(router.kill_agent()),
        }
    }

    /// SIGTERM, and waits for its end.
    pub(super) fn stop(self) -> Result<()> {
        match self {
            Router::Keepalived(router) => router.stop(STOP_LIMIT),
            Router::Vipward(router) => router.stop(STOP_LIMIT),
        }
        .map(|_status| ())
    }

    /// Gives it another configuration, and has it read.
    pub(super) fn reload(&self, host: &Host, config: &str) -> Result<()> {
        match self {
            Router::Keepalived(router) => host.write("keepalived.conf", config).and_then(|_| router.reload()),
            Router::Vipward(router) => host.write("vipward.conf", config).and_then(|_| router.reload()),
        }
    }

    /// Whether it still runs.
    pub(super) fn running(&mut self) -> bool {
        match self {
            Router::Keepalived(router) => router.process().running(),
            Router::Vipward(router) => router.process().running(),
        }
    }

    /// The last lines that it logged, for when it did not do what it should.
    pub(super) fn last_words(&self) -> String {
        const LINES: usize = 8;
        let log = match self {
            Router::Keepalived(router) => router.log(),
            Router::Vipward(router) => router.log(),
        };
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for contender in Contender::ALL {
            assert_eq!(contender.name().parse::<Contender>().unwrap(), contender);
        }
        assert!("heartbeat".parse::<Contender>().is_err());
    }
}
