//! What the network card does with packets before the program sees them.

use std::fs;

use super::finding::Finding;
use super::place::Place;
use crate::net::ethtool::Card;

const CHECK: &str = "card";
/// Where the kernel lists the VLAN interfaces: name, VLAN, interface below.
const VLANS: &str = "/proc/net/vlan/config";

/// What was seen of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its settings; `None` if it does not exist.
    pub(super) card: Option<Card>,
    /// VLAN interfaces on it.
    pub(super) vlans: Vec<String>,
}

/// Looks at one interface.
pub(super) fn look(place: &Place) -> Seen {
    // Not by /sys, which may be another network namespace's.
    let exists = nix::net::if_::if_nametoindex(place.interface.as_str()).is_ok();
    Seen {
        card: exists.then(|| Card::of(&place.interface).unwrap_or_default()),
        vlans: vlans(&fs::read_to_string(VLANS).unwrap_or_default(), &place.interface),
    }
}

fn vlans(table: &str, below: &str) -> Vec<String> {
    let rows = table.lines().filter_map(|line| {
        let mut columns = line.split('|').map(str::trim);
        let name = columns.next()?;
        (columns.nth(1)? == below).then(|| name.to_owned())
    });
    rows.collect()
}

/// What to make of it.
pub(super) fn check(place: &Place, seen: &Seen) -> Vec<Finding> {
    let name = &place.interface;
    let Some(card) = &seen.card else {
        let missing = Finding::error(
            CHECK,
            "there is no such interface: its routers are in FAULT until there is",
            "create it, or name another one in the configuration",
        );
        return vec![missing.on(name)];
    };
    let mut findings = Vec::new();
    if card.rxvlan == Some(true) && !seen.vlans.is_empty() {
        findings.push(Finding::warning(
            CHECK,
            format!(
                "VLAN tags are taken off before XDP (rxvlan on), and there are {}: adverts of those look like this \
                 interface's own",
                seen.vlans.join(", ")
            ),
            format!("ethtool -K {name} rxvlan off, or use different VRIDs on the interface and its VLANs"),
        ));
    }
    if card.lro == Some(true) {
        findings.push(Finding::warning(
            CHECK,
            "LRO is on: most drivers then refuse native XDP, and what the card merges the program does not see",
            format!("ethtool -K {name} lro off"),
        ));
    }
    if findings.is_empty() {
        let word = |set: Option<bool>| match set {
            Some(true) => "on",
            Some(false) => "off",
            None => "unknown",
        };
        let driver = card.driver.as_deref().unwrap_or("unknown");
        let queues = card.channels.map_or_else(String::new, |(now, max)| format!(", queues {now} of {max}"));
        let (rxvlan, lro, gro) = (word(card.rxvlan), word(card.lro), word(card.gro));
        findings.push(Finding::fine(
            CHECK,
            format!("driver {driver}, rxvlan {rxvlan}, LRO {lro}, GRO {gro} (which comes after XDP){queues}"),
        ));
    }
    findings.into_iter().map(|finding| finding.on(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::place::bare;
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn features_matter_where_they_hide_packets() {
        let place = bare("eth0");
        let card = |rxvlan, lro| Some(Card { rxvlan: Some(rxvlan), lro: Some(lro), ..Card::default() });
        let worst = |seen: &Seen| {
            let findings = check(&place, seen);
            findings.iter().map(|finding| finding.severity).max().expect("a finding")
        };
        assert_eq!(worst(&Seen::default()), Severity::Error);
        assert_eq!(worst(&Seen { card: card(true, false), vlans: vec![] }), Severity::Fine);
        assert_eq!(worst(&Seen { card: card(true, false), vlans: vec!["eth0.5".into()] }), Severity::Warning);
        assert_eq!(worst(&Seen { card: card(false, false), vlans: vec!["eth0.5".into()] }), Severity::Fine);
        assert_eq!(worst(&Seen { card: card(false, true), vlans: vec![] }), Severity::Warning);
        assert_eq!(worst(&Seen { card: Some(Card::default()), vlans: vec![] }), Severity::Fine);
    }

    #[test]
    fn vlan_interfaces_are_found_by_what_is_below_them() {
        let table = "VLAN Dev name    | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
                     eth0.5         | 5  | eth0\nv7             | 7  | eth1\n";
        assert_eq!(vlans(table, "eth0"), ["eth0.5"]);
        assert!(vlans("", "eth0").is_empty());
    }
}
