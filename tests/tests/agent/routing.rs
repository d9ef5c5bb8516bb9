//! Routes, rules and static lines: there while they are wanted, put back when somebody removes them, and gone with the
//! mastership. What `ip` shows is compared with what it shows of keepalived.

use anyhow::{Context, Result};
use vipward_tests::lab::Host;
use vipward_tests::peers::{Conf, Form, Kind, Pair, Side};

use crate::seen::{ip, logged, make_lan};

const ROUTES: &str = "virtual_routes {
        192.0.2.128/25 via 10.77.0.9 dev eth0 metric 5
        src 10.77.0.200 to 198.51.100.0/24 via 10.77.0.254 dev eth0
        198.51.101.0/24 dev eth0 no_track
        blackhole 198.51.103.0/24
        unreachable 198.51.104.0/24 table 100
        default via 10.77.0.1 table 100
        198.51.105.0/24 nexthop via 10.77.0.2 dev eth0 weight 1 nexthop via 10.77.0.3 dev eth0 weight 2
        fd99::/64 via fd77::9 dev eth0
        prohibit 198.51.106.0/24
        throw 198.51.107.0/24
        198.51.108.0/24 dev eth0 scope link mtu 1400 advmss 1300 tos 0x04 hoplimit 20 initcwnd 5 features ecn
        198.51.109.0/24 dev eth0 mtu lock 1400 preference 7
        198.51.110.0/24 via 10.200.0.1 dev eth0 onlink append
        default via 10.77.0.1 metric 50
    }";
const RULES: &str = "virtual_rules {
        from 192.168.2.0/24 table 1 priority 299
        from 10.77.0.200 fwmark 24/12 iif eth0 table 100 priority 300
        from 10.77.0.201 blackhole priority 301
        from 10.77.0.202 goto 400 priority 302
        from 10.77.0.203 lookup main preference 400
        from 10.77.0.0/24 oif eth0 table 100 priority 401
        from 10.77.0.0/24 suppress_prefixlength 0 table main priority 402
        from 10.77.0.0/24 tos 8 table main priority 403
        from 10.77.0.0/24 ipproto tcp sport 10-20 dport 30-30 table main priority 404
        from 10.77.0.0/24 uidrange 5-9 table main priority 405
        not from 10.77.0.0/24 table main priority 406
        from fd77::/64 table 100 priority 407
        to fd55::/64 unreachable priority 900
    }";
const STATICS: &str = "static_ipaddress {
    10.78.0.9/24 dev lan0
}
static_routes {
    203.0.113.0/24 via 10.78.0.7 dev lan0
    blackhole 203.0.112.0/24
}
static_rules {
    to 10.8.0.0/24 table 78 priority 500
}";

/// All routes and rules that are marked as keepalived's, and those that the tests mark otherwise.
fn shown(host: &Host) -> Result<Vec<String>> {
    let mut all = String::new();
    for words in [["-4", "route", "show", "table", "all"], ["-6", "route", "show", "table", "all"]] {
        all += &ip(host, &words)?;
    }
    for words in [["-4", "rule"], ["-6", "rule"]] {
        all += &ip(host, &words)?;
    }
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let ours = |line: &&str| line.contains("proto keepalived") || line.contains("proto 98");
    Ok(all.lines().filter(ours).map(plain).collect())
}

fn has(host: &Host, words: &str) -> bool {
    shown(host).is_ok_and(|all| all.iter().any(|line| line.contains(words)))
}

fn with_everything(conf: &Conf) -> Conf {
    conf.clone().with(ROUTES).with(RULES).with("virtual_ipaddress_excluded {\n        fd77::200/64\n    }")
}

/// What is there as MASTER with everything, and that nothing of it is left afterwards.
fn everything(kind: Kind) -> Result<Vec<String>> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    pair.a.conf = with_everything(&pair.a.conf).block(STATICS);
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the last rule", || has(&pair.a.host, "from all to fd55::/64"))?;
    pair.wait("the static route", || has(&pair.a.host, "203.0.113.0/24"))?;
    let all = shown(&pair.a.host)?;
    pair.ensure(ip(&pair.a.host, &["address"])?.contains("10.78.0.9/24"), || "no static address".to_owned())?;
    pair.a.stop()?;
    pair.ensure(shown(&pair.a.host)?.is_empty(), || format!("left: {:?}", shown(&pair.a.host)))?;
    pair.ensure(!ip(&pair.a.host, &["address"])?.contains("10.78.0.9"), || "left an address".to_owned())?;
    Ok(all)
}

#[test]
fn routes_and_rules_look_as_if_keepalived_had_added_them() -> Result<()> {
    let expected = everything(Kind::Keepalived)?;
    assert_eq!(expected.len(), 30, "{expected:#?}");
    assert_eq!(everything(Kind::Vipward("auto"))?, expected);
    Ok(())
}

