//! A scene that stands: two nodes with agent and nginx, a client with a probe for each VIP.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::nginx::Nginx;
use vipward_tests::lab::probe::Pages;
use vipward_tests::lab::vipward::{Status, Vipward};
use vipward_tests::lab::{Host, Lab};

use super::scene::{Deed, MARGIN, Scene};
use super::stop;
use super::store::{self, Store};
use super::table::{self, Row, Table, Verdict};

/// The client asks for each page this often.
pub(super) const PROBE_PERIOD: Duration = Duration::from_millis(2);
/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(100);
/// A step is over when everything has been as it should for this long.
const SETTLED: Duration = Duration::from_millis(600);
/// A page that is older than this is no sign that the VIP is served.
const FRESH: Duration = Duration::from_millis(100);
/// A step that takes this much longer than its bound will not succeed any more.
const PATIENCE: Duration = Duration::from_secs(15);

/// Lines of each agent's log that are shown after a failure.
const LOG_LINES: usize = 12;
const NOTIFY: &str = include_str!("../../../tests/lab/notify.sh");
/// Where the configs expect their scripts; each node has a folder of its own for it.
const CONFIG_FOLDER: &str = "/etc/keepalived";

/// How a step ended.
pub(super) enum Outcome {
    Good,
    /// What was wrong, for the terminal.
    Bad(String),
    Interrupted,
}

/// Dropping it removes everything.
pub(super) struct Site {
    scene: Scene,
    probes: Vec<Pages>,
    bystander: Bystander,
    nodes: Vec<Node>,
    client: Host,
    store: Store,
    /// What the store asks for now.
    release: u32,
    lab: Lab,
    /// The agent's binary.
    agent: PathBuf,
}

struct Node {
    agent: Option<Vipward>,
    nginx: Option<Nginx>,
    host: Host,
}

impl Node {
    /// What its agent has logged so far.
    fn log(&self) -> String {
        self.agent.as_ref().map(Vipward::log).unwrap_or_default()
    }
}

/// A web server that nothing ever happens to. When its pages stay away it was this machine that had no time, and
/// the VIPs' pages stayed away with them.
struct Bystander {
    probe: Pages,
    _nginx: Nginx,
    _host: Host,
}

impl Bystander {
    fn start(lab: &Lab, client: &Host) -> Result<Bystander> {
        let host = lab.host("bystander")?;
        let nginx = Nginx::start(&host)?;
        let probe = Pages::start(client, host.address().into(), PROBE_PERIOD)?;
        Ok(Bystander { probe, _nginx: nginx, _host: host })
    }
}

impl Site {
    /// Makes hosts and starts nginx and the probes; the agents start with [`Deed::Start`].
    pub(super) fn build(scene: Scene, agent: &Path, etcd: bool) -> Result<Site> {
        let lab = Lab::new()?;
        let mut nodes = Vec::new();
        for name in ["n1", "n2"] {
            let host = lab.host(name)?;
            host.write("notify.sh", NOTIFY)?;
            nodes.push(Node { agent: None, nginx: Some(Nginx::start(&host)?), host });
        }
        let client = lab.host("client")?;
        let store = Store::start(&lab, etcd, agent)?;
        let probe = |instance: &super::settings::Instance| Pages::start(&client, instance.vip, PROBE_PERIOD);
        let probes = scene.instances(0).iter().map(probe).collect::<Result<_>>()?;
        let bystander = Bystander::start(&lab, &client)?;
        let agent = agent.to_owned();
        Ok(Site { scene, probes, bystander, nodes, client, store, release: 1, lab, agent })
    }

    /// Which store the nodes follow.
    pub(super) fn store(&self) -> String {
        self.store.name()
    }

