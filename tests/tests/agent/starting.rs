//! What happens around a start: a delay that was asked for, and a link that is up long before anything passes it.

use std::time::Duration;

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Form, Kind, Pair, Side, VRID};

use crate::seen::{agent, instance};

const DELAY: Duration = Duration::from_millis(1_500);

fn speaks(pair: &Pair, host: &str, from: Moment) -> Option<Moment> {
    let advert = |seen: &Seen| matches!(seen, Seen::Advert(advert) if advert.vrid == VRID);
    pair.wire.first(from, |sender, seen| sender == host && advert(seen)).map(|(at, _)| at)
}

/// Alone, and with the highest priority that is no owner's: not a word before the delay is over.
fn starts_late(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, kind)?;
    pair.a.conf = pair.a.conf.clone().global("vrrp_startup_delay 1.5").set("priority 254");
    let begun = Moment::now();
    pair.a.start()?;
    pair.serves(Side::A)?;
    let first = speaks(&pair, "n1", begun).context("no advert")?;
    pair.ensure(first.since(begun) >= DELAY, || format!("it spoke after {:?}", first.since(begun)))
}

#[test]
fn keepalived_starts_late() -> Result<()> {
    starts_late(Kind::Keepalived)
}

#[test]
fn a_start_is_delayed() -> Result<()> {
    Kind::by_every_datapath(starts_late)
}

/// The one that waits says so, and does not mistake a reload for its end; a reload delays nothing anew.
#[test]
fn a_delay_is_shown_and_is_for_the_start_alone() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().global("vrrp_startup_delay 3");
    let begun = Moment::now();
    pair.a.start()?;
    pair.wait("it to say that it waits", || {
        agent(&pair.a).and_then(|agent| agent.ask(&["status"])).is_ok_and(|status| {
            status.contains("INIT") && status.contains("waiting for the end of vrrp_startup_delay")
        })
    })?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.serves(Side::A)?;
    let first = speaks(&pair, "n1", begun).context("no advert")?;
    pair.ensure(first.since(begun) >= Duration::from_secs(3), || format!("{:?}", first.since(begun)))?;
    let before = instance(&pair.a)?.transitions;
    let conf = pair.a.conf.clone();
    pair.a.rewrite(conf.global("vrrp_garp_master_repeat 2"))?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.settles_on(Side::A)?;
    pair.ensure(instance(&pair.a)?.transitions == before, || "the reload began anew".to_owned())
}

/// The backup's switch port is up and passes nothing, as ports do while a spanning tree makes up its mind. It becomes
/// a second master, as it must; when the port forwards, the first advert that it hears ends that.
fn a_deaf_start(kind: Kind, other: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, other, kind)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.b.host.isolate()?;
    pair.b.start()?;
    pair.serves(Side::B)?;
    pair.b.host.rejoin()?;
    let healed = Moment::now();
    pair.settles_on(Side::A)?;
    let heard = speaks(&pair, "n1", healed).context("the master fell silent")?;
    // One may be on its way while the other arrives.
    let late = pair.adverts("n2", heard);
    pair.ensure(late <= 1, || format!("{late} adverts of the second master after it could hear the first"))?;
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "the master gave way".to_owned())
}

#[test]
fn keepalived_gives_way_when_it_hears() -> Result<()> {
    a_deaf_start(Kind::Keepalived, Kind::Keepalived)
}

#[test]
fn a_second_master_gives_way_when_it_hears() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        a_deaf_start(kind, Kind::Keepalived)?;
        a_deaf_start(kind, kind)
    })
}