/// keepalived reads these as well, but the kernel refuses what it makes of them.
#[test]
fn what_keepalived_reads_and_cannot_add_is_added() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with(
        "virtual_routes {
        198.51.102.0/24 via 10.77.0.254 or 10.77.0.253 dev eth0
        198.51.111.0/24 dev eth0 congctl reno protocol 98 no_track
    }",
    );
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("two gateways", || has(&pair.a.host, "nexthop via 10.77.0.253 dev eth0"))?;
    pair.wait("the other route", || has(&pair.a.host, "198.51.111.0/24 dev eth0 proto 98"))?;
    pair.ensure(has(&pair.a.host, "congctl reno"), || "without its algorithm".to_owned())?;
    pair.a.stop()?;
    pair.ensure(shown(&pair.a.host)?.is_empty(), || format!("left: {:?}", shown(&pair.a.host)))
}

#[test]
fn what_somebody_removes_is_put_back_unless_it_is_not_tracked() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    pair.a.conf = with_everything(&pair.a.conf).block(STATICS);
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the last rule", || has(&pair.a.host, "from all to fd55::/64"))?;
    let before = shown(&pair.a.host)?;
    pair.a.host.ip(
        "route del 198.51.101.0/24\nroute del 192.0.2.128/25\nroute del blackhole 198.51.103.0/24\n\
         rule del priority 300\nroute del fd99::/64\nroute del 203.0.113.0/24\n\
         rule del priority 500\n",
    )?;
    ip(&pair.a.host, &["-6", "rule", "del", "priority", "900"])?;
    let untracked = |line: &String| line.starts_with("198.51.101.0/24");
    let expected: Vec<String> = before.iter().filter(|line| !untracked(line)).cloned().collect();
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    pair.wait("everything else to be back", || {
        shown(&pair.a.host).is_ok_and(|now| sorted(now) == sorted(expected.clone()))
    })?;
    pair.ensure(logged(&pair.a, "put back"), || "the log does not say so".to_owned())?;
    // The kernel drops routes with their source address, and says nothing of it.
    pair.a.host.ip("addr del 10.77.0.200/24 dev eth0\n")?;
    pair.wait("the route from the VIP to be back", || has(&pair.a.host, "src 10.77.0.200"))
}

#[test]
fn routes_wait_for_their_interface_and_come_back_with_it() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf =
        pair.a.conf.clone().with("virtual_routes {\n        192.0.2.0/24 via 10.78.0.7 dev lan0\n    }");
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("a line that says so", || logged(&pair.a, "waits for interface lan0"))?;
    make_lan(&pair.a.host)?;
    pair.wait("the route", || has(&pair.a.host, "192.0.2.0/24"))?;
    pair.a.host.ip("link set dev lan0 down\n")?;
    pair.wait("the route to go with its interface", || !has(&pair.a.host, "192.0.2.0/24"))?;
    pair.a.host.ip("link set dev lan0 up\n")?;
    pair.wait("the route to be back", || has(&pair.a.host, "192.0.2.0/24"))
}

#[test]
fn a_reload_changes_only_what_differs() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let routes = |mtu: u32| {
        format!(
            "virtual_routes {{\n        192.0.2.0/24 dev eth0\n        198.51.100.0/24 dev eth0 mtu {mtu}\n    }}"
        )
    };
    let plain = pair.a.conf.clone();
    pair.a.conf = plain.clone().with(routes(1400));
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the routes", || has(&pair.a.host, "mtu 1400"))?;
    pair.a.rewrite(
        plain
            .clone()
            .with(routes(1300))
            .with("virtual_rules {\n        to 10.8.0.0/24 table 5 priority 7\n    }"),
    )?;
    pair.a.peer.as_ref().context("it runs")?.reload()?;
    pair.wait("the other MTU and the rule", || {
        has(&pair.a.host, "mtu 1300") && has(&pair.a.host, "lookup 5") && !has(&pair.a.host, "mtu 1400")
    })?;
    pair.ensure(has(&pair.a.host, "192.0.2.0/24"), || "the route that did not change is gone".to_owned())?;
    pair.a.rewrite(plain)?;
    pair.a.peer.as_ref().context("it runs")?.reload()?;
    pair.wait("all of them to go", || shown(&pair.a.host).is_ok_and(|all| all.is_empty()))
}

#[test]
fn routes_go_with_an_agent_that_dies_and_with_one_that_lost_everything() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.stop()?;
    pair.a.conf = with_everything(&pair.a.conf);
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the last rule", || has(&pair.a.host, "from all to fd55::/64"))?;
    pair.a.kill_alone();
    pair.wait("the guard to remove them", || shown(&pair.a.host).is_ok_and(|all| all.is_empty()))?;
    pair.settles_on(Side::B)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the last rule", || has(&pair.a.host, "from all to fd55::/64"))?;
    // With its guard: the next start has to clear up, here as a backup.
    pair.a.kill();
    pair.serves(Side::B)?;
    pair.a.conf = pair.a.conf.clone().set("priority 50");
    pair.a.start()?;
    pair.settles_on(Side::B)?;
    pair.wait("the new run to remove them", || shown(&pair.a.host).is_ok_and(|all| all.is_empty()))
}
