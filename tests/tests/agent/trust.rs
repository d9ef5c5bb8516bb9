//! `vipward_peers`: forged adverts from anybody else change nothing.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::host::INTERFACE;
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::{agent, instance, ip, logged, newcomer};

/// Ten a second.
const PACE: Duration = Duration::from_millis(100);
/// For longer than several Master_Down_Intervals.
const FORGERIES: u64 = 20;

/// The MAC of a host's interface.
fn mac(host: &Host) -> Result<String> {
    let shown = ip(host, &["link", "show", INTERFACE])?;
    let mac = shown.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
    Ok(mac.with_context(|| format!("no MAC in {shown:?}"))?.to_owned())
}

fn forge(injector: &Injector, forged: &Forged) -> Result<()> {
    let begun = Moment::now();
    for number in 0..FORGERIES {
        injector.send(&forged.frame())?;
        (begun + PACE * u32::try_from(number + 1)?).sleep_until();
    }
    Ok(())
}

/// How many adverts a node rejected for a reason.
fn rejected(pair: &Pair, side: Side, reason: &str) -> Result<u64> {
    let json: serde_json::Value = serde_json::from_str(&agent(pair.node(side))?.ask(&["status", "--json"])?)?;
    Ok(json["instances"][0]["adverts_rejected_by"][reason].as_u64().unwrap_or(0))
}

/// Both name each other, with MACs or without.
fn named(kind: Kind, macs: bool) -> Result<Pair> {
    let mut pair = Pair::new(Form::V3, kind, kind)?;
    let mut line = "vipward_peers".to_owned();
    for host in [&pair.a.host, &pair.b.host] {
        write!(line, " {}", host.address())?;
        if macs {
            write!(line, " mac {}", mac(host)?)?;
        }
    }
    for node in [&mut pair.a, &mut pair.b] {
        node.conf = node.conf.clone().with(&line);
        node.start()?;
    }
    pair.wait("both to take part", || pair.a.ready() && pair.b.ready())?;
    pair.settles_on(Side::A)?;
    Ok(pair)
}

/// Forgeries reach both nodes, are counted for `reason`, and change nothing; and when the master dies under them the
/// backup takes over.
fn withstands(mut pair: Pair, forged: &Forged, reason: &str, attacker: &Host) -> Result<()> {
    let injector = Injector::new(attacker)?;
    let before = [instance(&pair.a)?, instance(&pair.b)?];
    let start = Moment::now();
    forge(&injector, forged)?;
    for (side, before) in [Side::A, Side::B].into_iter().zip(&before) {
        pair.wait("the forgeries to be counted", || {
            rejected(&pair, side, reason).is_ok_and(|count| count >= FORGERIES)
        })?;
        let now = instance(pair.node(side))?;
        pair.ensure(now.transitions == before.transitions && now.state == before.state, || {
            format!("{now:?}")
        })?;
        let master = now.master.map(|master| master.priority);
        pair.ensure(master == Some(150), || format!("{side:?} takes {master:?} for the master"))?;
    }
    pair.ensure(pair.adverts("n2", start) == 0, || "the backup was misled".to_owned())?;
    let event = Moment::now();
    pair.a.kill();
    std::thread::scope(|scope| {
        let forging = scope.spawn(|| forge(&injector, forged));
        let result = pair.succeeds_a_dead_master(Side::B, event);
        forging.join().map_err(|_| anyhow::anyhow!("the forger panicked")).and_then(|sent| sent).and(result)
    })
}

fn another_address(kind: Kind) -> Result<()> {
    let pair = named(kind, false)?;
    let attacker = newcomer(&pair)?;
    let forged = Forged::new(VRID, 255, attacker.address());
    withstands(pair, &forged, "unknown_peer", &attacker)
}

#[test]
fn forgeries_from_other_addresses_change_nothing() -> Result<()> {
    Kind::by_every_datapath(another_address)
}

/// The peer's address from elsewhere; from the backup's, for a host drops what claims to come from its own address.
#[test]
fn forgeries_from_other_macs_change_nothing() -> Result<()> {
    for kind in [Kind::Vipward("xdp"), Kind::Vipward("xdp-generic")] {
        let pair = named(kind, true)?;
        let attacker = newcomer(&pair)?;
        // A third router's address: each of the two would take its own for a loop.
        let third = attacker.address();
        let mut pair = pair;
        for node in [&mut pair.a, &mut pair.b] {
            let conf = node.conf.clone().with(format!("vipward_peers {third} mac 02:00:00:00:00:03"));
            node.rewrite(conf)?;
        }
        for side in [Side::A, Side::B] {
            agent(pair.node(side))?.ask(&["reload"])?;
        }
        withstands(pair, &Forged::new(VRID, 255, third), "peer_mac", &attacker)?;
    }
    Ok(())
}

/// Where MACs cannot be checked that is said, and addresses are checked all the same.
#[test]
fn a_raw_socket_says_that_it_sees_no_macs() -> Result<()> {
    let pair = named(Kind::Vipward("socket"), true)?;
    pair.wait("a warning", || logged(&pair.a, "are NOT checked") && logged(&pair.b, "are NOT checked"))?;
    let attacker = newcomer(&pair)?;
    let forged = Forged::new(VRID, 255, attacker.address());
    withstands(pair, &forged, "unknown_peer", &attacker)
}

/// keepalived reads the same file, and only warns.
#[test]
fn keepalived_passes_over_the_line() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let line = format!("vipward_peers {} {}", pair.a.host.address(), pair.b.host.address());
    for node in [&mut pair.a, &mut pair.b] {
        // In front of everything that it must still understand.
        node.conf = node.conf.clone().set(&line);
        node.start()?;
    }
    pair.wait("both to take part", || pair.a.ready() && pair.b.ready())?;
    pair.settles_on(Side::A)?;
    pair.ensure(logged(&pair.b, "Unknown keyword 'vipward_peers'"), || "keepalived says nothing".to_owned())?;
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)
}
