//! `no_accept`: a MASTER that only forwards does not answer at its VIPs.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use vipward_tests::lab::Host;
use vipward_tests::peers::{Form, Kind, Pair, Side};

/// Whether the host behind an address says that nobody listens there.
fn answers(from: &Host, address: &str) -> Result<bool> {
    let port = SocketAddr::new(address.parse()?, 9);
    let connected = from.namespace().enter(|| TcpStream::connect_timeout(&port, Duration::from_secs(1)))?;
    Ok(connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

fn tables(host: &Host) -> Result<String> {
    let list = || Command::new("nft").args(["list", "tables"]).output();
    Ok(String::from_utf8(host.namespace().enter(list)??.stdout)?)
}

fn closed(form: Form, kind: Kind) -> Result<()> {
    let mut pair = Pair::new(form, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("no_accept");
    let own = if form == Form::V3Ipv6 { "fd77::1" } else { "10.77.0.1" };
    let vip = if form == Form::V3Ipv6 { "fd77::200" } else { "10.77.0.200" };
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the host itself to answer", || answers(&pair.b.host, own).unwrap_or(false))?;
    pair.ensure(!answers(&pair.b.host, vip)?, || "the VIP answers".to_owned())?;
    let shown = Command::new("ip").args(["-n", pair.b.host.namespace().name(), "neigh"]).output()?;
    let neighbours = String::from_utf8(shown.stdout)?;
    let known = neighbours.lines().any(|line| line.starts_with(vip) && line.contains("lladdr"));
    pair.ensure(known, || format!("nobody can find it: {neighbours}"))?;
    pair.a.stop()?;
    let left = tables(&pair.a.host)?;
    pair.ensure(left.is_empty(), || format!("left behind: {left}"))
}

#[test]
fn keepalived_does_not_answer_at_its_vips() -> Result<()> {
    closed(Form::V3, Kind::Keepalived)
}

#[test]
fn vips_do_not_answer() -> Result<()> {
    closed(Form::V3, Kind::Vipward("auto"))
}

#[test]
fn ipv6_vips_do_not_answer_and_are_found() -> Result<()> {
    closed(Form::V3Ipv6, Kind::Vipward("auto"))
}

#[test]
fn a_reload_opens_and_closes_and_a_crash_leaves_nothing_closed() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let open = pair.a.conf.clone();
    pair.ensure(answers(&pair.b.host, "10.77.0.200")?, || "it does not answer by default".to_owned())?;
    pair.a.rewrite(open.clone().with("no_accept"))?;
    pair.a.peer.as_ref().context("it runs")?.reload()?;
    pair.wait("the VIP to fall silent", || !answers(&pair.b.host, "10.77.0.200").unwrap_or(true))?;
    pair.a.kill();
    pair.serves(Side::B)?;
    pair.a.conf = open;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the VIP to answer", || answers(&pair.b.host, "10.77.0.200").unwrap_or(false))
}
