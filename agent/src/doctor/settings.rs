//! Settings of the kernel that keep adverts or clients' packets away: rp_filter and the arp_* family.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use vipward_vrrp::types::Family;

use super::finding::Finding;
use super::place::Place;
use crate::net::{InterfaceAddress, Links};

const CHECK: &str = "settings";
/// Where the kernel's settings are.
const ROOT: &str = "/proc/sys/net";

/// What was seen of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The greater of `all` and the interface's own, which is what counts; likewise below.
    pub(super) rp_filter: u8,
    /// As above.
    pub(super) arp_ignore: u8,
    /// As above.
    pub(super) arp_filter: u8,
    /// The interface's own.
    pub(super) disable_ipv6: bool,
    /// Another interface with an address in one of this one's subnets.
    pub(super) twin: Option<String>,
    /// The interfaces of the default routes.
    pub(super) default_routes: Vec<String>,
    /// VIPs on this interface that are in no subnet of its own.
    pub(super) stray_vips: Vec<IpAddr>,
    /// VIPs of its routers that another interface carries.
    pub(super) distant_vips: Vec<IpAddr>,
    /// Programs may bind to addresses that are not there.
    pub(super) nonlocal_bind: bool,
}

/// Looks at one interface.
pub(super) fn look(place: &Place, links: &Links) -> Seen {
    let name = place.interface.as_str();
    let number = |path: &str| -> u8 {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    };
    let greater = |setting: &str| {
        number(&format!("ipv4/conf/all/{setting}")).max(number(&format!("ipv4/conf/{name}/{setting}")))
    };
    let is_vip = |address: IpAddr| place.vips().any(|(vip, _)| *vip == address);
    let own: Vec<&InterfaceAddress> = links
        .by_name(name)
        .map(|interface| links.addresses(interface.ifindex))
        .unwrap_or_default()
        .iter()
        .filter(|held| !is_vip(held.address))
        .collect();
    let twin = links.interfaces().find(|other| {
        other.name != name
            && links
                .addresses(other.ifindex)
                .iter()
                .any(|held| held.address.is_ipv4() && own.iter().any(|mine| covers(mine, held.address)))
    });
    let here = |(_, dev): &&(IpAddr, String)| dev == name;
    Seen {
        rp_filter: greater("rp_filter"),
        arp_ignore: greater("arp_ignore"),
        arp_filter: greater("arp_filter"),
        disable_ipv6: number(&format!("ipv6/conf/{name}/disable_ipv6")) != 0,
        twin: twin.map(|other| other.name.clone()),
        default_routes: default_routes(&fs::read_to_string("/proc/net/route").unwrap_or_default()),
        stray_vips: place
            .vips()
            .filter(here)
            .map(|(vip, _)| *vip)
            .filter(|vip| vip.is_ipv4() && !own.iter().any(|mine| covers(mine, *vip)))
            .collect(),
        distant_vips: place.vips().filter(|vip| !here(vip) && vip.0.is_ipv4()).map(|(vip, _)| *vip).collect(),
        nonlocal_bind: number("ipv4/ip_nonlocal_bind") != 0,
    }
}

/// Whether an address is in the subnet of another.
fn covers(held: &InterfaceAddress, address: IpAddr) -> bool {
    let net = ipnet::IpNet::new(held.address, held.prefix_len);
    net.is_ok_and(|net| held.prefix_len < net.max_prefix_len() && net.contains(&address))
}

/// Interfaces of the default routes in `/proc/net/route`.
fn default_routes(table: &str) -> Vec<String> {
    let mut interfaces = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [name, "00000000", _, _, _, _, _, "00000000", ..] = fields.as_slice()
            && !interfaces.iter().any(|known| known == name)
        {
            interfaces.push((*name).to_owned());
        }
    }
    interfaces
}

/// What to make of it.
pub(super) fn check(place: &Place, seen: &Seen) -> Vec<Finding> {
    let name = place.interface.as_str();
    let mut findings = Vec::new();
    if place.has(Family::V4) {
        findings.extend(reverse_path(name, seen));
        findings.extend(arp(name, seen));
    }
    if seen.disable_ipv6 && place.routers.iter().any(|router| router.family == Family::V6) {
        findings.push(Finding::error(
            CHECK,
            "IPv6 is switched off (disable_ipv6), and IPv6 adverts are to be sent here",
            format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=0"),
        ));
    }
    if findings.is_empty() {
        let strict = if seen.rp_filter == 1 { "strict, and does no harm here" } else { "not strict" };
        findings.push(Finding::fine(CHECK, format!("the reverse-path filter is {strict}; ARP is answered")));
    }
    if place.vips().next().is_some() && !seen.nonlocal_bind {
        findings.push(Finding::note(
            CHECK,
            "ip_nonlocal_bind is 0: a service that listens on a VIP alone (listen ADDRESS:80) does not start on a \
             backup",
        ));
    }
    findings.into_iter().map(|finding| finding.on(name)).collect()
}

