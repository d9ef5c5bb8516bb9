//! Routes, rules, options of addresses and what else concerns the network, from text to the model.

use std::path::Path;
use std::time::Duration;

use crate::config::model::{Config, Instance, Placement, RouteKind, RuleAction, State, VipOptions};
use crate::config::{Loaded, Options, load_str};

const ESSENTIALS: &str = " interface e\n virtual_router_id 1\n";

fn load(text: &str) -> Loaded {
    load_str(Path::new("f"), text, &Options::default())
}

fn instance_text(lines: &str) -> String {
    format!("vrrp_instance i {{\n{ESSENTIALS} virtual_ipaddress {{\n  10.0.0.1/24\n }}\n{lines}\n}}")
}

fn config(text: &str) -> Config {
    let loaded = load(text);
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn instance(lines: &str) -> Instance {
    config(&instance_text(lines)).instances.remove(0)
}

/// The first finding, as it is shown.
fn said(text: &str) -> String {
    load(text).diagnostics.first().map(ToString::to_string).unwrap_or_default()
}

fn route_said(line: &str) -> String {
    said(&instance_text(&format!(" virtual_routes {{\n{line}\n }}")))
}

fn rule_said(line: &str) -> String {
    said(&instance_text(&format!(" virtual_rules {{\n{line}\n }}")))
}

#[test]
fn routes_are_read_as_iproute2_writes_them() {
    let lines = " virtual_routes {
        192.0.2.128/25 via 10.0.0.9 dev e metric 5
        src 10.0.0.1 to 198.51.100.0/24 via 10.0.0.254 dev e
        198.51.101.0/24 dev e no_track protocol 99 scope link append
        198.51.102.0/24 via 10.0.0.254 or 10.0.0.253 dev e
        blackhole 198.51.103.0/24 table 0x64
        default via 10.0.0.2 table local
        198.51.105.0/24 nexthop via 10.0.0.2 dev e weight 1 nexthop via 10.0.0.3 dev f weight 2 onlink
        fd99::/64 via inet6 fd77::9 dev e pref high add
        default via fd77::9
        198.51.108.0/24 dev e mtu lock 1400 advmss 1300 rtt 2s hoplimit 20 features ecn congctl lock reno tos 4
        203.0.113.7 dev e realms 2/3
    }";
    let routes = instance(lines).routes;
    assert_eq!(routes.len(), 11);
    let shown = |number: usize| routes[number].destination.to_string();
    assert_eq!((shown(0), routes[0].metric, routes[0].table), ("192.0.2.128/25".to_owned(), Some(5), 254));
    assert_eq!(routes[1].source, "10.0.0.1".parse().ok());
    assert!(routes[2].no_track && routes[2].protocol == 99 && routes[2].scope == 253);
    assert_eq!(routes[2].placement, Placement::Append);
    assert_eq!(routes[3].hops.iter().filter(|hop| hop.dev.as_deref() == Some("e")).count(), 2);
    assert_eq!((routes[4].kind, routes[4].table, routes[4].hops.len()), (RouteKind::Blackhole, 100, 0));
    assert_eq!((shown(5), routes[5].table), ("0.0.0.0/0".to_owned(), 255));
    let hops: Vec<_> = routes[6].hops.iter().map(|hop| (hop.weight, hop.onlink)).collect();
    assert_eq!(hops, [(1, false), (2, true)]);
    assert_eq!((routes[7].preference, routes[7].placement), (Some(1), Placement::Alone));
    assert_eq!(shown(8), "::/0", "of the gateway's family");
    let metrics: Vec<_> = routes[9].metrics.iter().map(|it| (it.number, it.value, it.locked)).collect();
    assert_eq!(
        metrics,
        [(2, 1400, true), (8, 1300, false), (4, 16_000, false), (10, 20, false), (12, 1, false)]
    );
    assert_eq!(routes[9].congestion, Some(("reno".to_owned(), true)));
    assert_eq!((shown(10), routes[10].realms), ("203.0.113.7/32".to_owned(), Some(2 << 16 | 3)));
}

