//! Never two that answer: the kernel lets a node serve a VIP only while its adverts are really sent. Judged by a
//! witness that asks everybody who has the VIP.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::witness::{Record, Witness};
use vipward_tests::peers::{Form, Kind, Node, Pair, Side};

use crate::seen::{agent, instance, state};

const XDP: Kind = Kind::Vipward("xdp");
const GENERIC: Kind = Kind::Vipward("xdp-generic");
/// Between two questions.
const PERIOD: Duration = Duration::from_millis(3);
/// Time enough for whoever would answer to be seen.
const LOOK: Duration = Duration::from_millis(500);
/// What a machine that is busy elsewhere may keep from the witness.
const BUSY: Duration = Duration::from_millis(100);
/// No end.
const END: Moment = Moment(u64::MAX);

/// Two routers that have agreed on the first, and a client that watches them.
struct Watched {
    witness: Witness,
    pair: Pair,
    _client: Host,
}

impl Watched {
    /// `change` concerns both nodes.
    fn new(form: Form, a: Kind, b: Kind, change: impl Fn(&mut Node)) -> Result<Watched> {
        let mut pair = Pair::new(form, a, b)?;
        let client = pair.lab.host("client")?;
        change(&mut pair.a);
        change(&mut pair.b);
        pair.settle()?;
        let witness = Witness::start(&client, &[&pair.a.host, &pair.b.host], &[form.vip()], PERIOD)?;
        let watched = Watched { witness, pair, _client: client };
        watched.answers_alone("n1", Moment::now())?;
        Ok(watched)
    }

    fn record<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        self.witness.look(0, look)
    }

    /// Waits until `host` alone has answered for a while since `from`.
    fn answers_alone(&self, host: &str, from: Moment) -> Result<()> {
        self.pair.wait(&format!("{host} alone to answer"), || {
            self.record(|record| {
                record.questions(from, END).any(|question| question.at >= from + LOOK)
                    && record.sole_since(from).as_deref() == Some(host)
            })
        })
    }

    /// Fails if two have answered since `from`.
    fn never_two(&self, from: Moment) -> Result<()> {
        let two = self.record(|record| record.two(from, END));
        self.pair.ensure(two.is_empty(), || {
            format!(
                "two answered, first from {}: {}",
                two[0].from,
                self.record(|record| record.story(from, END))
            )
        })
    }

    /// The second takes over after `event`, and the first was silent before that.
    fn silent_before_takeover(&self, event: Moment) -> Result<()> {
        let takeover = self.pair.takes_over(Side::B, event)?;
        self.answers_alone("n2", Moment::now())?;
        let last = self.record(|record| record.last_by("n1", event, END));
        let late = last.is_some_and(|last| last >= takeover.first.0);
        self.pair.ensure(!late, || {
            let last = last.unwrap_or_default().since(takeover.first.0);
            format!("the old master answered {last:?} after the new one's first advert")
        })?;
        self.never_two(event)
    }

    fn signal(&mut self, signal: Signal) -> Result<Moment> {
        let peer = self.pair.a.peer.as_mut().context("n1 does not run")?;
        let at = Moment::now();
        peer.signal(signal)?;
        Ok(at)
    }
}

fn unchanged(_: &mut Node) {}

/// Whoever was master once stays BACKUP when it returns.
fn nopreempt(node: &mut Node) {
    node.conf = node.conf.clone().with("nopreempt");
}

fn without_lease(node: &mut Node) {
    node.options = vec!["--lease".to_owned(), "off".to_owned()];
}

fn killed(form: Form, a: Kind, b: Kind) -> Result<()> {
    let mut watched = Watched::new(form, a, b, unchanged)?;
    let event = Moment::now();
    watched.pair.a.kill();
    watched.silent_before_takeover(event)?;
    // Nobody has removed it.
    watched
        .pair
        .ensure(watched.pair.a.host.holds(form.vip()), || "the VIP is gone, what was tested?".to_owned())
}

#[test]
fn a_killed_master_is_silent_before_its_backup_serves() -> Result<()> {
    killed(Form::V3, XDP, Kind::Keepalived)?;
    killed(Form::V3, GENERIC, XDP)
}

#[test]
fn a_killed_master_is_silent_before_its_backup_serves_ipv6() -> Result<()> {
    killed(Form::V3Ipv6, XDP, Kind::Keepalived)?;
    killed(Form::V3Ipv6, GENERIC, XDP)
}

/// It is frozen while the other takes over. When it thaws it has the higher priority and is heard at once, and answers
/// no question while the other does.
fn frozen(a: Kind, b: Kind) -> Result<()> {
    let mut watched = Watched::new(Form::V3, a, b, unchanged)?;
    let event = watched.signal(Signal::SIGSTOP)?;
    watched.silent_before_takeover(event)?;
    watched.signal(Signal::SIGCONT)?;
    watched.pair.settles_on(Side::A)?;
    watched.answers_alone("n1", Moment::now())?;
    // keepalived yields to the advert too, but answers until it has removed the VIP.
    if b == Kind::Keepalived { Ok(()) } else { watched.never_two(event) }
}

#[test]
fn a_frozen_master_is_silent_before_its_backup_serves() -> Result<()> {
    frozen(XDP, Kind::Keepalived)?;
    frozen(XDP, XDP)
}

#[test]
fn a_frozen_master_is_silent_before_its_backup_serves_by_generic_xdp() -> Result<()> {
    frozen(GENERIC, GENERIC)
}

