//! Who gives way to whom: preempt, nopreempt, preempt_delay, and the end of a split.

use std::time::Duration;

use anyhow::Result;
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{logged, state};

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