    /// Lets `deed` happen, shows what follows, and judges it.
    pub(super) fn perform(&mut self, deed: Deed) -> Result<Outcome> {
        let begun = Moment::now();
        let logged: Vec<usize> = self.nodes.iter().map(|node| node.log().len()).collect();
        self.act(deed)?;
        let slowest =
            (0..self.probes.len()).filter_map(|vip| self.scene.bound(vip, deed)).max().unwrap_or_default();
        let deadline = Instant::now() + slowest + PATIENCE;
        let mut table = Table::new();
        let mut right_since: Option<Instant> = None;
        loop {
            let now = Moment::now();
            let (mut rows, right) = self.look(deed, begun, now);
            right_since = if right { right_since.or_else(|| Some(Instant::now())) } else { None };
            let settled = right_since.is_some_and(|since| since.elapsed() >= SETTLED);
            let given_up = !settled && (Instant::now() >= deadline || self.an_agent_ended());
            if stop::requested() {
                return Ok(Outcome::Interrupted);
            }
            if settled || given_up {
                for (vip, row) in rows.iter_mut().enumerate() {
                    row.verdict = if settled { self.judge(vip, deed, begun, now) } else { Verdict::Bad };
                }
                table.finish(&rows);
                let good = rows.iter().all(|row| row.verdict != Verdict::Bad);
                return Ok(if good { Outcome::Good } else { Outcome::Bad(self.complaint(settled, &logged)) });
            }
            table.draw(&rows);
            thread::sleep(LOOK);
        }
    }

    fn act(&mut self, deed: Deed) -> Result<()> {
        if deed == Deed::Start {
            for (node, text) in self.nodes.iter_mut().zip(self.scene.files) {
                let folder = node.host.folder().display().to_string();
                let config = text.replace(CONFIG_FOLDER, &folder);
                let words = self.store.equip(&node.host)?;
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                node.agent = Some(Vipward::start_binary(&self.agent, &node.host, &config, &words)?);
            }
            return Ok(());
        }
        if deed == Deed::ChangeKey {
            self.release += 1;
            return self.store.ask_for(self.release);
        }
        let victim = self.nodes.first_mut().context("a site has two nodes")?;
        match deed {
            Deed::Start | Deed::ChangeKey => {}
            Deed::StopNginx => {
                if let Some(nginx) = victim.nginx.take() {
                    nginx.stop()?;
                }
            }
            Deed::StartNginx => victim.nginx = Some(Nginx::start(&victim.host)?),
            Deed::CutLink => victim.host.unplug()?,
            Deed::RestoreLink => victim.host.plug()?,
        }
        Ok(())
    }

    /// An agent that ended does not come back, so there is nothing to wait for.
    fn an_agent_ended(&mut self) -> bool {
        self.nodes.iter_mut().filter_map(|node| node.agent.as_mut()).any(|agent| !agent.process().running())
    }

    /// What is to be seen now, one row for each VIP, and whether it is as it should be after `deed`.
    fn look(&self, deed: Deed, begun: Moment, now: Moment) -> (Vec<Row>, bool) {
        let statuses: Vec<_> =
            self.nodes.iter().map(|node| node.agent.as_ref().and_then(|agent| agent.status().ok())).collect();
        let asked = Moment::now();
        let mut rows = Vec::new();
        let rendered = self.rendered(deed);
        let mut all_right = rendered.is_none_or(|rendered| rendered);
        for (vip, (instance, probe)) in self.scene.instances(0).iter().zip(&self.probes).enumerate() {
            let states: Vec<String> = statuses
                .iter()
                .map(|status| {
                    let found =
                        status.as_ref().and_then(|s| s.instances.iter().find(|i| i.vrid == instance.vrid));
                    found.map_or_else(|| "-".to_owned(), |found| found.state.clone())
                })
                .collect();
            let page = probe.last().filter(|reply| asked.since(reply.at) < FRESH).and_then(|reply| reply.by);
            let owner = self.nodes.get(self.scene.owner(vip, deed)).map(|node| node.host.name());
            all_right &= states == self.scene.states(vip, deed) && page.as_deref() == owner;
            rows.push(Row {
                event: if vip == 0 { deed.text() } else { "" },
                vip: instance.vip,
                states,
                page: page.map_or_else(|| "-".to_owned(), |page| page.to_string()),
                gap: self.scene.bound(vip, deed).map(|_| probe.longest_silence(begun, now).length()),
                note: match self.scene.bound(vip, deed) {
                    Some(_) if rendered.is_some() && vip == 0 => format!("page {} on both", self.release),
                    Some(bound) => table::bound(bound),
                    None => data_path(statuses.iter().flatten(), instance.vrid),
                },
                verdict: Verdict::Open,
            });
        }
        (rows, all_right)
    }

