//! What becomes of a master's VIPs when its agent dies, or is replaced by the next one.

use std::process::Command;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::vipward::binary;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{instance, state};

const VIPWARD: Kind = Kind::Vipward("auto");

fn is_gone(pid: Pid) -> bool {
    kill(pid, None) == Err(Errno::ESRCH)
}

/// The peer hears priority 0 and waits for Skew_Time, as after a graceful stop.
#[test]
fn a_dead_agent_is_succeeded_as_one_that_resigned() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        let mut pair = Pair::settled(Form::V3, kind, Kind::Keepalived)?;
        let event = Moment::now();
        let guard = pair.a.kill_alone().context("no guard")?;
        pair.succeeds_a_resigned_master(Side::B, event)?;
        pair.wait("the guard to end", || is_gone(guard))?;
        pair.settles_on(Side::B)?;
        pair.a.start()?;
        pair.settles_on(Side::A)
    })
}

#[test]
fn a_guard_that_dies_is_replaced() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, VIPWARD, Kind::Keepalived)?;
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    let first = agent.guard().context("no guard")?;
    kill(first, Signal::SIGKILL)?;
    pair.wait("another guard", || agent.guard().is_some_and(|guard| guard != first))?;
    let event = Moment::now();
    pair.a.kill_alone();
    pair.succeeds_a_resigned_master(Side::B, event)
}

/// Nothing is heard of the replacement: no priority 0, no gap of more than a slot in the adverts, no transition.
fn goes_on(pair: &Pair, from: Moment) -> Result<()> {
    let interval = pair.form.interval();
    pair.wait("the next agent to be master", || state(&pair.a).as_deref() == Some("MASTER"))?;
    let cause = instance(&pair.a)?.last_cause.unwrap_or_default();
    pair.ensure(cause.contains("former agent"), || format!("it became master because {cause}"))?;
    let settled = Moment::now();
    pair.wait("its adverts", || pair.adverts("n1", settled) > 3)?;
    pair.ensure(pair.adverts("n2", from) == 0, || "the backup took over".to_owned())?;
    let longest = pair.longest_silence("n1", from);
    // Half a slot for a busy machine.
    let allowed = interval * 2 + interval / 2;
    pair.ensure(longest < allowed, || format!("no advert for {longest:?}"))
}

#[test]
fn an_announced_restart_is_no_failover() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, VIPWARD, Kind::Keepalived)?;
    let from = Moment::now();
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    agent.ask(&["hold", "--for", "20s"])?;
    let guard = agent.guard().context("no guard")?;
    pair.a.stop()?;
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "the VIP went".to_owned())?;
    pair.a.start()?;
    goes_on(&pair, from)?;
    pair.wait("the old guard to end", || is_gone(guard))
}

#[test]
fn a_crash_is_no_failover_for_those_who_want_to_wait() -> Result<()> {
    let mut pair = Pair::new(Form::V3, VIPWARD, Kind::Keepalived)?;
    pair.a.options = vec!["--on-crash".to_owned(), "wait:20s".to_owned()];
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    let from = Moment::now();
    pair.a.kill_alone();
    pair.a.start()?;
    goes_on(&pair, from)
}

/// The next agent does not come.
#[test]
fn what_is_kept_is_handed_over_in_the_end() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, VIPWARD, Kind::Keepalived)?;
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    agent.ask(&["hold", "--for", "500ms"])?;
    let guard = agent.guard().context("no guard")?;
    let event = Moment::now();
    pair.a.stop()?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    pair.wait("the guard to end", || is_gone(guard))?;
    pair.settles_on(Side::B)
}

/// A lease that a better router ended is not kept alive.
#[test]
fn what_is_kept_is_yielded_to_a_better_router() -> Result<()> {
    let mut pair = Pair::new(Form::V3, VIPWARD, Kind::Keepalived)?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    agent.ask(&["hold", "--for", "60s"])?;
    let guard = agent.guard().context("no guard")?;
    pair.a.stop()?;
    pair.b.rewrite(pair.b.conf.clone().set("priority 200"))?;
    pair.b.start()?;
    pair.wait("the guard to end", || is_gone(guard))?;
    let event = Moment::now();
    pair.wait("the better router's adverts", || pair.adverts("n2", event) > 3)?;
    pair.ensure(pair.adverts("n1", event) == 0, || "two masters".to_owned())
}

#[test]
fn unfence_removes_what_a_dead_agent_and_its_guard_left() -> Result<()> {
    unfence(&[])
}

#[test]
fn unfence_removes_vips_behind_a_virtual_mac() -> Result<()> {
    unfence(&["use_vmac"])
}

fn unfence(lines: &[&str]) -> Result<()> {
    let mut pair = Pair::new(Form::V3, VIPWARD, Kind::Keepalived)?;
    pair.a.conf = lines.iter().fold(pair.a.conf.clone(), |conf, line| conf.with(*line));
    pair.settle()?;
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    let refused = agent.ask(&["unfence"]).err().context("it did so while an agent runs")?;
    pair.ensure(format!("{refused:#}").contains("stop it first"), || format!("{refused:#}"))?;
    pair.a.kill();
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "nothing was left behind".to_owned())?;
    // Where the agent was, for that is where its addresses are.
    let run_dir = pair.a.host.folder().join("vipward");
    let mut unfence = Command::new(binary()?);
    unfence.arg("unfence").arg("--run-dir").arg(run_dir);
    let output = pair.a.host.namespace().enter(|| unfence.output())??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    pair.ensure(said.contains("removed VIP 10.77.0.200"), || said)?;
    pair.ensure(!pair.a.host.holds(pair.form.vip()), || "the VIP is still there".to_owned())?;
    let pins = pair.a.host.folder().join("vipward/bpf");
    pair.wait("nothing to be pinned", || !pins.exists())?;
    pair.a.start()?;
    pair.settles_on(Side::A)
}

#[test]
fn a_drained_node_hands_over_and_takes_back_when_it_is_undrained() -> Result<()> {
    let pair = Pair::settled(Form::V3, VIPWARD, Kind::Keepalived)?;
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    let event = Moment::now();
    agent.ask(&["drain"])?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    pair.settles_on(Side::B)?;
    let drained = instance(&pair.a)?;
    pair.ensure(drained.effective_priority == 1, || format!("{drained:?}"))?;
    agent.ask(&["undrain"])?;
    pair.settles_on(Side::A)
}

/// To go away for nobody's sake would make things worse.
#[test]
fn a_drained_node_serves_on_while_there_is_nobody_else() -> Result<()> {
    let mut pair = Pair::new(Form::V3, VIPWARD, Kind::Keepalived)?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    let agent = pair.a.peer.as_ref().and_then(|peer| peer.agent()).context("an agent")?;
    let refused = agent.ask(&["drain"]).expect_err("nobody took over");
    pair.ensure(format!("{refused:#}").contains("nobody took over"), || format!("{refused:#}"))?;
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "the VIP went".to_owned())?;
    pair.b.start()?;
    pair.settles_on(Side::B)
}
