//! Whether multicast adverts can get through what is on this host: the interface and bridges.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::finding::Finding;
use super::place::Place;

const CHECK: &str = "multicast";
/// `IFF_MULTICAST`.
const IFF_MULTICAST: u32 = 0x1000;
/// Where the kernel describes its interfaces.
const INTERFACES: &str = "/sys/class/net";

/// What was seen of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// It takes part in multicast.
    pub(super) capable: bool,
    /// The bridge that it is, or is a port of.
    pub(super) bridge: Option<Bridge>,
}

/// A bridge of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bridge {
    /// Its name.
    pub(super) name: String,
    /// It forwards groups only to who asked for them.
    pub(super) snooping: bool,
    /// It asks who wants which group.
    pub(super) querier: bool,
}

/// Looks at one interface.
pub(super) fn look(place: &Place) -> Seen {
    look_below(Path::new(INTERFACES), &place.interface)
}

fn look_below(interfaces: &Path, name: &str) -> Seen {
    let own = interfaces.join(name);
    let flags = fs::read_to_string(own.join("flags")).unwrap_or_default();
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(IFF_MULTICAST);
    let bridge = [own.clone(), own.join("master")].into_iter().find(|device| device.join("bridge").is_dir());
    Seen {
        capable: flags & IFF_MULTICAST != 0,
        bridge: bridge.map(|device| {
            let is_on = |setting: &str| {
                fs::read_to_string(device.join("bridge").join(setting)).is_ok_and(|value| value.trim() != "0")
            };
            let target = fs::canonicalize(&device).unwrap_or_else(|_| device.clone());
            Bridge {
                name: target.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                snooping: is_on("multicast_snooping"),
                querier: is_on("multicast_querier"),
            }
        }),
    }
}

/// What to make of it.
pub(super) fn check(place: &Place, seen: &Seen) -> Vec<Finding> {
    let groups: Vec<IpAddr> = place.routers.iter().filter_map(|router| router.group).collect();
    if !place.routers.is_empty() && groups.is_empty() {
        return vec![Finding::fine(CHECK, "not needed: all routers here use unicast").on(&place.interface)];
    }
    let mut findings = Vec::new();
    if !seen.capable {
        findings.push(Finding::error(
            CHECK,
            "the interface does no multicast",
            format!("ip link set dev {} multicast on, or use unicast_peer", place.interface),
        ));
    }
    if let Some(Bridge { name, snooping, querier }) = seen.bridge.as_ref().filter(|bridge| bridge.snooping) {
        let asks = if *querier { "asks for memberships itself" } else { "asks nobody for memberships" };
        findings.push(Finding::note(
            CHECK,
            format!(
                "the bridge {name} snoops (mcast_snooping {}) and {asks}: it floods 224.0.0.0/24, and other groups \
                 too while it hears no querier",
                u8::from(*snooping)
            ),
        ));
    }
    let snooped: Vec<String> =
        groups.iter().filter(|group| is_snooped(**group)).map(ToString::to_string).collect();
    if !snooped.is_empty() {
        findings.push(Finding::note(
            CHECK,
            format!(
                "{} is subject to IGMP or MLD snooping: a switch that snoops must hear a querier, or it stops \
                 forwarding adverts after some minutes",
                snooped.join(", ")
            ),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(CHECK, "224.0.0.18 is forwarded by snooping switches too (RFC 4541)"));
    }
    findings.into_iter().map(|finding| finding.on(&place.interface)).collect()
}

/// RFC 4541 §2.1.2 and §3: of IPv4, 224.0.0.0/24 is always forwarded; of IPv6, only the group of all nodes.
fn is_snooped(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => !matches!(group.octets(), [224, 0, 0, _]),
        IpAddr::V6(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::place::tests::places;
    use super::*;
    use crate::doctor::finding::Severity;

    fn place(lines: &str, vip: &str) -> Place {
        let text = format!(
            "vrrp_instance A {{ interface eth0\n virtual_router_id 5\n{lines}\n virtual_ipaddress {{ {vip}\n }} }}"
        );
        places(&text).remove(0)
    }

    fn severities(findings: &[Finding]) -> Vec<Severity> {
        findings.iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn what_matters_depends_on_how_adverts_travel() {
        let deaf = Seen { capable: false, bridge: None };
        let fine = Seen { capable: true, bridge: None };
        let four = place("", "10.0.0.1");
        assert_eq!(severities(&check(&four, &fine)), [Severity::Fine]);
        assert_eq!(severities(&check(&four, &deaf)), [Severity::Error]);
        let unicast = place("unicast_peer { 10.0.0.9\n }", "10.0.0.1");
        assert_eq!(severities(&check(&unicast, &deaf)), [Severity::Fine]);
        let six = check(&place("", "fd00::1"), &fine);
        assert!(six.len() == 1 && six[0].message.contains("querier"), "{six:?}");
        let group = check(&place("mcast_dst_ip 224.0.1.9", "10.0.0.1"), &fine);
        assert!(group[0].message.contains("224.0.1.9"), "{group:?}");
    }

    #[test]
    fn a_snooping_bridge_is_seen_from_its_ports() {
        let root = tempfile::tempdir().expect("temporary directory");
        let bridge = root.path().join("br0/bridge");
        let port = root.path().join("eth0");
        fs::create_dir_all(&bridge).expect("made");
        fs::create_dir(&port).expect("made");
        symlink("../br0", port.join("master")).expect("linked");
        fs::write(port.join("flags"), "0x1003\n").expect("written");
        fs::write(bridge.join("multicast_snooping"), "1\n").expect("written");
        fs::write(bridge.join("multicast_querier"), "0\n").expect("written");
        let expected = Bridge { name: "br0".into(), snooping: true, querier: false };
        let seen = look_below(root.path(), "eth0");
        assert_eq!(seen, Seen { capable: true, bridge: Some(expected.clone()) });
        assert!(check(&place("", "10.0.0.1"), &seen)[0].message.contains("asks nobody"));
        assert_eq!(look_below(root.path(), "br0").bridge, Some(expected));
        fs::write(port.join("flags"), "0x3\n").expect("written");
        assert!(!look_below(root.path(), "eth0").capable);
    }
}