    /// Whether both nodes show what the store asks for, where that is what a step is about.
    fn rendered(&self, deed: Deed) -> Option<bool> {
        let shows = |node: &Node| store::release(&node.host) == Some(self.release);
        matches!(deed, Deed::Start | Deed::ChangeKey).then(|| self.nodes.iter().all(shows))
    }

    /// Holds the gap within `begun..now` against its bound. What the machine itself stalled within the gap is
    /// allowed for, and said.
    fn judge(&self, vip: usize, deed: Deed, begun: Moment, now: Moment) -> Verdict {
        let (Some(bound), Some(probe)) = (self.scene.bound(vip, deed), self.probes.get(vip)) else {
            return Verdict::Good("ok".to_owned());
        };
        let gap = probe.longest_silence(begun, now);
        verdict(gap.length(), bound, self.bystander.probe.longest_stall(gap.from, gap.to))
    }

    /// Why a step was not good, with what the agents have logged since they had `logged` that many bytes.
    fn complaint(&self, settled: bool, logged: &[usize]) -> String {
        let why = if settled {
            "A gap was longer than its bound."
        } else {
            "The nodes did not come to where they should."
        };
        let mut lines = vec![format!("  {why} Meanwhile the agents logged:")];
        for (node, before) in self.nodes.iter().zip(logged) {
            let log = node.log();
            let all: Vec<&str> = log.get(*before..).unwrap_or_default().lines().collect();
            let last = all.iter().skip(all.len().saturating_sub(LOG_LINES));
            lines.extend(last.map(|line| format!("  {} | {line}", node.host.name())));
        }
        lines.join("\n")
    }

    /// Shows the nodes until somebody presses Ctrl-C.
    pub(super) fn stay_up(&mut self) -> Result<()> {
        let vip = self.scene.instances(0).first().context("a scene has a VIP")?.vip;
        println!("\n  The lab stays up until Ctrl-C. From another terminal:");
        println!("    ip netns exec {} curl http://{vip}/", self.client.namespace().name());
        for node in &self.nodes {
            let run_dir = node.host.folder().join("vipward");
            println!("    {} status --run-dir {}", self.agent.display(), run_dir.display());
        }
        println!("    tail -f {}/n?/*.log\n", self.lab.dir().display());
        let mut table = Table::new();
        while !stop::requested() {
            let now = Moment::now();
            for probe in self.probes.iter().chain([&self.bystander.probe]) {
                probe.forget(now);
            }
            let (mut rows, _) = self.look(Deed::Start, now, now);
            for row in &mut rows {
                row.event = "now";
            }
            table.draw(&rows);
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// Whether a gap kept its bound, with the margin and what the machine stalled meanwhile.
fn verdict(gap: Duration, bound: Duration, stalled: Duration) -> Verdict {
    let over = gap.saturating_sub(bound + MARGIN);
    if over.is_zero() {
        Verdict::Good("ok".to_owned())
    } else if over <= stalled {
        Verdict::Good(format!("ok (the machine stalled for {})", table::duration(stalled)))
    } else {
        Verdict::Bad
    }
}

/// How the nodes receive adverts of this VRID: by XDP, or what they fell back to.
fn data_path<'a>(statuses: impl Iterator<Item = &'a Status>, vrid: u8) -> String {
    let mut paths: Vec<&str> = statuses
        .filter_map(|status| status.instances.iter().find(|instance| instance.vrid == vrid))
        .filter_map(|instance| instance.datapath.as_deref())
        .collect();
    paths.dedup();
    if paths.is_empty() { String::new() } else { format!("data path {}", paths.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_beyond_its_bound_is_excused_by_a_stall_of_that_length_only() {
        let ms = Duration::from_millis;
        let of = |gap, stalled| verdict(ms(gap), ms(360), ms(stalled));
        assert_eq!(of(410, 0), Verdict::Good("ok".to_owned()));
        assert_eq!(of(440, 30), Verdict::Good("ok (the machine stalled for 30 ms)".to_owned()));
        assert_eq!(of(441, 30), Verdict::Bad);
    }
}
