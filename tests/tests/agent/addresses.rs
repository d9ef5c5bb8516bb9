//! VIPs are a desired state: put back when somebody removes them, removed when a dead run left them, and marked as
//! keepalived marks them.

use anyhow::Result;
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{instance, ip, logged, make_lan, state};

/// How often somebody removes a VIP.
const REMOVALS: usize = 10;

fn put_back(form: Form, remove: &str) -> Result<()> {
    let pair = Pair::settled(form, Kind::Vipward("auto"), Kind::Keepalived)?;
    let (start, vip) = (Moment::now(), form.vip());
    let before = instance(&pair.a)?.transitions;
    for _ in 0..REMOVALS {
        let removed = Moment::now();
        pair.a.host.ip(remove)?;
        pair.wait("the VIP to be announced again", || {
            let again = |seen: &Seen| matches!(seen, Seen::Announcement { address, .. } if *address == vip);
            pair.wire.first(removed, |sender, seen| sender == "n1" && again(seen)).is_some()
        })?;
        pair.wait("the VIP to be back", || pair.a.host.holds(vip))?;
    }
    pair.ensure(logged(&pair.a, "put back"), || "the log does not say so".to_owned())?;
    // keepalived as master would step down here, and its peer take over.
    let now = instance(&pair.a)?;
    pair.ensure(now.state == "MASTER" && now.transitions == before, || "it left MASTER".to_owned())?;
    pair.ensure(pair.adverts("n2", start) == 0, || "the other took over".to_owned())
}

#[test]
fn an_ipv4_vip_that_somebody_removes_is_put_back() -> Result<()> {
    put_back(Form::V3, "addr del 10.77.0.200/24 dev eth0\n")
}

#[test]
fn an_ipv6_vip_that_somebody_removes_is_put_back() -> Result<()> {
    put_back(Form::V3Ipv6, "addr del fd77::200/64 dev eth0\n")
}

/// Started again after `kill -9`, as a backup this time.
fn left_behind(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, kind, Kind::Keepalived)?;
    pair.a.kill();
    pair.serves(Side::B)?;
    pair.ensure(pair.a.host.holds(pair.form.vip()), || "nothing was left behind to be removed".to_owned())?;
    pair.a.conf = pair.a.conf.clone().set("priority 50");
    let start = Moment::now();
    pair.a.start()?;
    pair.settles_on(Side::B)?;
    pair.ensure(pair.adverts("n1", start) == 0, || "it became master for a moment".to_owned())
}

#[test]
fn keepalived_removes_vips_that_a_killed_run_left() -> Result<()> {
    left_behind(Kind::Keepalived)
}

#[test]
fn vips_that_a_killed_run_left_are_removed_at_start() -> Result<()> {
    left_behind(Kind::Vipward("auto"))
}

#[test]
fn leftovers_go_from_their_own_interface_with_the_prefix_that_they_have() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, Kind::Vipward("auto"))?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    make_lan(&pair.b.host)?;
    pair.b.conf = pair.b.conf.clone().vip("10.77.0.201/24 dev lan0");
    pair.a.conf = pair.a.conf.clone().vip("10.77.0.201/24");
    // An earlier run had /32, and the second VIP was never meant for eth0: that one is somebody else's.
    let (own, foreign) = ("10.77.0.200/32 dev eth0", "10.77.0.201/32 dev eth0");
    pair.b.host.ip(&format!("addr add {own}\naddr add 10.77.0.201/32 dev lan0\naddr add {foreign}\n"))?;
    pair.b.start()?;
    pair.wait("the leftovers to go", || {
        let on = |device: &str| ip(&pair.b.host, &["address", "show", "dev", device]).unwrap_or_default();
        !on("eth0").contains("10.77.0.200") && !on("lan0").contains("10.77.0.201")
    })?;
    let eth0 = ip(&pair.b.host, &["address", "show", "dev", "eth0"])?;
    pair.ensure(eth0.contains("10.77.0.201"), || format!("somebody else's address is gone: {eth0}"))
}

#[test]
fn an_interface_keeps_its_only_address() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let own = pair.a.host.address();
    pair.a.conf = pair.a.conf.clone().vip(format!("{own}/24"));
    pair.a.start()?;
    pair.wait("a line that says so", || logged(&pair.a, "it stays"))?;
    pair.ensure(pair.a.host.holds(own.into()), || "the host is off the network".to_owned())
}

/// The addresses of eth0 as `ip` shows them, with all their attributes.
fn shown(kind: Kind) -> Result<Vec<String>> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let conf = pair.a.conf.clone();
    let conf =
        conf.vip("10.77.0.201").vip("10.77.0.202/24 brd +").vip("10.77.0.203/32 dev eth0 label eth0:vip");
    let conf = conf.vip("192.0.2.1/24 brd 192.0.2.255 scope link").vip("10.77.0.204/24 brd -");
    pair.a.conf =
        conf.with("virtual_ipaddress_excluded {\n        fd77::201/64\n        10.77.1.1/16\n    }");
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let own = [pair.a.host.address().to_string(), "fe80::".to_owned(), "fd77::1/".to_owned()];
    let all = ip(&pair.a.host, &["address", "show", "dev", "eth0"])?;
    let vips = all.lines().filter(|line| !own.iter().any(|own| line.contains(&format!(" {own}"))));
    let mut vips: Vec<String> =
        vips.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    vips.sort();
    Ok(vips)
}

#[test]
fn addresses_look_as_if_keepalived_had_added_them() -> Result<()> {
    let expected = shown(Kind::Keepalived)?;
    assert_eq!(expected.len(), 8, "{expected:#?}");
    assert_eq!(shown(Kind::Vipward("auto"))?, expected);
    Ok(())
}

fn has_vip(host: &Host, device: &str) -> Result<bool> {
    Ok(ip(host, &["address", "show", "dev", device])?.contains("10.77.0.200/"))
}

#[test]
fn a_vip_that_is_on_another_interface_too_is_served_and_told_of() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    pair.a.host.ip("addr add 10.77.0.200/32 dev lan0\n")?;
    pair.a.start()?;
    pair.wait("it to be master", || state(&pair.a).as_deref() == Some("MASTER"))?;
    pair.wait("the VIP to be where it belongs", || has_vip(&pair.a.host, "eth0").unwrap_or(false))?;
    pair.wait("a line in the log that names the other interface", || {
        pair.a.peer.as_ref().is_some_and(|peer| {
            peer.log().lines().any(|line| line.contains("10.77.0.200") && line.contains("lan0"))
        })
    })?;
    pair.a.stop()?;
    assert!(!has_vip(&pair.a.host, "eth0")?, "ours is removed");
    assert!(has_vip(&pair.a.host, "lan0")?, "the one that somebody else added is not ours to remove");
    Ok(())
}
