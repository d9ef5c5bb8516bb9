//! Where it happens: the nodes with their routers, a client that watches, and what is known of them.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::unistd::Pid;

use super::holdings::Holdings;
use super::plan::{ROUTERS, Variation, config};
use crate::lab::clock::Moment;
use crate::lab::witness::{PATIENCE, Witness};
use crate::lab::{Host, Lab, wait};
use crate::peers::{Kind, Peer};

/// Between two questions to everybody about each VIP.
const PERIOD: Duration = Duration::from_millis(5);
/// How long a guard may outlive its agent that was stopped.
const LAST: Duration = Duration::from_secs(5);
/// How long one node alone must have answered before a router counts as settled.
const CALM: Duration = Duration::from_millis(150);
/// How long everything may take to settle: several Master_Down_Intervals of the slowest router.
const SETTLE: Duration = Duration::from_secs(30);
/// Between two looks at whether it has: asking agents costs CPU time that they might want.
const LOOK: Duration = Duration::from_millis(100);

/// One node.
pub(super) struct Node {
    pub(super) host: Host,
    /// Nothing while it does not run.
    pub(super) router: Option<Peer>,
    pub(super) kind: Kind,
    /// What its configuration has besides.
    pub(super) variation: Variation,
    options: Vec<String>,
    number: usize,
    /// Bytes of its log that were read.
    read: usize,
}

/// A change of state that a router has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) vrid: u8,
    /// When it was logged; keepalived says that to the second only.
    pub(super) at: Option<Moment>,
    pub(super) line: String,
}

/// All of it.
pub(super) struct Stage {
    // Dropped in this order: who uses the hosts goes first.
    pub(super) witness: Witness,
    pub(super) nodes: Vec<Node>,
    pub(super) client: Host,
    pub(super) lab: Lab,
    pub(super) holdings: Holdings,
}

impl Node {
    /// Whether vipward runs on it.
    pub(super) fn is_vipward(&self) -> bool {
        self.kind != Kind::Keepalived
    }

    fn log_file(&self) -> PathBuf {
        self.host.folder().join(if self.is_vipward() { "vipward.log" } else { "keepalived.log" })
    }

    fn text(&self, nodes: usize) -> String {
        config(self.number, nodes, self.variation)
    }

    /// Starts its router.
    pub(super) fn start(&mut self, nodes: usize) -> Result<()> {
        self.router = Some(Peer::start(self.kind, &self.host, &self.text(nodes), &self.options)?);
        Ok(())
    }

    /// Stops it in order; it must end well.
    pub(super) fn stop(&mut self) -> Result<()> {
        let Some(router) = self.router.take() else { return Ok(()) };
        let status = router.stop().with_context(|| self.host.name().to_owned())?;
        if !status.success() {
            bail!("{} on {} ended with {status} after SIGTERM", self.kind, self.host.name());
        }
        Ok(())
    }

    /// Has it read its configuration again, with another variation, and waits until that applies.
    pub(super) fn vary(&mut self, nodes: usize, variation: Variation) -> Result<()> {
        self.variation = variation;
        let file = if self.is_vipward() { "vipward.conf" } else { "keepalived.conf" };
        self.host.write(file, &self.text(nodes))?;
        match &self.router {
            Some(Peer::Vipward(agent)) => agent.ask(&["reload"]).map(drop),
            Some(router) => router.reload(),
            None => Ok(()),
        }
    }

    /// The router's process.
    pub(super) fn pid(&mut self) -> Option<Pid> {
        Some(match self.router.as_mut()? {
            Peer::Vipward(agent) => agent.process().pid(),
            Peer::Keepalived(router) => router.process().pid(),
        })
    }

    /// Changes of state that were logged since the last call.
    pub(super) fn moves(&mut self) -> Vec<Move> {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let new = String::from_utf8_lossy(log.get(self.read..).unwrap_or_default()).into_owned();
        self.read = log.len();
        new.lines().filter_map(transition).collect()
    }

    /// The last lines of its log.
    pub(super) fn last_words(&self) -> String {
        const LINES: usize = 25;
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }

    /// Why it is not as it should be when `masters` are its VRIDs as master; nothing if it is.
    fn unsettled(&self, masters: &[u8]) -> Option<String> {
        let name = self.host.name();
        let held = self.host.addresses().unwrap_or_default();
        for router in ROUTERS {
            let should = masters.contains(&router.vrid);
            if held.contains(&router.vip()) != should {
                return Some(format!("{name} {} {}", if should { "lacks" } else { "has" }, router.vip()));
            }
        }
        let Some(Peer::Vipward(agent)) = &self.router else { return None };
        let Ok(status) = agent.status() else { return Some(format!("{name} gives no status")) };
        status.instances.iter().find_map(|instance| {
            let expected = if masters.contains(&instance.vrid) { "MASTER" } else { "BACKUP" };
            let wrong = instance.state != expected;
            wrong.then(|| format!("{name} is {} of VRID {}", instance.state, instance.vrid))
        })
    }
}

