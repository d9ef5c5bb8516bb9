//! What else can be said of a virtual address and of the interface that carries it.

use std::fs;

use anyhow::Result;
use vipward_tests::lab::Host;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{ip, logged};

/// The VIPs of eth0 as `ip` shows them, with all their attributes, without the host's own addresses.
fn shown(kind: Kind) -> Result<Vec<String>> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let conf = pair.a.conf.clone().vip("10.77.0.201 peer 10.77.5.5").vip("10.77.0.202/24 noprefixroute");
    pair.a.conf = conf.with(
        "virtual_ipaddress_excluded {
        fd77::201/64 preferred_lft 0
        fd77::202/128 preferred_lft forever
        fd77::203/64 -nodad
        fd77::204/64 home
        fd77::205/64 mngtmpaddr
        fd77::206/64 noprefixroute
        fd77::207 peer fd77::1111
        fd77::208/64 preferred_lft 100000
        10.77.3.4/24 no_track noprefixroute
    }",
    );
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("duplicate address detection to end", || {
        ip(&pair.a.host, &["address", "show", "dev", "eth0"]).is_ok_and(|all| !all.contains("tentative"))
    })?;
    let own = [pair.a.host.address().to_string(), "fe80::".to_owned(), "fd77::1/".to_owned()];
    let all = ip(&pair.a.host, &["address", "show", "dev", "eth0"])?;
    let vips = all.lines().filter(|line| !own.iter().any(|own| line.contains(&format!(" {own}"))));
    // The rest of a lifetime is counted down.
    let plain = |line: &str| {
        let words = line.split_whitespace();
        words
            .map(|word| if word.starts_with("99999") { "100000sec" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut vips: Vec<String> = vips.map(plain).collect();
    vips.sort();
    Ok(vips)
}

#[test]
fn options_of_addresses_do_what_they_do_in_keepalived() -> Result<()> {
    let expected = shown(Kind::Keepalived)?;
    assert_eq!(expected.len(), 12, "{expected:#?}");
    assert_eq!(shown(Kind::Vipward("auto"))?, expected);
    Ok(())
}

#[test]
fn an_address_that_is_not_tracked_is_not_put_back() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let excluded = "virtual_ipaddress_excluded {\n        10.77.0.201/24 no_track\n    }";
    pair.a.conf = pair.a.conf.clone().with(excluded);
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let holds = |host: &Host, address: &str| ip(host, &["address"]).is_ok_and(|all| all.contains(address));
    pair.wait("both VIPs", || holds(&pair.a.host, "10.77.0.201/"))?;
    pair.a.host.ip("addr del 10.77.0.201/24 dev eth0\naddr del 10.77.0.200/24 dev eth0\n")?;
    pair.wait("the tracked one to be back", || logged(&pair.a, "10.77.0.200 was removed by somebody else"))?;
    pair.ensure(!holds(&pair.a.host, "10.77.0.201/"), || "the other is back as well".to_owned())?;
    // The next time that it becomes master it adds it again.
    pair.b.start()?;
    pair.a.stop()?;
    pair.serves(Side::B)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("both to be back", || holds(&pair.a.host, "10.77.0.201/"))
}

fn promotes(host: &Host) -> Option<String> {
    let read = || fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/promote_secondaries");
    let value = host.namespace().enter(read).ok()?.ok()?;
    Some(value.trim().to_owned())
}

fn promote_secondaries(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("promote_secondaries");
    let before = promotes(&pair.a.host);
    assert_eq!(before.as_deref(), Some("0"));
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    assert_eq!(promotes(&pair.a.host).as_deref(), Some("1"));
    pair.a.stop()?;
    pair.ensure(promotes(&pair.a.host) == before, || "it is not as it was before".to_owned())
}

#[test]
fn keepalived_promotes_secondaries_while_it_runs() -> Result<()> {
    promote_secondaries(Kind::Keepalived)
}

#[test]
fn secondaries_are_promoted_while_it_runs() -> Result<()> {
    promote_secondaries(Kind::Vipward("auto"))
}