#[test]
fn what_is_wrong_with_a_route_is_said_at_its_word() {
    for (line, expected) in [
        ("192.0.2.0/24", "f:8:1: error: this route leads nowhere"),
        ("via 10.0.0.9", "this route has no destination"),
        (
            "192.0.2.0/24 via 10.0.0.9 metrik 5",
            "f:8:27: error: `metrik` is no option of a route; did you mean `metric`?",
        ),
        ("192.0.2.0/24 via fd00::1", "IPv4 and IPv6 in one line"),
        ("192.0.2.0/24 via", "`via` needs a value"),
        ("192.0.2.0/24 dev e table nosuchtable", "`nosuchtable` is no routing table"),
        ("192.0.2.0/33 dev e", "`192.0.2.0/33` is no address or prefix"),
        ("web dev e", "`web` is neither an option nor the destination of a route"),
        ("blackhole 192.0.2.0/24 via 10.0.0.9", "has no `via` and no `dev`"),
        ("192.0.2.0/24 nexthop weight 1", "a `nexthop` has neither `via` nor `dev`"),
        ("192.0.2.0/24 nexthop via 10.0.0.9 weight 257", "`257` is no whole number from 1 to 256"),
        ("192.0.2.0/24 dev e encap mpls 100", "`encap` of a route is not supported"),
        ("192.0.2.0/24 dev e vrf blue", "name the table of the VRF"),
        ("192.0.2.0/24 dev e rtt soon", "`soon` is no time"),
        ("192.0.2.5/24 dev e", "192.0.2.5/24 is taken for 192.0.2.0/24"),
        ("192.0.2.0/24 dev e protocol bird", "the protocol of a route that is put back"),
    ] {
        let said = route_said(line);
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn rules_are_read_as_iproute2_writes_them() {
    let lines = " virtual_rules {
        from 192.168.2.0/24 table 1
        to 192.168.2.0/24 lookup main no_track priority 7
        from 10.0.0.1 fwmark 24/0xc iif e oif f table 100 preference 300
        not from 10.0.0.2 blackhole priority 301 tos 8
        from 10.0.0.3 goto 400 priority 302
        fd77::/64 table 100
        from fd77::/64 table 100
        inet6 table 100 uidrange 5-9 ipproto TCP sport 10-20 dport 30 order 405 suppress_prefixlength 0
    }";
    let said_all = load(&instance_text(lines)).diagnostics;
    assert!(said_all.iter().any(|said| said.to_string().contains("`fd77::/64` is no option of a rule")));
    let rules = instance(&lines.replace("        fd77::/64 table 100\n", "")).rules;
    assert_eq!(rules.len(), 7);
    assert_eq!((rules[0].priority, rules[5].priority), (16_384, 16_384), "counted by family");
    assert_eq!((rules[1].priority, rules[1].action, rules[1].no_track), (7, RuleAction::Table(254), true));
    assert_eq!((rules[2].mark, rules[2].iif.as_deref()), (Some((24, Some(12))), Some("e")));
    assert!(rules[3].inverted && rules[3].action == RuleAction::Blackhole && rules[3].tos == 8);
    assert_eq!(rules[4].action, RuleAction::Goto(400));
    let last = &rules[6];
    assert_eq!((last.users, last.ip_protocol, last.suppress_prefix), (Some((5, 9)), Some(6), Some(0)));
    assert_eq!((last.source_ports, last.destination_ports), (Some((10, 20)), Some((30, 30))));
}

#[test]
fn what_is_wrong_with_a_rule_is_said_at_its_word() {
    for (line, expected) in [
        ("from 10.0.0.1", "this rule does nothing"),
        ("from 10.0.0.1 table 0", "there is no table 0"),
        ("from 10.0.0.1 table 5 blackhole", "a second action"),
        ("from 10.0.0.1 goto 400", "give this one a preference below"),
        ("from 10.0.0.1 goto 400 priority 400", "give this one a preference below"),
        ("from 10.0.0.1 tabel 5", "`tabel` is no option of a rule; did you mean `table`?"),
        ("from 10.0.0.1 table 5", "this rule has no preference, and gets 16384"),
        ("from 10.0.0.1 blackhole realms 3 priority 1", "for rules that look into a table"),
        ("from 10.0.0.1 fwmark red table 5", "`red` is no mark"),
        ("from 10.0.0.1 uidrange 9-5 table 5", "`9-5` is no range"),
        ("from 10.0.0.1 to fd00::1 table 5", "IPv4 and IPv6 in one line"),
        ("from 10.0.0.1 table 5 track_group g", "`track_group` of a rule is not supported"),
    ] {
        let said = rule_said(line);
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn static_lines_belong_to_nobody() {
    let text = format!(
        "static_ipaddress {{\n 10.9.0.1/24\n 10.9.0.2/24 dev f\n}}\nstatic_routes {{\n blackhole 192.0.2.0/24\n}}\n\
         static_rules {{\n to 10.8.0.0/24 table 78\n}}\n{}\nglobal_defs {{\n default_interface g\n}}",
        instance_text(" virtual_rules {\n to 10.8.1.0/24 table 78\n }")
    );
    let config = config(&text);
    let devices: Vec<_> = config.statics.addresses.iter().map(|vip| vip.dev.as_deref()).collect();
    assert_eq!(devices, [Some("g"), Some("f")]);
    assert_eq!((config.statics.routes.len(), config.statics.rules[0].priority), (1, 16_384));
    assert_eq!(config.instances[0].rules[0].priority, 16_383);
}

#[test]
fn options_of_addresses_are_read() {
    let lines = " virtual_ipaddress_excluded {
        10.0.0.2 peer 10.5.5.5 no_track
        fd77::1/128 preferred_lft forever home -nodad mngtmpaddr noprefixroute
        fd77::2/64 preferred_lft 30
    }";
    let vips = instance(lines).vips;
    let peer = VipOptions { peer: "10.5.5.5".parse().ok(), no_track: true, ..VipOptions::default() };
    assert_eq!((vips[1].options, vips[1].prefix_len), (peer, 32));
    let all = VipOptions {
        preferred_lft: Some(u32::MAX),
        dad: true,
        home: true,
        mngtmpaddr: true,
        noprefixroute: true,
        ..VipOptions::default()
    };
    assert_eq!(vips[2].options, all);
    assert_eq!(vips[3].options.preferred_lft, Some(30));
    for (line, expected) in [
        ("10.0.0.2 autojoin", "is for multicast addresses"),
        ("10.0.0.2/24 peer 10.0.0.3", "it is ignored"),
        ("10.0.0.2 peer fd00::1", "not of the family"),
        ("10.0.0.2 home", "means nothing to an IPv4 address"),
        ("10.0.0.2 nodad", "did you mean `-nodad`?"),
    ] {
        let said = said(&instance_text(&format!(" virtual_ipaddress_excluded {{\n{line}\n }}")));
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn a_losing_master_is_answered_as_global_defs_say() {
    let globals =
        |lines: &str| format!("global_defs {{\n{lines}\n}}\n{}", instance_text(" garp_master_repeat 9"));
    let garp = |lines: &str| config(&globals(lines)).instances[0].garp;
    assert_eq!((garp("").repeat, garp("").lower_prio_repeat), (9, 5));
    assert_eq!(garp("vrrp_garp_master_repeat 3").lower_prio_repeat, 3);
    assert_eq!(garp("vrrp_garp_lower_prio_repeat 0").lower_prio_repeat, 0);
    let least = garp("vrrp_min_garp");
    assert_eq!(
        (least.delay, least.lower_prio_repeat, least.lower_prio_delay),
        (Duration::ZERO, 1, Duration::ZERO)
    );
    assert_eq!(garp("vrrp_garp_master_delay 3\nvrrp_min_garp").delay, Duration::from_secs(3), "set before");
    let own = config(&instance_text(" garp_lower_prio_delay 2\n garp_extra_if all 100")).instances[0].garp;
    assert_eq!(
        (own.lower_prio_delay, own.extra, own.extra_all),
        (Duration::from_secs(2), Duration::from_secs(100), true)
    );
}

#[test]
fn paces_groups_and_delays_are_read() {
    let text = format!(
        "global_defs {{\n vrrp_garp_interval 0.001\n vrrp_mcast_group4 224.0.0.99\n vrrp_cpu_affinity 1 0 1\n}}\n\
         garp_group {{\n garp_interval 0.5\n interfaces {{\n  e\n  f\n }}\n}}\n\
         interface_up_down_delays {{\n e 0.5\n f 1 2\n}}\n{}",
        instance_text("")
    );
    let config = config(&text);
    assert_eq!(config.pacing.default.arp, Duration::from_millis(1));
    assert_eq!(
        (config.pacing.groups[0].interfaces.len(), config.pacing.groups[0].pace.arp),
        (2, Duration::from_millis(500))
    );
    assert_eq!(config.instances[0].group, "224.0.0.99".parse().ok());
    assert_eq!(config.globals.cpu_affinity, [0, 1]);
    let delays: Vec<_> =
        config.link_delays.iter().map(|delay| (delay.down.as_millis(), delay.up.as_millis())).collect();
    assert_eq!(delays, [(500, 500), (1000, 2000)]);
    for (text, expected) in [
        ("garp_group {\n interface e\n}", "has no interval"),
        ("garp_group {\n garp_interval 1\n}", "has no interface"),
        ("interface_up_down_delays {\n e\n}", "`e` has no delay"),
        ("interface_up_down_delays {\n e 256\n}", "no number of seconds from 0 to 255"),
        ("global_defs {\n vrrp_mcast_group6 ff05::1\n}", "link-local scope"),
        ("global_defs {\n vrrp_mcast_group4 10.0.0.1\n}", "is no multicast address"),
    ] {
        let said = said(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn a_delay_beyond_the_backups_patience_is_told_of() {
    let text = |delay: &str| format!("interface_up_down_delays {{\n e {delay}\n}}\n{}", instance_text(""));
    assert_eq!(said(&text("1.9")), "");
    assert!(said(&text("2")).contains("less than 2 s"), "{}", said(&text("2")));
    let extra = instance_text(" garp_extra_if 100");
    assert!(said(&extra).contains("`garp_extra_if` without `all`"), "{}", said(&extra));
}

#[test]
fn what_concerns_the_other_way_of_sending_is_said() {
    let multicast = instance_text(" unicast_ttl 7");
    assert!(said(&multicast).contains("`unicast_ttl` has no effect with multicast"), "{}", said(&multicast));
    let unicast = " unicast_src_ip 10.0.0.2\n unicast_peer {\n  10.0.0.3\n }\n";
    assert_eq!(instance(&format!("{unicast} unicast_ttl 7")).ttl, 7);
    let both = instance_text(&format!("{unicast} mcast_dst_ip 224.0.0.99"));
    assert!(said(&both).contains("`mcast_dst_ip` has no effect with unicast"), "{}", said(&both));
    assert_eq!(instance(" mcast_dst_ip 224.0.0.99\n").group, "224.0.0.99".parse().ok());
}

#[test]
fn a_virtual_mac_is_named_and_carries_the_vips_of_its_family() {
    let excluded = " virtual_ipaddress_excluded {\n  fd77::1/64\n  10.1.0.1/24 dev f\n }\n";
    let plain = instance(&format!("{excluded} use_vmac"));
    let vmac = plain.vmac.unwrap();
    assert_eq!((vmac.name.as_str(), vmac.mac, vmac.xmit_base), ("vrrp.1", [0, 0, 0x5e, 0, 1, 1], false));
    let devices: Vec<_> = plain.vips.iter().map(|vip| vip.dev.as_deref()).collect();
    assert_eq!(devices, [Some("vrrp.1"), None, Some("f")]);
    let named = instance(" use_vmac r0 02:00:00:00:09\n vmac_xmit_base").vmac.unwrap();
    assert_eq!((named.name.as_str(), named.mac, named.xmit_base), ("r0", [2, 0, 0, 0, 9, 1], true));

    let second = "vrrp_instance j {\n interface f\n virtual_router_id 1\n use_vmac\n virtual_ipaddress {\n fe80::1\n }\n}";
    let both = config(&format!("{}\n{second}", instance_text(" use_vmac")));
    let generated: Vec<_> = both
        .instances
        .iter()
        .filter_map(|it| Some((it.vmac.as_ref()?.name.as_str(), it.vmac.as_ref()?.mac[4])))
        .collect();
    assert_eq!(generated, [("vrrp.1", 1), ("vrrp1.1", 2)]);

    let prefixed = config(&format!("global_defs {{\n vmac_prefix vr\n}}\n{}", instance_text(" use_vmac")));
    assert_eq!(prefixed.instances[0].vmac.as_ref().unwrap().name, "vr.1");

    let same = format!("{}\n{}", instance_text(" use_vmac r0"), second.replace("use_vmac", "use_vmac r0"));
    assert!(said(&same).contains("another `use_vmac` has the name `r0`"), "{}", said(&same));
    for (lines, expected) in [
        (" use_vmac r0 01:00:00:00:00:09", "is no MAC of an interface"),
        (" use_vmac r0 2:0:0:0", "is no MAC of an interface"),
        (" vmac_xmit_base", "has no effect without `use_vmac`"),
        (" use_vmac\n unicast_src_ip 10.0.0.2\n unicast_peer {\n  10.0.0.3\n }", "needs `vmac_xmit_base`"),
    ] {
        let said = said(&instance_text(lines));
        assert!(said.contains(expected), "{lines}: {said}");
    }
}

#[test]
fn vips_are_closed_only_where_that_is_asked_for() {
    assert!(instance("").accept && !instance(" no_accept").accept);
    assert!(instance(" no_accept\n priority 255").accept, "the owner's addresses are its own");
    assert!(instance(" strict_mode").accept, "unlike in keepalived");
    let strict = instance_text(" strict_mode");
    assert!(said(&strict).contains("strict mode leaves the VIPs reachable"), "{}", said(&strict));
    assert_eq!(said(&instance_text(" strict_mode\n accept")), "");
}

#[test]
fn strict_mode_leaves_out_what_the_protocol_has_not() {
    let globals = "global_defs {\n vrrp_strict\n}\n";
    let strict = |lines: &str| config(&format!("{globals}{}", instance_text(lines))).instances.remove(0);
    let it = strict(
        " state MASTER\n preempt_delay 3\n down_timer_adverts 5\n higher_prio_send_advert\n use_vmac\n vmac_xmit_base\n \
         authentication {\n  auth_type PASS\n  auth_pass secret\n }",
    );
    assert_eq!(
        (it.state, it.preempt_delay, it.down_adverts, it.auth),
        (State::Backup, Duration::ZERO, 3, None)
    );
    assert!(it.lower_prio_no_advert && !it.higher_prio_send_advert);
    assert_eq!((it.garp.lower_prio_repeat, it.garp.lower_prio_delay), (0, Duration::ZERO));
    assert!(!it.vmac.unwrap().xmit_base);
    assert!(!strict(" strict_mode off").lower_prio_no_advert, "this instance is not");
    let unicast = format!(
        "{globals}{}",
        instance_text(" accept\n unicast_src_ip 10.0.0.2\n unicast_peer {\n  10.0.0.3\n }")
    );
    assert!(said(&unicast).contains("strict mode has no unicast"), "{}", said(&unicast));
}
