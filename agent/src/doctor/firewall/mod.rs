//! Whether the firewall lets adverts through.
//!
//! * [`ruleset`]: rules as far as they can concern an advert, and what becomes of one;
//! * [`nft`] and [`iptables`]: two ways of writing them down.
//!
//! XDP takes adverts before any rule for incoming packets; those that a raw socket is to hear, and those that are
//! sent, pass the rules.

mod iptables;
mod nft;
mod ruleset;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipward_vrrp::types::Family;

use super::finding::Finding;
use super::place::Place;
use super::program::{self, Output};
use ruleset::{Advert, Outcome, Ruleset, Way};

const CHECK: &str = "firewall";
/// Where the kernel names the tables of the old iptables.
const LEGACY: [(&str, &str, &str); 2] = [
    ("/proc/net/ip_tables_names", "iptables-legacy-save", "iptables-save"),
    ("/proc/net/ip6_tables_names", "ip6tables-legacy-save", "ip6tables-save"),
];

/// What was seen: all rules, and what could not be looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    rulesets: Vec<Ruleset>,
    notes: Vec<String>,
}

/// Looks at the rules of this network namespace.
pub(super) fn look() -> Seen {
    let mut seen = Seen::default();
    let has_nft = match program::output("nft", &["-j", "list", "ruleset"]) {
        Ok(Output::Printed(text)) => seen.take(nft::parse(&text)),
        Ok(Output::Missing) => false,
        Err(why) => seen.take(Err(why)),
    };
    for ((names, legacy, usual), family) in LEGACY.into_iter().zip([Family::V4, Family::V6]) {
        let in_use = fs::read_to_string(names).is_ok_and(|names| !names.trim().is_empty());
        if !in_use && has_nft {
            continue;
        }
        let printed = match program::output(legacy, &[]) {
            Ok(Output::Missing) => program::output(usual, &[]),
            other => other,
        };
        match printed {
            Ok(Output::Printed(text)) => _ = seen.take(Ok(iptables::parse(&text, family))),
            Ok(Output::Missing) if in_use => {
                seen.notes.push(format!("there are iptables rules, and no {usual}"));
            }
            Ok(Output::Missing) => {}
            Err(why) => _ = seen.take(Err(why)),
        }
    }
    seen
}

impl Seen {
    /// True if these rules can be looked at.
    fn take(&mut self, rules: Result<Ruleset, String>) -> bool {
        match rules {
            Ok(rules) => self.rulesets.push(rules),
            Err(why) => {
                self.notes.push(why);
                return false;
            }
        }
        true
    }
}

/// What to make of it on one interface. With `xdp` incoming adverts do not get as far as the rules.
pub(super) fn check(place: &Place, seen: &Seen, xdp: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for advert in adverts(place) {
        for rules in &seen.rulesets {
            findings.extend(judge(rules, &advert, xdp));
        }
    }
    findings.dedup();
    let mut all: Vec<Finding> = seen.notes.iter().map(|note| Finding::note(CHECK, note.clone())).collect();
    if findings.is_empty() && (!seen.rulesets.is_empty() || seen.notes.is_empty()) {
        all.push(Finding::fine(CHECK, "no rule keeps adverts (protocol 112) away"));
    }
    all.extend(findings);
    all.into_iter().map(|finding| finding.on(&place.interface)).collect()
}

/// One advert of each family, group and way that there is.
fn adverts(place: &Place) -> Vec<Advert> {
    let usual: [IpAddr; 2] =
        [Ipv4Addr::new(224, 0, 0, 18).into(), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into()];
    let mut groups: Vec<Option<IpAddr>> = place.routers.iter().map(|router| router.group).collect();
    if place.routers.is_empty() {
        groups = usual.into_iter().map(Some).collect();
    }
    groups.sort();
    groups.dedup();
    let families = |group: &Option<IpAddr>| match group {
        Some(IpAddr::V4(_)) => vec![Family::V4],
        Some(IpAddr::V6(_)) => vec![Family::V6],
        // Unicast, to an address that is the peer's or ours.
        None => [Family::V4, Family::V6].into_iter().filter(|family| place.has(*family)).collect(),
    };
    groups
        .iter()
        .flat_map(|group| families(group).into_iter().map(move |family| (family, *group)))
        .flat_map(|(family, group)| {
            [Way::In, Way::Out].map(|way| Advert { way, family, group, interface: place.interface.clone() })
        })
        .collect()
}

