//! What both routers of a measurement are configured with: how many instances, how many VIPs, how fast.

use std::fmt::{self, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Of the router that is master until it is stopped.
pub(super) const MASTER_PRIORITY: u8 = 150;
/// Of the router that takes over.
pub(super) const BACKUP_PRIORITY: u8 = 100;
/// Where all VIPs are, apart from the hosts' own addresses.
pub(super) const VIP_NETWORK: &str = "10.78.0.0/16";

/// The shape of a configuration. VRIDs count from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// `vrrp_instance`s.
    pub(super) instances: u8,
    /// VIPs of each.
    pub(super) vips: u8,
    /// Advert interval.
    pub(super) interval: Duration,
}

impl Plan {
    /// A keepalived.conf for one router; `globals` are further lines of `global_defs`.
    pub(super) fn config(&self, priority: u8, globals: &str) -> String {
        let mut text = format!("global_defs {{\n    vrrp_version 3\n{globals}}}\n");
        for vrid in 1..=self.instances {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "vrrp_instance VI_{vrid} {{\n    interface eth0\n    virtual_router_id {vrid}\n    \
                 priority {priority}\n    advert_int {}\n    virtual_ipaddress {{\n",
                self.interval.as_secs_f64()
            );
            for vip in self.addresses_of(vrid) {
                let _ = writeln!(text, "        {vip}/32");
            }
            text.push_str("    }\n}\n");
        }
        text
    }

    /// The VIPs of one instance.
    pub(super) fn addresses_of(&self, vrid: u8) -> impl Iterator<Item = Ipv4Addr> + use<> {
        (1..=self.vips).map(move |number| Ipv4Addr::new(10, 78, vrid, number))
    }

    /// All VIPs with their VRIDs.
    pub(super) fn addresses(&self) -> Vec<(u8, Ipv4Addr)> {
        (1..=self.instances).flat_map(|vrid| self.addresses_of(vrid).map(move |vip| (vrid, vip))).collect()
    }

    /// What a master of all instances sends.
    pub(super) fn adverts_per_second(&self) -> f64 {
        f64::from(self.instances) / self.interval.as_secs_f64()
    }

    /// Skew_Time of the backup (RFC 9568 §6.1).
    pub(super) fn skew(&self) -> Duration {
        self.interval * (256 - u32::from(BACKUP_PRIORITY)) / 256
    }

    /// Master_Down_Interval of the backup (RFC 9568 §6.1).
    pub(super) fn master_down(&self) -> Duration {
        self.interval * 3 + self.skew()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u8| if count == 1 { "" } else { "s" };
        write!(f, "{} instance{}", self.instances, plural(self.instances))?;
        if self.vips > 1 {
            write!(f, " of {} VIPs", self.vips)?;
        }
        write!(f, " at {:?}", self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { instances: 2, vips: 2, interval: Duration::from_millis(10) };

    #[test]
    fn a_config_has_all_of_it() {
        let text = PLAN.config(150, "    vrrp_rt_priority 50\n");
        for line in ["vrrp_rt_priority 50", "advert_int 0.01", "virtual_router_id 2", "10.78.2.2/32"] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(PLAN.addresses().len(), 4);
    }

    #[test]
    fn the_formula_of_the_rfc() {
        assert_eq!(PLAN.master_down(), Duration::from_nanos(36_093_750));
        assert_eq!(PLAN.skew(), Duration::from_nanos(6_093_750));
        assert_eq!(PLAN.adverts_per_second().to_string(), "200");
    }
}
