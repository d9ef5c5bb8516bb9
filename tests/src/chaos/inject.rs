//! Doing it, and undoing it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::fault::Kind;
use super::plan::{ROUTERS, Router, Variation};
use super::schedule::Planned;
use super::stage::{Node, Stage};
use crate::lab::clock::Moment;
use crate::lab::host::INTERFACE;
use crate::lab::process::Process;
use crate::peers::Peer;

/// Busy processes for each CPU.
const HOGS: usize = 4;
/// The name that an interface has while it is renamed.
const RENAMED: &str = "renamed0";
/// Where an agent pins, in its host's folder.
const PINS: &str = "vipward/bpf";

/// What undoing needs to know.
#[derive(Default)]
pub(super) struct Ongoing {
    hogs: Vec<Process>,
}

impl Stage {
    /// Does it to the victim.
    pub(super) fn inject(&mut self, fault: &Planned) -> Result<Ongoing> {
        let mut ongoing = Ongoing::default();
        let nodes = self.nodes.len();
        let router = router(fault);
        match fault.kind {
            Kind::Partition => self.isolate_ports(true)?,
            Kind::Starve => ongoing.hogs = self.hogs()?,
            Kind::ReloadVip => self.vary_all(Variation { added: fault.vrid, ..Variation::default() })?,
            Kind::OneWay => {
                let port = self.node(fault)?.host.name().to_owned();
                self.lose_adverts_of(&port)?;
            }
            Kind::Kill | Kind::KillAll => self.node(fault)?.kill(fault.kind),
            Kind::Freeze => self.node(fault)?.signal(Signal::SIGSTOP)?,
            Kind::Restart => self.node(fault)?.stop()?,
            Kind::Upgrade => {
                let node = self.node(fault)?;
                node.ask("hold")?;
                node.stop()?;
            }
            Kind::ReloadPriority => {
                self.node(fault)?.vary(nodes, Variation { boosted: fault.vrid, ..Variation::default() })?;
            }
            Kind::ReloadAnnouncements => {
                self.node(fault)?.vary(nodes, Variation { announcements: true, ..Variation::default() })?;
            }
            Kind::Unplug => self.node(fault)?.host.unplug()?,
            Kind::DeleteVip => {
                self.node(fault)?.host.ip(&format!("addr del {} dev {INTERFACE}\n", router.spelt()))?;
            }
            Kind::AddVip => {
                let nodad = if router.ipv6 { " nodad" } else { "" };
                self.node(fault)?
                    .host
                    .ip(&format!("addr add {} dev {INTERFACE}{nodad}\n", router.spelt()))?;
            }
            Kind::Unpin => self.node(fault)?.unpin()?,
            Kind::Rename => {
                self.node(fault)?.host.ip(&format!("link set dev {INTERFACE} name {RENAMED}\n"))?;
            }
            Kind::Recreate => self.node(fault)?.host.delete_interface()?,
            Kind::Drain => self.node(fault)?.ask("drain")?,
        }
        Ok(ongoing)
    }

    /// Undoes it.
    pub(super) fn heal(&mut self, fault: &Planned, ongoing: Ongoing) -> Result<()> {
        let nodes = self.nodes.len();
        let router = router(fault);
        match fault.kind {
            Kind::Partition => self.isolate_ports(false)?,
            Kind::Starve => drop(ongoing),
            Kind::ReloadVip => self.vary_all(Variation::default())?,
            Kind::OneWay => self.nft("delete table bridge chaos\n")?,
            Kind::Kill | Kind::KillAll | Kind::Restart | Kind::Upgrade => self.node(fault)?.start(nodes)?,
            Kind::Freeze => self.node(fault)?.signal(Signal::SIGCONT)?,
            Kind::ReloadPriority | Kind::ReloadAnnouncements => {
                self.node(fault)?.vary(nodes, Variation::default())?;
            }
            Kind::Unplug => self.node(fault)?.host.plug()?,
            Kind::DeleteVip => {}
            Kind::AddVip => {
                // The agent may have removed it already.
                let host = &self.node(fault)?.host;
                if host.holds(router.vip()) {
                    host.ip(&format!("addr del {} dev {INTERFACE}\n", router.spelt()))?;
                }
            }
            // The only way to have everything pinned again.
            Kind::Unpin => {
                let node = self.node(fault)?;
                node.stop()?;
                node.start(nodes)?;
            }
            Kind::Rename => {
                self.node(fault)?.host.ip(&format!("link set dev {RENAMED} name {INTERFACE}\n"))?;
            }
            Kind::Recreate => {
                self.node(fault)?.host.recreate_interface()?;
                let node = self.nodes.get(fault.node).context("no such node")?;
                self.witness.meet(&node.host)?;
            }
            Kind::Drain => self.node(fault)?.ask("undrain")?,
        }
        Ok(())
    }

