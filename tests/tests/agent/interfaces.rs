//! Interfaces that are not there yet, go away, return, or lose their address.

use anyhow::Result;
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{instance, logged, make_lan, state};

/// How often an interface goes and returns.
const RETURNS: usize = 2;

fn comes_and_goes(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let vip = "10.78.0.200".parse()?;
    pair.a.conf =
        pair.a.conf.clone().set("interface lan0").without_vip("10.77.0.200/24").vip("10.78.0.200/24");
    pair.a.start()?;
    let waits = |pair: &Pair| {
        pair.wait("it to wait for its interface", || {
            instance(&pair.a).is_ok_and(|now| {
                now.state != "MASTER" && now.fault.is_some_and(|fault| fault.contains("lan0"))
            })
        })
    };
    waits(&pair)?;
    pair.wait("the log to say what it waits for", || logged(&pair.a, "lan0"))?;
    for _ in 0..RETURNS {
        make_lan(&pair.a.host)?;
        pair.wait("it to be master", || state(&pair.a).as_deref() == Some("MASTER"))?;
        pair.wait("the VIP", || pair.a.host.holds(vip))?;
        let now = instance(&pair.a)?;
        if let Kind::Vipward(datapath) = kind {
            pair.ensure(now.datapath.as_deref() == Some(datapath), || format!("{now:?}"))?;
        }
        pair.a.host.ip("link del lan0\n")?;
        waits(&pair)?;
    }
    pair.a.stop()
}

#[test]
fn an_interface_may_come_late_go_and_return() -> Result<()> {
    Kind::by_every_datapath(comes_and_goes)
}

/// A backup whose interface is down must not take over, and must after it is back.
fn backup_without_link(kind: Kind) -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    pair.b.host.unplug()?;
    pair.wait("FAULT", || state(&pair.b).as_deref() == Some("FAULT"))?;
    let start = Moment::now();
    pair.b.host.plug()?;
    pair.settles_on(Side::A)?;
    pair.wait("BACKUP", || state(&pair.b).as_deref() == Some("BACKUP"))?;
    pair.ensure(pair.adverts("n2", start) == 0, || "it served while its master lived".to_owned())?;
    let event = Moment::now();
    pair.a.host.unplug()?;
    pair.succeeds_a_dead_master(Side::B, event)
}

#[test]
fn a_backup_waits_for_its_link_and_watches_again() -> Result<()> {
    Kind::by_every_datapath(backup_without_link)
}

/// Without an address of its own there is nothing to send adverts from.
#[test]
fn an_interface_may_lose_its_address_and_get_another() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let own = pair.a.host.address();
    pair.a.host.ip(&format!("addr del {own}/24 dev eth0\n"))?;
    pair.settles_on(Side::B)?;
    let now = instance(&pair.a)?;
    let said = now.fault.as_deref().is_some_and(|fault| fault.contains("IPv4 address"));
    pair.ensure(now.state == "FAULT" && said, || format!("{now:?}"))?;
    let event = Moment::now();
    pair.a.host.ip("addr add 10.77.0.77/24 dev eth0\n")?;
    let takeover = pair.takes_over(Side::A, event)?;
    let source = takeover.first.1.source;
    pair.ensure(source == std::net::Ipv4Addr::new(10, 77, 0, 77), || format!("adverts come from {source}"))?;
    pair.settles_on(Side::A)
}
