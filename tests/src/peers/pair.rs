//! Two hosts with a router each, and the questions that tests ask about them.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::unistd::Pid;

use super::conf::{Conf, VRID};
use super::form::Form;
use super::peer::{Kind, Peer};
use crate::lab::clock::Moment;
use crate::lab::host::Host;
use crate::lab::wire::{Advert, Frame, Seen, Wire, complaints};
use crate::lab::{Lab, wait};

/// Longest time for anything to settle: several times Master_Down_Interval of version 2.
const SETTLE: Duration = Duration::from_secs(20);
/// What a busy machine may add to a takeover; exact figures are the benchmark's.
const LATE: Duration = Duration::from_millis(250);
/// What stamps of two clocks may take away from it.
const EARLY: Duration = Duration::from_millis(3);
/// Adverts of the master without one of the other's before it counts as settled.
const SETTLED: usize = 3;
/// Adverts in a report.
const TAIL: usize = 30;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first host, n1, of priority 150 unless a test wants otherwise.
    A,
    /// The second, n2, of priority 100.
    B,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// A host and its router.
pub struct Node {
    /// The router; nothing while it is stopped.
    pub peer: Option<Peer>,
    /// Its configuration, used at the next start.
    pub conf: Conf,
    /// Its priority in the configuration.
    pub priority: u8,
    /// Further options of the agent's command line.
    pub options: Vec<String>,
    kind: Kind,
    /// Where it runs.
    pub host: Host,
}

impl Node {
    /// Starts its router.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.peer.is_none(), "{} runs already", self.host.name());
        self.peer = Some(Peer::start(self.kind, &self.host, &self.conf.to_string(), &self.options)?);
        Ok(())
    }

    /// Whether its router takes part: loading and checking the XDP program takes a second on a busy machine.
    pub fn ready(&self) -> bool {
        match &self.peer {
            Some(Peer::Vipward(agent)) => agent.instance().is_some_and(|instance| instance.state != "INIT"),
            Some(Peer::Keepalived(peer)) => peer.log().contains("Startup complete"),
            None => false,
        }
    }

    /// Stops it with SIGTERM; it must end well.
    pub fn stop(&mut self) -> Result<()> {
        let peer = self.peer.take().context("nothing runs there")?;
        let status = peer.stop()?;
        ensure!(status.success(), "{} ended with {status} after SIGTERM", self.kind);
        Ok(())
    }

    /// Kills all of it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(peer) = self.peer.take() {
            peer.kill();
        }
    }

    /// Kills the router alone with SIGKILL; see [`Peer::kill_alone`].
    pub fn kill_alone(&mut self) -> Option<Pid> {
        self.peer.take().and_then(Peer::kill_alone)
    }

    /// Writes `conf` to where the running router reads it.
    pub fn rewrite(&mut self, conf: Conf) -> Result<()> {
        let file = match self.kind {
            Kind::Vipward(_) => "vipward.conf",
            Kind::Keepalived => "keepalived.conf",
        };
        self.host.write(file, &conf.to_string())?;
        self.conf = conf;
        Ok(())
    }
}

/// Two hosts on one wire.
pub struct Pair {
    /// Priority 150.
    pub a: Node,
    /// Priority 100.
    pub b: Node,
    /// What passed between them.
    pub wire: Wire,
    /// What they speak.
    pub form: Form,
    /// Where they are.
    pub lab: Lab,
}

/// How one router took over from the other.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// The last advert of the old master.
    pub last: Option<(Moment, Advert)>,
    /// The first advert of the new one.
    pub first: (Moment, Advert),
}

impl Pair {
    /// Two hosts whose routers do not run yet.
    pub fn new(form: Form, a: Kind, b: Kind) -> Result<Pair> {
        let lab = Lab::new()?;
        let (n1, n2) = (lab.host("n1")?, lab.host("n2")?);
        let wire = Wire::start(&lab)?;
        let (conf_a, conf_b) = (Conf::new(form, &n1, &n2, 150), Conf::new(form, &n2, &n1, 100));
        Ok(Pair {
            a: Node { peer: None, conf: conf_a, priority: 150, options: Vec::new(), kind: a, host: n1 },
            b: Node { peer: None, conf: conf_b, priority: 100, options: Vec::new(), kind: b, host: n2 },
            wire,
            form,
            lab,
        })
    }

    /// Two hosts whose routers have agreed on the first as master. The second never was.
    pub fn settled(form: Form, a: Kind, b: Kind) -> Result<Pair> {
        let mut pair = Pair::new(form, a, b)?;
        pair.settle()?;
        Ok(pair)
    }

    /// Starts both routers so that they agree on the first as master, and the second never is.
    pub fn settle(&mut self) -> Result<()> {
        self.a.start()?;
        self.serves(Side::A)?;
        self.b.start()?;
        self.wait("the second to take part", || self.b.ready())?;
        self.settles_on(Side::A)
    }