fn judge(rules: &Ruleset, advert: &Advert, xdp: bool) -> Option<Finding> {
    let what = match advert.way {
        Way::In => "incoming",
        Way::Out => "outgoing",
    };
    let family = advert.family;
    match rules.judge(advert) {
        Outcome::Passed => None,
        Outcome::Dropped(by) => {
            let remedy = format!("accept protocol 112 before it: {}", rules.remedy(advert));
            Some(match advert.way {
                Way::In if xdp => Finding::warning(
                    CHECK,
                    format!(
                        "{by} drops {what} {family} adverts: XDP takes them before, but a raw socket would hear none"
                    ),
                    remedy,
                ),
                Way::In => Finding::error(
                    CHECK,
                    format!(
                        "{by} drops {what} {family} adverts: without XDP none is heard, and every node is master"
                    ),
                    remedy,
                ),
                Way::Out => Finding::error(
                    CHECK,
                    format!("{by} drops {what} {family} adverts: nobody hears this node"),
                    remedy,
                ),
            })
        }
        Outcome::Unclear(by) => Some(Finding::note(
            CHECK,
            format!("{by} may drop {what} {family} adverts, by conditions that are not understood here"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::tests::places;
    use super::*;
    use crate::doctor::finding::Severity;

    fn drops(hook: &str) -> Seen {
        let text = format!(
            r#"{{"nftables":[
              {{"chain":{{"family":"inet","table":"t","name":"c","type":"filter","hook":"{hook}","prio":0,"policy":"accept"}}}},
              {{"rule":{{"family":"inet","table":"t","chain":"c","handle":4,"expr":[
                {{"match":{{"op":"==","left":{{"meta":{{"key":"l4proto"}}}},"right":"vrrp"}}}},{{"drop":null}}]}}}}]}}"#
        );
        Seen { rulesets: vec![nft::parse(&text).expect("parsed")], notes: Vec::new() }
    }

    #[test]
    fn how_bad_it_is_depends_on_the_way() {
        let place = places(
            "vrrp_instance A { interface eth0\n virtual_router_id 5\n virtual_ipaddress { 10.0.0.1\n } }",
        )
        .remove(0);
        let fine = check(&place, &Seen::default(), false);
        assert!(fine.len() == 1 && fine[0].severity == Severity::Fine, "{fine:?}");
        for (hook, xdp, expected) in [
            ("input", true, Severity::Warning),
            ("input", false, Severity::Error),
            ("output", true, Severity::Error),
        ] {
            let found = check(&place, &drops(hook), xdp);
            assert!(found.len() == 1 && found[0].severity == expected, "{hook}: {found:?}");
            assert!(found[0].message.contains("rule 4 of chain c in table inet t"), "{found:?}");
        }
        let blind = Seen { rulesets: Vec::new(), notes: vec!["no rights".into()] };
        assert_eq!(check(&place, &blind, true)[0].severity, Severity::Note);
    }

    #[test]
    fn every_kind_of_advert_is_tried() {
        assert_eq!(adverts(&super::super::place::bare("eth0")).len(), 4);
        let text = "vrrp_instance A { interface eth0\n virtual_router_id 5\n unicast_peer { 10.0.0.9\n }\n virtual_ipaddress { 10.0.0.3\n } }";
        let unicast = adverts(&places(text)[0]);
        assert!(unicast.len() == 2 && unicast.iter().all(|advert| advert.group.is_none()), "{unicast:?}");
    }
}