/// Reads `… VI_11: BACKUP → MASTER because …` of vipward, and `(VI_11) Entering MASTER STATE` of keepalived.
fn transition(line: &str) -> Option<Move> {
    let is_transition = line.contains(" → ") || line.contains(" Entering ");
    let digits = line.split("VI_").nth(1)?.split(|digit: char| !digit.is_ascii_digit()).next()?;
    let vrid = digits.parse().ok()?;
    is_transition.then(|| Move { vrid, at: stamp(line), line: line.to_owned() })
}

/// The time at the beginning of a line of vipward's.
fn stamp(line: &str) -> Option<Moment> {
    let time = humantime::parse_rfc3339(line.split_whitespace().next()?).ok()?;
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Moment::from_realtime(since_epoch.into()))
}

impl Stage {
    /// Makes it; nothing runs yet. The kinds are those of the nodes; `options` are more of vipward's.
    pub(super) fn new(kinds: &[Kind], options: &[String]) -> Result<Stage> {
        let lab = Lab::new()?;
        let mut nodes = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            let host = lab.host(&format!("n{}", number + 1))?;
            let (options, variation) = (options.to_vec(), Variation::default());
            nodes.push(Node { host, router: None, kind: *kind, variation, options, number, read: 0 });
        }
        let client = lab.host("client")?;
        let vips: Vec<IpAddr> = ROUTERS
            .iter()
            .map(super::plan::Router::vip)
            .chain(ROUTERS.iter().map(super::plan::Router::second_vip))
            .collect();
        let hosts: Vec<&Host> = nodes.iter().map(|node| &node.host).collect();
        let witness = Witness::start(&client, &hosts, &vips, PERIOD)?;
        Ok(Stage { witness, nodes, client, lab, holdings: Holdings::default() })
    }

    /// Starts all routers.
    pub(super) fn start(&mut self) -> Result<()> {
        let count = self.nodes.len();
        self.nodes.iter_mut().try_for_each(|node| node.start(count))
    }

    /// The node that must be a router's master while all of them are well.
    pub(super) fn master(&self, place: usize) -> usize {
        let Some(router) = ROUTERS.get(place) else { return 0 };
        let boosted = self.nodes.iter().position(|node| node.variation.boosted == Some(router.vrid));
        boosted.unwrap_or(router.first)
    }

    /// Waits until every router has the master that it should have, and no other node answers or has the VIP.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut why = String::new();
        let settled = wait::value("everything to settle", SETTLE, || {
            let found = self.unsettled();
            let done = found.is_none();
            if let Some(found) = found {
                why = found;
                (Moment::now() + LOOK).sleep_until();
            }
            done.then_some(())
        });
        if settled.is_err() {
            bail!("not settled after {SETTLE:?}: {why}");
        }
        let pids: Vec<Pid> = self.nodes.iter_mut().filter_map(Node::pid).collect();
        self.holdings.note(&pids);
        Ok(())
    }

    fn unsettled(&self) -> Option<String> {
        let since = Moment::now() - PATIENCE - CALM;
        for (place, router) in ROUTERS.iter().enumerate() {
            let expected = self.nodes.get(self.master(place))?.host.name();
            let sole = self.witness.look(place, |record| record.sole_since(since));
            if sole.as_deref() != Some(expected) {
                let seen = self.witness.look(place, |record| record.story(since, Moment(u64::MAX)));
                return Some(format!("for VRID {} {expected} alone should answer: {seen}", router.vrid));
            }
        }
        self.nodes.iter().enumerate().find_map(|(number, node)| {
            let routers = ROUTERS.iter().enumerate().filter(|(place, _)| self.master(*place) == number);
            let masters: Vec<u8> = routers.map(|(_, router)| router.vrid).collect();
            node.unsettled(&masters)
        })
    }

    /// Stops all routers in order and says what they left behind on their hosts.
    pub(super) fn stop(&mut self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for node in &mut self.nodes {
            node.stop()?;
        }
        let vips: Vec<IpAddr> =
            ROUTERS.iter().flat_map(|router| [router.vip(), router.second_vip()]).collect();
        for node in &self.nodes {
            let name = node.host.name();
            let held = node.host.addresses()?;
            let empty = || node.host.namespace().processes().is_empty();
            if wait::until("the last process to end", LAST, empty).is_err() {
                left.push(format!("processes on {name}: {:?}", node.host.namespace().processes()));
            }
            left.extend(vips.iter().filter(|vip| held.contains(vip)).map(|vip| format!("{vip} on {name}")));
            let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
            let folder = node.host.folder().display().to_string();
            left.extend(
                mounts.lines().filter(|line| line.contains(&folder)).map(|line| format!("mount {line}")),
            );
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_are_read_from_both_logs() {
        let ours = "2026-01-01T00:00:00.0Z  INFO VI_11: BACKUP → MASTER because no master was heard (priority 200) \
                    instance=VI_11 from=BACKUP to=MASTER";
        assert_eq!(transition(ours).map(|found| found.vrid), Some(11));
        let theirs = "Wed Nov 25 10:34:48 2026: (VI_12) Entering BACKUP STATE";
        assert_eq!(transition(theirs).map(|found| found.vrid), Some(12));
        assert_eq!(transition("(VI_12) removing VIPs."), None);
        assert_eq!(transition("adverts on eth0 → xdp"), None);
    }
}