    /// One of the nodes.
    pub fn node(&self, side: Side) -> &Node {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// Waits until `side` alone is master: it alone has the VIP and advertises.
    pub fn settles_on(&self, side: Side) -> Result<()> {
        let from = Moment::now();
        let (master, other) = (&self.node(side).host, &self.node(side.other()).host);
        self.wait(&format!("{} alone to be master", master.name()), || {
            let since = self.last_advert(other.name(), Moment::now()).map_or(from, |(at, _)| at.max(from));
            self.steady(master.name(), since)
                && master.holds(self.form.vip())
                && !other.holds(self.form.vip())
        })
    }

    /// Waits until `side` is master, whatever the other does.
    pub fn serves(&self, side: Side) -> Result<()> {
        let from = Moment::now();
        let host = &self.node(side).host;
        self.wait(&format!("{} to be master", host.name()), || {
            self.steady(host.name(), from) && host.holds(self.form.vip())
        })
    }

    /// Whether `host` has kept up its adverts since `from`. Some that waited for the neighbour's address and leave in
    /// one burst, as unicast ones may, are no proof of it.
    fn steady(&self, host: &str, from: Moment) -> bool {
        let ours = |sender: &str, seen: &Seen| sender == host && serving(seen).is_some();
        self.wire.count(from, ours) >= SETTLED
            && self.wire.first(from, ours).is_some_and(|(first, _)| {
                self.wire.first(first + self.form.interval() * 3 / 2, ours).is_some()
            })
    }

    /// Waits for a condition, and reports everything if it never holds.
    pub fn wait(&self, what: &str, condition: impl FnMut() -> bool) -> Result<()> {
        self.explain(wait::until(what, SETTLE, condition))
    }

    /// Adds a report to an error.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| anyhow!("{error:#}\n{}", self.report()))
    }

    /// Fails with a report.
    pub fn ensure(&self, condition: bool, what: impl FnOnce() -> String) -> Result<()> {
        if condition { Ok(()) } else { self.explain(Err(anyhow!(what()))) }
    }

    /// Adverts that `host` sent since `from`, those with which it resigns not counted.
    pub fn adverts(&self, host: &str, from: Moment) -> usize {
        self.wire.count(from, |sender, seen| sender == host && serving(seen).is_some())
    }

    /// The longest time between two adverts of `host`, and from the last one until now, since `from`.
    pub fn longest_silence(&self, host: &str, from: Moment) -> Duration {
        let now = Moment::now();
        let frames = self.wire.frames();
        let sent = frames.iter().filter(|frame| frame.at >= from && &*frame.from == host);
        let sent =
            sent.filter(|frame| frame.seen().as_ref().and_then(serving).is_some()).map(|frame| frame.at);
        let times: Vec<Moment> = std::iter::once(from).chain(sent).chain([now]).collect();
        times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
    }

    /// The last advert of `host` before `until`, any priority but 0.
    pub fn last_advert(&self, host: &str, until: Moment) -> Option<(Moment, Advert)> {
        let mut last = None;
        for frame in self.wire.frames() {
            if frame.at < until
                && &*frame.from == host
                && let Some(advert) = frame.seen().as_ref().and_then(serving)
            {
                last = Some((frame.at, advert.clone()));
            }
        }
        last
    }

    /// Waits until `side` advertises after `event`, holds the VIP, and has announced it.
    pub fn takes_over(&self, side: Side, event: Moment) -> Result<Takeover> {
        let (new, old) = (&self.node(side).host, &self.node(side.other()).host);
        let mut first = None;
        self.wait(&format!("{} to take over", new.name()), || {
            first = self.wire.first(event, |sender, seen| sender == new.name() && serving(seen).is_some());
            first.is_some()
        })?;
        let Some((at, Seen::Advert(advert))) = first else { anyhow::bail!("no advert") };
        let vip = self.form.vip();
        self.wait(&format!("{} to announce {vip}", new.name()), || {
            self.wire.first(at, |sender, seen| sender == new.name() && announces(seen, vip)).is_some()
        })?;
        self.wait(&format!("{} to hold {vip}", new.name()), || new.holds(vip))?;
        Ok(Takeover { last: self.last_advert(old.name(), at), first: (at, advert) })
    }

    /// `side` must take over from a master that fell silent at `event`: not before Master_Down_Interval, nor long
    /// after.
    pub fn succeeds_a_dead_master(&self, side: Side, event: Moment) -> Result<()> {
        let takeover = self.takes_over(side, event)?;
        let (last, _) = takeover.last.context("the old master never advertised")?;
        let due = self.form.master_down(self.node(side).priority);
        self.on_time(takeover.first.0.since(last), due, "Master_Down_Interval")
    }

