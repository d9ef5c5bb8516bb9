//! What the nodes are configured with, and the times that follow from it.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use vipward_common::timing::{DOWN_TIMER_ADVERTS, lease_length, master_down, skew};

use crate::lab::host::INTERFACE;

/// Priority of a node's instance that a reload is to make master.
const BOOST: u8 = 250;
/// Protocol version of all instances.
const VERSION: u8 = 3;

/// One virtual router, the same on every node but for the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Router {
    pub(super) vrid: u8,
    /// Advert interval.
    pub(super) interval: Duration,
    /// Number of the node with the highest priority; the next one has the second highest.
    pub(super) first: usize,
    pub(super) ipv6: bool,
}

/// All virtual routers: short, common and long intervals, both families, masters on both of the first two nodes.
pub(super) const ROUTERS: [Router; 4] = [
    Router { vrid: 11, interval: Duration::from_millis(10), first: 0, ipv6: false },
    Router { vrid: 12, interval: Duration::from_millis(100), first: 1, ipv6: false },
    Router { vrid: 13, interval: Duration::from_millis(100), first: 0, ipv6: true },
    Router { vrid: 14, interval: Duration::from_secs(1), first: 0, ipv6: false },
];

/// The slowest router's.
pub(super) fn longest_interval() -> Duration {
    ROUTERS.iter().map(|router| router.interval).max().unwrap_or_default()
}

/// What one node's configuration has that is not always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Variation {
    /// This router has the highest priority of all here.
    pub(super) boosted: Option<u8>,
    /// Other settings for announcements.
    pub(super) announcements: bool,
    /// This router has another VIP.
    pub(super) added: Option<u8>,
}

impl Router {
    /// The VIP that the witness asks for.
    pub(super) fn vip(&self) -> IpAddr {
        let vrid = self.vrid;
        if self.ipv6 {
            [0xfd77, 0, 0, 0, 0, 0, 0, 0x200 + u16::from(vrid)].into()
        } else {
            [10, 77, 0, 200 + vrid].into()
        }
    }

    /// The VIP that a reload adds.
    pub(super) fn second_vip(&self) -> IpAddr {
        let vrid = self.vrid;
        if self.ipv6 {
            [0xfd77, 0, 0, 0, 0, 0, 0, 0x300 + u16::from(vrid)].into()
        } else {
            [10, 77, 0, 220 + vrid].into()
        }
    }

    /// The VIP as `ip address` takes it.
    pub(super) fn spelt(&self) -> String {
        if self.ipv6 { format!("{}/128", self.vip()) } else { format!("{}/32", self.vip()) }
    }

    /// Priority of a node, counted from 0, of `nodes`.
    pub(super) fn priority(&self, node: usize, nodes: usize) -> u8 {
        let rank = (node + nodes).saturating_sub(self.first).checked_rem(nodes).unwrap_or_default();
        200_u8.saturating_sub(u8::try_from(50 * rank).unwrap_or(u8::MAX)).max(1)
    }

    /// The node that takes over from the first.
    fn second(&self, nodes: usize) -> usize {
        (self.first + 1).checked_rem(nodes).unwrap_or_default()
    }

    fn interval_ns(&self) -> u64 {
        u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Skew_Time of the node that takes over from the first.
    pub(super) fn skew(&self, nodes: usize) -> Duration {
        let priority = self.priority(self.second(nodes), nodes);
        Duration::from_nanos(skew(VERSION, priority, self.interval_ns()))
    }

    /// Its Master_Down_Interval.
    pub(super) fn master_down(&self, nodes: usize) -> Duration {
        let priority = self.priority(self.second(nodes), nodes);
        Duration::from_nanos(master_down(VERSION, priority, self.interval_ns(), DOWN_TIMER_ADVERTS))
    }

    /// For how long a master answers after its last advert.
    pub(super) fn lease(&self) -> Duration {
        Duration::from_nanos(lease_length(self.interval_ns(), DOWN_TIMER_ADVERTS))
    }

    fn text(&self, node: usize, nodes: usize, variation: Variation) -> String {
        let Router { vrid, .. } = *self;
        let priority = if variation.boosted == Some(vrid) { BOOST } else { self.priority(node, nodes) };
        let mut text = format!(
            "vrrp_instance VI_{vrid} {{\n    state BACKUP\n    interface {INTERFACE}\n    virtual_router_id {vrid}\n    \
             priority {priority}\n    version {VERSION}\n    advert_int {}\n",
            self.interval.as_secs_f64()
        );
        if variation.announcements {
            text.push_str("    garp_master_repeat 2\n    garp_master_refresh 1\n");
        }
        text.push_str("    virtual_ipaddress {\n");
        if self.ipv6 {
            // The first one must be link-local (RFC 9568 §5.2.9). Writing to a String cannot fail.
            let _ = writeln!(text, "        fe80::{:x}/128", 0x200 + u16::from(vrid));
        }
        let _ = writeln!(text, "        {}", self.spelt());
        if variation.added == Some(vrid) {
            let _ = writeln!(text, "        {}", self.second_vip());
        }
        text.push_str("    }\n}\n");
        text
    }
}

/// A keepalived.conf for one node, counted from 0, of `nodes`. The real-time priority and the limit are for
/// keepalived, which would not keep up with 10 ms without them.
pub(super) fn config(node: usize, nodes: usize, variation: Variation) -> String {
    let mut text = format!(
        "global_defs {{\n    router_id n{}\n    vrrp_rt_priority 50\n    vrrp_rlimit_rttime 10000000\n}}\n",
        node + 1
    );
    for router in ROUTERS {
        text.push_str(&router.text(node, nodes, variation));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_go_round_from_the_first() {
        let [_, second, ..] = ROUTERS;
        assert_eq!([0, 1, 2].map(|node| second.priority(node, 3)), [100, 200, 150]);
        assert_eq!([0, 1].map(|node| second.priority(node, 2)), [150, 200]);
    }

    #[test]
    fn times_are_those_of_the_backup_that_takes_over() {
        let slow = ROUTERS[3];
        assert_eq!(slow.skew(2), Duration::from_nanos(414_062_500));
        assert_eq!(slow.master_down(2), slow.skew(2) + Duration::from_secs(3));
        assert!(ROUTERS.iter().all(|router| router.lease() < 3 * router.interval));
    }

    #[test]
    fn a_variation_changes_what_it_names() {
        let plain = config(0, 2, Variation::default());
        let boosted = config(1, 2, Variation { boosted: Some(11), ..Variation::default() });
        assert!(plain.contains("priority 200") && !plain.contains("priority 250"));
        assert_eq!(boosted.matches("priority 250").count(), 1);
        let added = config(0, 2, Variation { added: Some(13), announcements: true, boosted: None });
        assert!(added.contains("fd77::30d\n") && added.contains("garp_master_refresh"));
    }
}
