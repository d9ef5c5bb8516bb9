//! Where adverts are sent and heard: the interfaces that the configuration names, or all that could be.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipward_vrrp::types::Family;

use crate::config::model::{Config, Instance};

/// An interface and the routers on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name.
    pub(super) interface: String,
    /// Routers that the configuration has there; none without a configuration.
    pub(super) routers: Vec<Router>,
}

/// As much of an instance as the checks need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Router {
    /// Name of the instance.
    pub(super) name: String,
    /// Virtual router identifier.
    pub(super) vrid: u8,
    /// Family of its adverts.
    pub(super) family: Family,
    /// Where multicast adverts go; `None` with unicast.
    pub(super) group: Option<IpAddr>,
    /// Its virtual addresses, and the interface of each.
    pub(super) vips: Vec<(IpAddr, String)>,
}

impl Place {
    /// Whether adverts of this family are sent and heard here; any may be without a configuration.
    pub(super) fn has(&self, family: Family) -> bool {
        self.routers.is_empty() || self.routers.iter().any(|router| router.family == family)
    }

    /// Virtual addresses of all routers here.
    pub(super) fn vips(&self) -> impl Iterator<Item = &(IpAddr, String)> {
        self.routers.iter().flat_map(|router| &router.vips)
    }
}

/// The places of a configuration, by name.
pub(super) fn of(config: &Config) -> Vec<Place> {
    let mut places: BTreeMap<&str, Vec<Router>> = BTreeMap::new();
    for instance in &config.instances {
        places.entry(&instance.interface).or_default().push(router(instance));
    }
    places
        .into_iter()
        .map(|(interface, routers)| Place { interface: interface.to_owned(), routers })
        .collect()
}

/// An interface of which nothing is configured.
pub(super) fn bare(interface: &str) -> Place {
    Place { interface: interface.to_owned(), routers: Vec::new() }
}

fn router(instance: &Instance) -> Router {
    let usual = match instance.family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
    };
    let carrier = |dev: &Option<String>| dev.clone().unwrap_or_else(|| instance.interface.clone());
    Router {
        name: instance.name.clone(),
        vrid: instance.vrid,
        family: instance.family,
        group: (!instance.unicast).then(|| instance.group.unwrap_or(usual)),
        vips: instance.vips.iter().map(|vip| (vip.address, carrier(&vip.dev))).collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    /// The places of a configuration that is written down.
    pub(in crate::doctor) fn places(text: &str) -> Vec<Place> {
        let loaded = config::load_str(Path::new("x.conf"), text, &config::Options::default());
        of(&loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
    }

    #[test]
    fn routers_are_found_by_their_interfaces() {
        let text = "vrrp_instance A { interface eth1\n virtual_router_id 5\n virtual_ipaddress { 10.0.0.1\n 10.0.0.2 dev lo\n } }
            vrrp_instance B { interface eth0\n virtual_router_id 6\n virtual_ipaddress { fd00::1\n } }
            vrrp_instance C { interface eth1\n virtual_router_id 7\n unicast_peer { 10.0.0.9\n }\n virtual_ipaddress { 10.0.0.3\n } }";
        let places = places(text);
        let names: Vec<&str> = places.iter().map(|place| place.interface.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1"]);
        assert!(places[0].has(Family::V6) && !places[0].has(Family::V4));
        assert_eq!(places[0].routers[0].group, Some("ff02::12".parse().expect("address")));
        let [a, c] = places[1].routers.as_slice() else { panic!("{places:?}") };
        assert_eq!((a.vrid, a.group, c.group), (5, Some("224.0.0.18".parse().expect("address")), None));
        assert_eq!(places[1].vips().filter(|(_, dev)| dev == "lo").count(), 1);
        assert!(bare("eth9").has(Family::V4) && bare("eth9").has(Family::V6));
    }
}
