//! A graceful stop, as a client of the VIP sees it. keepalived's leaves it unanswered for Skew_Time.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nix::sys::signal::Signal;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::probe::Echo;
use vipward_tests::peers::{Form, Kind, Pair, Peer, Side};

/// Between two questions.
const ASK: Duration = Duration::from_millis(1);
/// More than a process needs to end.
const LIMIT: Duration = Duration::from_secs(10);

/// How many of a client's questions to the VIP, one in each millisecond, nobody answered when A stopped. That a busy
/// machine asks or answers late is no matter.
fn unanswered(kind: Kind) -> Result<(Pair, u32)> {
    let mut pair = Pair::settled(Form::V3, kind, Kind::Keepalived)?;
    let client = pair.lab.host("client")?;
    let echo = Echo::start(&client, &[pair.form.vip()], ASK)?;
    let asked = Moment::now();
    pair.wait("the client's first answer", || echo.first_after(0, asked).is_some())?;
    let event = Moment::now();
    pair.a.stop()?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    pair.settles_on(Side::B)?;
    let end = Moment::now();
    pair.wait("the last question to be answered", || echo.first_after(0, end).is_some())?;
    let (_, lost) = echo.lost(0, event, end);
    Ok((pair, u32::try_from(lost)?))
}

#[test]
fn a_stopped_keepalived_leaves_skew_time_unanswered() -> Result<()> {
    let (pair, lost) = unanswered(Kind::Keepalived)?;
    pair.ensure(lost * ASK >= pair.form.skew(100) / 2, || format!("{lost} questions without an answer"))
}

#[test]
fn a_stop_serves_until_the_successor_does() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        let (pair, lost) = unanswered(kind)?;
        pair.ensure(lost * ASK < pair.form.skew(100) / 4, || format!("{lost} questions without an answer"))
    })
}

/// Nobody is there to take over, and whoever signals twice does not want to wait for anybody.
#[test]
fn a_second_signal_ends_the_wait_for_a_successor() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    let Some(Peer::Vipward(mut agent)) = pair.a.peer.take() else { bail!("no agent runs there") };
    agent.process().signal(Signal::SIGTERM)?;
    pair.wait("the first signal to be obeyed", || agent.log().contains("stopping:"))?;
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "it did not wait for a successor".to_owned())?;
    agent.process().signal(Signal::SIGTERM)?;
    ensure!(agent.process().ended(LIMIT)?.success());
    pair.ensure(agent.log().contains("stopping at once"), || "the second signal was not obeyed".to_owned())?;
    pair.ensure(!pair.a.host.holds(pair.form.vip()), || "the VIP stayed".to_owned())
}
