//! Where adverts go, when one is the answer to another, and how fast announcements leave.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::keywords::Shape;
use crate::config::model::{Family, LinkDelay, Pace, PaceGroup};
use crate::config::tree::Node;

use super::address::plain_line;
use super::{has_shape, values};

/// Longest pause between announcements. keepalived calls a second very large.
const MAX_PACE: Duration = Duration::from_secs(10);
/// Longest delay of [`LinkDelay`], as in keepalived.
const MAX_LINK_DELAY: Duration = Duration::from_secs(255);
/// The highest CPU that fits the set that the C library hands to the kernel.
const MAX_CPU: u16 = 1023;

/// What `global_defs` say for all instances.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sending {
    pub(super) group_v4: Option<IpAddr>,
    pub(super) group_v6: Option<IpAddr>,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    pub(super) owner_ignore_adverts: bool,
}

impl Sending {
    /// The group of a family, if it is not the protocol's.
    pub(super) fn group(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.group_v4,
            Family::V6 => self.group_v6,
        }
    }
}

/// A multicast group of `family`.
pub(super) fn group(node: &Node, family: Family, findings: &mut Findings) -> Option<IpAddr> {
    let group = any_group(node, findings)?;
    if Family::of(group) != family {
        findings.error(&node.args().first()?.at, format!("{group} is not of the family that is meant here"));
        return None;
    }
    Some(group)
}

/// A multicast group of either family.
pub(super) fn any_group(node: &Node, findings: &mut Findings) -> Option<IpAddr> {
    let word = node.args().first()?;
    let group = values::address(word, findings)?;
    let (fine, rule) = match group {
        IpAddr::V4(v4) => (v4.is_multicast(), "is no multicast address"),
        // Adverts are of the link: the scope is the second half of the second byte.
        IpAddr::V6(v6) => (
            v6.is_multicast() && v6.segments()[0] & 0xf == 2,
            "is no multicast address of link-local scope, ff02:: for instance",
        ),
    };
    if !fine {
        findings.error(&word.at, format!("{group} {rule}"));
    }
    fine.then_some(group)
}

/// Seconds between two announcements.
pub(super) fn pace(node: &Node, findings: &mut Findings) -> Option<Duration> {
    values::seconds(node.args().first()?, Duration::ZERO..=MAX_PACE, findings)
}

/// The CPUs of `vrrp_cpu_affinity`.
pub(super) fn cpus(node: &Node, findings: &mut Findings) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for word in node.args() {
        cpus.push(values::number(word, 0..=MAX_CPU, findings).map(usize::from)?);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// `garp_group`, given what holds for interfaces of no group.
pub(super) fn pace_group(node: &Node, default: Pace, findings: &mut Findings) -> Option<PaceGroup> {
    let mut group = PaceGroup { interfaces: Vec::new(), pace: default };
    let mut paced = false;
    for line in node.children() {
        match line.keyword().text.as_str() {
            "garp_interval" if has_shape(line, Shape::Words(1, 1), findings) => {
                group.pace.arp = pace(line, findings)?;
                paced = true;
            }
            "gna_interval" if has_shape(line, Shape::Words(1, 1), findings) => {
                group.pace.na = pace(line, findings)?;
                paced = true;
            }
            "interface" if has_shape(line, Shape::Words(1, 1), findings) => {
                group.interfaces.push(values::interface(line.args().first()?, findings)?);
            }
            "interfaces" if has_shape(line, Shape::Lines, findings) => {
                for line in line.children() {
                    for word in std::iter::once(line.keyword()).chain(line.args()) {
                        group.interfaces.push(values::interface(word, findings)?);
                    }
                }
            }
            "garp_interval" | "gna_interval" | "interface" | "interfaces" => {}
            other => {
                let text = format!("unknown keyword {} in `garp_group`", quoted(other));
                findings
                    .strict(line.at(), text)
                    .help("garp_interval, gna_interval, interface and interfaces");
            }
        }
    }
    if group.interfaces.is_empty() || !paced {
        let missing = if paced { "interface" } else { "interval" };
        findings.error(node.at(), format!("this `garp_group` has no {missing}"));
        return None;
    }
    Some(group)
}

/// A line of `interface_up_down_delays`: `INTERFACE DOWN [UP]`
pub(super) fn link_delay(node: &Node, findings: &mut Findings) -> Option<LinkDelay> {
    plain_line(node, findings)?;
    let interface = values::interface(node.keyword(), findings)?;
    let [down, rest @ ..] = node.args() else {
        findings.error(node.at(), format!("{} has no delay", quoted(&interface)));
        return None;
    };
    if let [_, extra, ..] = rest {
        findings.error(&extra.at, format!("{} after the two delays means nothing", quoted(&extra.text)));
        return None;
    }
    let range = || Duration::ZERO..=MAX_LINK_DELAY;
    let down = values::seconds(down, range(), findings)?;
    let up = rest.first().map_or(Some(down), |word| values::seconds(word, range(), findings))?;
    Some(LinkDelay { interface, down, up, at: node.at().clone() })
}