    fn node(&mut self, fault: &Planned) -> Result<&mut Node> {
        self.nodes.get_mut(fault.node).context("no such node")
    }

    fn vary_all(&mut self, variation: Variation) -> Result<()> {
        let nodes = self.nodes.len();
        self.nodes.iter_mut().try_for_each(|node| node.vary(nodes, variation))
    }

    /// Ports that are isolated reach those alone that are not: the client's.
    fn isolate_ports(&self, isolated: bool) -> Result<()> {
        let word = if isolated { "on" } else { "off" };
        let lines = self
            .nodes
            .iter()
            .map(|node| format!("link set dev {} type bridge_slave isolated {word}\n", node.host.name()));
        self.lab.bridge().ip(&lines.collect::<String>())
    }

    fn lose_adverts_of(&self, port: &str) -> Result<()> {
        self.nft(&format!(
            "table bridge chaos {{\n    chain lost {{\n        type filter hook forward priority 0;\n        \
             iifname \"{port}\" ip protocol 112 drop\n        iifname \"{port}\" ip6 nexthdr 112 drop\n    }}\n}}\n"
        ))
    }

    /// Runs nft(8) on the bridge.
    fn nft(&self, script: &str) -> Result<()> {
        let mut nft = Command::new("nft");
        nft.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            self.lab.bridge().enter(|| nft.spawn())?.context("cannot run nft (package nftables)")?;
        if let Some(mut input) = child.stdin.take() {
            // If nft ends early its complaint says more than our broken pipe.
            let _ = input.write_all(script.as_bytes());
        }
        let output = child.wait_with_output().context("cannot wait for nft")?;
        if !output.status.success() {
            bail!("nft: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Busy processes of normal priority. They end with the lab, whatever becomes of us.
    fn hogs(&self) -> Result<Vec<Process>> {
        let count = HOGS * thread::available_parallelism().map_or(1, usize::from);
        let hog = |number: usize| {
            let mut shell = Command::new("sh");
            shell.args(["-c", "while :; do :; done"]);
            self.client.spawn(&format!("hog{number}"), &mut shell)
        };
        (0..count).map(hog).collect()
    }
}

impl Node {
    fn kill(&mut self, kind: Kind) {
        match self.router.take() {
            Some(router) if kind == Kind::Kill => drop(router.kill_alone()),
            Some(router) => router.kill(),
            None => {}
        }
    }

    /// To the agent alone, and to all of keepalived, whose work is done by a child.
    fn signal(&mut self, signal: Signal) -> Result<()> {
        match self.router.as_mut().context("nothing runs there")? {
            Peer::Vipward(agent) => agent.process().signal(signal),
            Peer::Keepalived(router) => router.process().signal_group(signal),
        }
    }

    fn unpin(&self) -> Result<()> {
        let folder = self.host.folder().join(PINS);
        // Without leases there are none.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // The kernel's own two files cannot be removed.
            if !entry.file_name().to_string_lossy().ends_with(".debug") {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    fn ask(&self, verb: &str) -> Result<()> {
        match &self.router {
            Some(Peer::Vipward(agent)) => agent.ask(&[verb]).map(drop),
            _ => bail!("no agent runs on {}", self.host.name()),
        }
    }
}

/// The router that a fault is about, or some router.
fn router(fault: &Planned) -> &'static Router {
    let [first, ..] = &ROUTERS;
    ROUTERS.iter().find(|router| fault.vrid == Some(router.vrid)).unwrap_or(first)
}

/// Keeps a fault up for as long as it is to last.
pub(super) fn hold(fault: &Planned) {
    (Moment::now() + fault.hold).sleep_until();
}