fn reverse_path(name: &str, seen: &Seen) -> Option<Finding> {
    if seen.rp_filter != 1 {
        return None;
    }
    let loose = format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2 (loose), and the same in /etc/sysctl.d");
    if let Some(twin) = &seen.twin {
        return Some(Finding::warning(
            CHECK,
            format!(
                "the reverse-path filter is strict (rp_filter=1), and {twin} is in the same subnet: what comes in \
                 here and would be answered through {twin} is dropped"
            ),
            loose,
        ));
    }
    let elsewhere = !seen.default_routes.is_empty() && !seen.default_routes.iter().any(|route| route == name);
    elsewhere.then(|| {
        Finding::warning(
            CHECK,
            format!(
                "the reverse-path filter is strict (rp_filter=1), and the default route goes through {}: packets of \
                 clients outside of this subnet that come in here for a VIP are dropped",
                seen.default_routes.join(", ")
            ),
            loose,
        )
    })
}

fn arp(name: &str, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let answer = format!("sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.{name}.arp_ignore=0");
    match seen.arp_ignore {
        1 if !seen.distant_vips.is_empty() => findings.push(Finding::warning(
            CHECK,
            format!(
                "arp_ignore=1: requests here for {} are not answered, for another interface carries it",
                list(&seen.distant_vips)
            ),
            answer,
        )),
        2 if !seen.stray_vips.is_empty() => findings.push(Finding::error(
            CHECK,
            format!(
                "arp_ignore=2: requests for {} are not answered, for no address here has its subnet",
                list(&seen.stray_vips)
            ),
            answer,
        )),
        8 => findings.push(Finding::error(
            CHECK,
            "arp_ignore=8: no ARP request is answered, for no VIP",
            answer,
        )),
        _ => {}
    }
    if let (true, Some(twin)) = (seen.arp_filter != 0, &seen.twin) {
        findings.push(Finding::warning(
            CHECK,
            format!("arp_filter=1, and {twin} is in the same subnet: requests are answered only where routes say so"),
            format!("sysctl -w net.ipv4.conf.all.arp_filter=0 net.ipv4.conf.{name}.arp_filter=0"),
        ));
    }
    findings
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::place::tests::places;
    use super::*;
    use crate::doctor::finding::Severity;

    fn place() -> Place {
        places("vrrp_instance A { interface eth0\n virtual_router_id 5\n virtual_ipaddress { 10.0.0.50\n } }")
            .remove(0)
    }

    fn worst(seen: &Seen) -> (Severity, String) {
        let findings = check(&place(), seen);
        assert!(findings.iter().all(|finding| finding.interface.as_deref() == Some("eth0")));
        let worst = findings.iter().max_by_key(|finding| finding.severity).expect("a finding");
        (worst.severity, worst.message.clone())
    }

    #[test]
    fn a_strict_filter_is_amiss_only_where_answers_go_another_way() {
        let bind = Seen { nonlocal_bind: true, ..Seen::default() };
        assert_eq!(worst(&bind).0, Severity::Fine);
        let strict = Seen { rp_filter: 1, ..bind.clone() };
        assert_eq!(worst(&strict).0, Severity::Fine);
        let here = Seen { default_routes: vec!["eth0".into(), "eth1".into()], ..strict.clone() };
        assert_eq!(worst(&here).0, Severity::Fine);
        let elsewhere = Seen { default_routes: vec!["eth1".into()], ..strict.clone() };
        let (severity, message) = worst(&elsewhere);
        assert!(
            severity == Severity::Warning && message.contains("default route goes through eth1"),
            "{message}"
        );
        let twin = Seen { twin: Some("eth2".into()), ..strict };
        assert!(worst(&twin).1.contains("eth2 is in the same subnet"));
        let loose = Seen { rp_filter: 2, ..elsewhere };
        assert_eq!(worst(&loose).0, Severity::Fine);
    }

    #[test]
    fn settings_that_silence_arp_are_errors_where_they_do() {
        let vip: IpAddr = [10, 0, 0, 50].into();
        for (arp_ignore, expected) in [(0, Severity::Note), (1, Severity::Note), (8, Severity::Error)] {
            assert_eq!(worst(&Seen { arp_ignore, ..Seen::default() }).0, expected, "{arp_ignore}");
        }
        let stray = Seen { arp_ignore: 2, stray_vips: vec![vip], ..Seen::default() };
        assert!(worst(&stray).0 == Severity::Error && worst(&stray).1.contains("10.0.0.50"));
        let distant = Seen { arp_ignore: 1, distant_vips: vec![vip], ..Seen::default() };
        assert_eq!(worst(&distant).0, Severity::Warning);
        let filtered = Seen { arp_filter: 1, twin: Some("eth1".into()), ..Seen::default() };
        assert_eq!(worst(&filtered).0, Severity::Warning);
    }

    #[test]
    fn ipv6_that_is_off_is_an_error_for_ipv6_alone() {
        let off = Seen { disable_ipv6: true, nonlocal_bind: true, ..Seen::default() };
        assert_eq!(worst(&off).0, Severity::Fine);
        let six = places(
            "vrrp_instance A { interface eth0\n virtual_router_id 5\n virtual_ipaddress { fd00::1\n } }",
        );
        assert_eq!(check(&six[0], &off)[0].severity, Severity::Error);
    }

    #[test]
    fn default_routes_are_those_without_a_destination() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     eth1\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                     eth1\t00000000\t0200000A\t0003\t0\t0\t9\t00000000\t0\t0\t0\n";
        assert_eq!(default_routes(table), ["eth1"]);
        assert!(default_routes("").is_empty());
    }
}