    /// `side` must take over from a master that resigned after `event`: not before Skew_Time, nor long after.
    pub fn succeeds_a_resigned_master(&self, side: Side, event: Moment) -> Result<()> {
        let old = self.node(side.other()).host.name();
        let takeover = self.takes_over(side, event)?;
        let resigned = self.wire.first(event, |sender, seen| sender == old && resigns(seen));
        let (resigned, _) = self.explain(resigned.context("the old master sent no priority 0"))?;
        let due = self.form.skew(self.node(side).priority);
        self.on_time(takeover.first.0.since(resigned), due, "Skew_Time")
    }

    fn on_time(&self, took: Duration, due: Duration, name: &str) -> Result<()> {
        self.ensure(took + EARLY >= due, || format!("took over after {took:?}, before {name} of {due:?}"))?;
        self.ensure(took <= due + LATE, || format!("took over after {took:?}, long after {name} of {due:?}"))
    }

    /// Nothing on the wire may be malformed or carry a wrong checksum, says tshark, and there must be something.
    pub fn well_formed(&self) -> Result<()> {
        for side in [Side::A, Side::B] {
            let (_, complaints) = self.dissect(side)?;
            self.ensure(complaints.is_empty(), || format!("on the wire: {}", complaints.join("\n")))?;
        }
        let adverts = self.wire.count(Moment::default(), |_, seen| matches!(seen, Seen::Advert(_)));
        self.ensure(adverts > 0, || "no advert was captured".to_owned())
    }

    /// `side` must have sent adverts whose checksums have no pseudo-header, and nothing that is wrong otherwise.
    /// tshark knows the older form only, so it must call each of their checksums bad.
    pub fn plain_checksums(&self, side: Side) -> Result<()> {
        let (frames, complaints) = self.dissect(side)?;
        let adverts = frames.iter().filter(|frame| matches!(frame.seen(), Some(Seen::Advert(_)))).count();
        let malformed = complaints.iter().any(|line| line.contains("alformed"));
        self.ensure(adverts > 0 && complaints.len() == adverts && !malformed, || {
            format!("{adverts} adverts without a pseudo-header, on the wire: {}", complaints.join("\n"))
        })
    }

    /// What `side` has sent, and what tshark complains of in it.
    fn dissect(&self, side: Side) -> Result<(Vec<Frame>, Vec<String>)> {
        let host = self.node(side).host.name();
        let mut frames = self.wire.frames();
        frames.retain(|frame| &*frame.from == host);
        let complaints = complaints(&frames, &self.lab.dir().join(format!("{host}.pcap")))?;
        Ok((frames, complaints))
    }

    /// Everything there is to know.
    pub fn report(&self) -> String {
        let mut text = format!("{:?}, {} against {}\n", self.form, self.a.kind, self.b.kind);
        for node in [&self.a, &self.b] {
            let addresses = node.host.addresses().unwrap_or_default();
            let said = match &node.peer {
                Some(peer) => peer.report(),
                None => format!("not running\n{}", node.kind.last_words(&node.host)),
            };
            let _ = writeln!(text, "--- {} ({}) has {addresses:?}\n{said}", node.host.name(), node.kind);
        }
        let now = Moment::now();
        let _ = writeln!(text, "--- on the wire, in ms before now");
        let frames = self.wire.frames();
        for frame in frames.iter().skip(frames.len().saturating_sub(TAIL)) {
            let before = now.since(frame.at).as_millis();
            let _ = match frame.seen() {
                Some(Seen::Advert(advert)) => {
                    writeln!(
                        text,
                        "-{before} {} VRID {} priority {}",
                        frame.from, advert.vrid, advert.priority
                    )
                }
                Some(Seen::Announcement { address, .. }) => {
                    writeln!(text, "-{before} {} has {address}", frame.from)
                }
                None => Ok(()),
            };
        }
        text
    }
}

/// The advert of a master of our VRID that goes on.
fn serving(seen: &Seen) -> Option<&Advert> {
    match seen {
        Seen::Advert(advert) if advert.vrid == VRID && advert.priority > 0 => Some(advert),
        _ => None,
    }
}

fn resigns(seen: &Seen) -> bool {
    matches!(seen, Seen::Advert(advert) if advert.vrid == VRID && advert.priority == 0)
}

fn announces(seen: &Seen, vip: std::net::IpAddr) -> bool {
    matches!(seen, Seen::Announcement { address, .. } if *address == vip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_on_which_nothing_passed_is_not_well_formed() {
        let pair = Pair::new(Form::V3, Kind::Keepalived, Kind::Keepalived).unwrap();
        let error = pair.well_formed().unwrap_err().to_string();
        assert!(error.starts_with("no advert was captured"), "{error}");
        assert!(pair.plain_checksums(Side::B).is_err());
    }
}