#[test]
fn a_frozen_master_that_may_not_preempt_stays_backup_when_it_thaws() -> Result<()> {
    let mut watched = Watched::new(Form::V3, XDP, XDP, nopreempt)?;
    let event = watched.signal(Signal::SIGSTOP)?;
    watched.silent_before_takeover(event)?;
    let thawed = watched.signal(Signal::SIGCONT)?;
    watched.pair.wait("BACKUP", || state(&watched.pair.a).as_deref() == Some("BACKUP"))?;
    watched.pair.wait("the VIP to be removed", || !watched.pair.a.host.holds(Form::V3.vip()))?;
    watched.answers_alone("n2", thawed)?;
    watched.never_two(event)
}

/// The check that can fail: without leases the old master goes on answering, as keepalived does.
#[test]
fn without_leases_a_frozen_master_goes_on_answering() -> Result<()> {
    let mut watched = Watched::new(Form::V3, XDP, XDP, without_lease)?;
    let event = watched.signal(Signal::SIGSTOP)?;
    let takeover = watched.pair.takes_over(Side::B, event)?.first.0;
    watched.pair.wait("two to answer for long", || {
        watched.record(|record| record.two(takeover, END).iter().any(|span| span.length() > LOOK))
    })?;
    assert!(watched.never_two(event).is_err());
    let error = format!("{:#}", watched.silent_before_takeover(event).expect_err("n1 answers"));
    assert!(error.contains("n2 alone to answer"), "{error}");
    Ok(())
}

/// Interval long enough for an agent to start within the lease, on a busy machine too.
fn slow(node: &mut Node) {
    node.conf = node.conf.clone().set("advert_int 2");
}

#[test]
fn an_agent_that_is_killed_and_started_again_within_its_lease_goes_on_as_master() -> Result<()> {
    let mut watched = Watched::new(Form::V3, XDP, XDP, slow)?;
    let before = instance(&watched.pair.b)?.transitions;
    let event = Moment::now();
    watched.pair.a.kill();
    watched.pair.a.start()?;
    watched.pair.wait("it to be master", || state(&watched.pair.a).as_deref() == Some("MASTER"))?;
    // From now on only its own adverts keep the lease up.
    watched.answers_alone("n1", Moment::now() + 4 * Duration::from_secs(2))?;
    watched.never_two(event)?;
    let none = watched.record(|record| record.longest_none(event, END));
    watched.pair.ensure(none <= BUSY, || format!("nobody answered for {none:?}"))?;
    let own = instance(&watched.pair.a)?.transitions;
    watched.pair.ensure(own == 1, || format!("INIT to MASTER is one transition, and there were {own}"))?;
    let now = instance(&watched.pair.b)?;
    watched
        .pair
        .ensure(now.transitions == before && now.state == "BACKUP", || format!("the other: {now:?}"))?;
    watched.pair.ensure(watched.pair.adverts("n2", event) == 0, || "the other advertised".to_owned())
}

#[test]
fn an_agent_that_is_started_again_after_its_lease_is_a_backup() -> Result<()> {
    let mut watched = Watched::new(Form::V3, XDP, XDP, nopreempt)?;
    let event = Moment::now();
    watched.pair.a.kill();
    watched.silent_before_takeover(event)?;
    let started = Moment::now();
    watched.pair.a.start()?;
    watched.pair.wait("BACKUP", || state(&watched.pair.a).as_deref() == Some("BACKUP"))?;
    watched.pair.wait("the VIP to be removed", || !watched.pair.a.host.holds(Form::V3.vip()))?;
    watched.answers_alone("n2", started)?;
    watched.never_two(event)
}

/// Somebody adds the VIP on the backup; returns what the witness saw since.
fn added(form: Form, kind: Kind, change: fn(&mut Node), address: &str) -> Result<(Watched, Moment)> {
    let watched = Watched::new(form, XDP, kind, change)?;
    let event = Moment::now();
    watched.pair.b.host.ip(&format!("addr add {address} dev eth0\n"))?;
    watched.pair.wait("the witness to have asked for a while", || {
        watched.record(|record| record.questions(event, END).any(|question| question.at >= event + LOOK))
    })?;
    Ok((watched, event))
}

#[test]
fn a_vip_that_somebody_adds_on_a_backup_is_not_answered_for() -> Result<()> {
    let cases = [
        (Form::V3, XDP, "10.77.0.200/32"),
        (Form::V3, GENERIC, "10.77.0.200/32"),
        (Form::V3Ipv6, XDP, "fd77::200/128 nodad"),
    ];
    for (form, kind, address) in cases {
        let (watched, event) = added(form, kind, unchanged, address)?;
        let seen = watched.record(|record| record.first_by("n2", event));
        watched.pair.ensure(seen.is_none(), || format!("{kind} answered as a backup"))?;
        watched.answers_alone("n1", event)?;
    }
    Ok(())
}

#[test]
fn without_leases_a_vip_that_somebody_adds_on_a_backup_is_answered_for() -> Result<()> {
    let (watched, event) = added(Form::V3, XDP, without_lease, "10.77.0.200/32")?;
    let seen = watched.record(|record| record.first_by("n2", event));
    watched.pair.ensure(seen.is_some(), || "the backup did not answer: is it fenced all the same?".to_owned())
}

/// It cannot be had everywhere, and then that is said.
#[test]
fn without_xdp_there_is_no_lease_and_status_says_so() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Vipward("socket"), XDP)?;
    let lease = |node: &Node| -> Result<serde_json::Value> {
        let status: serde_json::Value = serde_json::from_str(&agent(node)?.ask(&["status", "--json"])?)?;
        Ok(status["instances"][0]["lease"].clone())
    };
    let (socket, backup) = (lease(&pair.a)?, lease(&pair.b)?);
    let reason = socket["reason"].as_str().unwrap_or_default();
    pair.ensure(socket["state"] == "unavailable" && !reason.is_empty(), || format!("socket: {socket}"))?;
    pair.ensure(backup["state"] == "none", || format!("a backup by XDP: {backup}"))
}
