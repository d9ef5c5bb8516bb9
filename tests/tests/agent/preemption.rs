//! Who gives way to whom: preempt, nopreempt, preempt_delay, and the end of a split.

use std::time::Duration;

use anyhow::Result;
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::{instance, logged, newcomer, state};

/// Adverts of the master that a backup must sit through: more than Master_Down_Interval has of them.
const PATIENCE: usize = 10;

/// Waits until A says that it is a backup.
fn a_is_backup(pair: &Pair, kind: Kind) -> Result<()> {
    pair.wait("A to be a backup", || match kind {
        Kind::Vipward(_) => state(&pair.a).as_deref() == Some("BACKUP"),
        Kind::Keepalived => logged(&pair.a, "Entering BACKUP STATE"),
    })
}

fn nopreempt(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("nopreempt");
    pair.b.start()?;
    pair.serves(Side::B)?;
    pair.a.start()?;
    a_is_backup(&pair, kind)?;
    let since = Moment::now();
    pair.wait("the master's adverts", || pair.adverts("n2", since) >= PATIENCE)?;
    pair.ensure(pair.adverts("n1", Moment::default()) == 0, || "A preempted".to_owned())?;
    let event = Moment::now();
    pair.b.kill();
    pair.succeeds_a_dead_master(Side::A, event)
}

#[test]
fn keepalived_with_nopreempt_waits_for_the_masters_death() -> Result<()> {
    nopreempt(Kind::Keepalived)
}

#[test]
fn with_nopreempt_it_waits_for_the_masters_death() -> Result<()> {
    Kind::by_every_datapath(nopreempt)
}

fn preempt_delay(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("preempt_delay 2");
    pair.b.start()?;
    pair.serves(Side::B)?;
    let start = Moment::now();
    pair.a.start()?;
    a_is_backup(&pair, kind)?;
    let backup = Moment::now();
    let (first, _) = pair.takes_over(Side::A, start)?.first;
    let delay = Duration::from_secs(2);
    pair.ensure(first >= start + delay, || format!("preempted {:?} after its start", first.since(start)))?;
    // After the delay it hears a lower master once more, and takes its time to be sure.
    let latest = delay + pair.form.master_down(150) + Duration::from_millis(400);
    pair.ensure(first <= backup + latest, || format!("preempted only {:?} later", first.since(backup)))?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_with_preempt_delay_lets_the_master_be_for_so_long() -> Result<()> {
    preempt_delay(Kind::Keepalived)
}

#[test]
fn with_preempt_delay_it_lets_the_master_be_for_so_long() -> Result<()> {
    Kind::by_every_datapath(preempt_delay)
}

/// A switch that fails in silence makes two masters; the lower one gives way as soon as it hears the other.
fn split(a: Kind, b: Kind) -> Result<()> {
    let pair = Pair::settled(Form::V3, a, b)?;
    pair.a.host.isolate()?;
    pair.serves(Side::B)?;
    pair.serves(Side::A)?;
    pair.a.host.rejoin()?;
    pair.settles_on(Side::A)?;
    pair.well_formed()
}

#[test]
fn keepalived_heals_a_split() -> Result<()> {
    split(Kind::Keepalived, Kind::Keepalived)
}

#[test]
fn a_split_heals() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        split(kind, Kind::Keepalived)?;
        split(Kind::Keepalived, kind)
    })
}

/// Two own the addresses, and the rival has the greater address: what the protocol gives way to.
fn two_owners(kind: Kind, ignores: bool) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let mut conf = pair.a.conf.clone().set("priority 255").set("state MASTER");
    if ignores {
        conf = conf.with("owner_ignore_adverts");
    }
    pair.a.conf = conf;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let before = instance(&pair.a)?;
    let rival = newcomer(&pair)?;
    let frame = Forged::new(VRID, 255, rival.address()).frame();
    let injector = Injector::new(&rival)?;
    if !ignores {
        return pair.wait("it to give way", || {
            injector.send(&frame).is_ok() && state(&pair.a).as_deref() == Some("BACKUP")
        });
    }
    let since = Moment::now();
    pair.wait("its own adverts to go on", || {
        injector.send(&frame).is_ok() && pair.adverts("n1", since) >= PATIENCE
    })?;
    let now = instance(&pair.a)?;
    let steady = now.state == "MASTER" && now.transitions == before.transitions;
    pair.ensure(steady, || format!("{now:?}"))?;
    pair.ensure(now.adverts_received > before.adverts_received, || "it heard nobody".to_owned())?;
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "the VIP is gone".to_owned())
}

#[test]
fn an_owner_gives_way_to_a_greater_address() -> Result<()> {
    Kind::by_every_datapath(|kind| two_owners(kind, false))
}

#[test]
fn an_owner_that_ignores_adverts_does_not() -> Result<()> {
    Kind::by_every_datapath(|kind| two_owners(kind, true))
}
