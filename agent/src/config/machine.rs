//! Whether the addresses of a configuration fit those of this machine. Apart from the other checks because the file may
//! be for another one.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

use super::diagnostic::{Findings, quoted};
use super::model::{Config, Instance, Vip};

/// An address of this machine.
#[derive(Clone, Debug)]
struct Own {
    interface: String,
    net: IpNet,
}

/// What there is to know of this machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Addresses of all interfaces but the loopback.
    own: Vec<Own>,
}

impl Machine {
    /// Looks. Whatever cannot be seen is not judged.
    pub(super) fn look() -> Machine {
        let Ok(interfaces) = getifaddrs() else { return Machine::default() };
        let own = interfaces.filter(|it| !it.flags.contains(InterfaceFlags::IFF_LOOPBACK)).filter_map(|it| {
            let net = IpNet::with_netmask(ip(&it.address?)?, ip(&it.netmask?)?).ok()?;
            Some(Own { interface: it.interface_name, net })
        });
        Machine { own: own.collect() }
    }

    /// Says what does not fit.
    pub(super) fn check(&self, config: &Config, findings: &mut Findings) {
        let subnets = self.subnets(config);
        let addresses: HashSet<IpAddr> = self.own.iter().map(|own| own.net.addr()).collect();
        for instance in &config.instances {
            for vip in &instance.vips {
                connected(instance, vip, &subnets, findings);
            }
            peers(instance, &addresses, findings);
        }
    }

    /// The subnets of each interface, those included that the configuration brings along. An address for itself alone
    /// makes none: it may be a VIP that is here already.
    fn subnets<'a>(&'a self, config: &'a Config) -> Subnets<'a> {
        let mut subnets = Subnets::default();
        for own in &self.own {
            subnets.add(&own.interface, own.net);
        }
        let vips = config
            .instances
            .iter()
            .flat_map(|instance| instance.vips.iter().map(|vip| (carrier(instance, vip), vip)));
        let statics = config.statics.addresses.iter().filter_map(|vip| Some((vip.dev.as_deref()?, vip)));
        for (dev, vip) in vips.chain(statics) {
            if let (Ok(net), None) = (IpNet::new(vip.address, vip.prefix_len), vip.options.peer) {
                subnets.bring(dev, net);
            }
        }
        subnets
    }
}

/// The interface whose neighbours are to find `vip`: a virtual MAC's own is of the one below it.
fn carrier<'c>(instance: &'c Instance, vip: &'c Vip) -> &'c str {
    let dev = vip.dev.as_deref().unwrap_or(&instance.interface);
    let own = instance.vmac.as_ref().is_some_and(|vmac| vmac.name == dev);
    if own { &instance.interface } else { dev }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// What is reached directly, and where.
#[derive(Default)]
struct Subnets<'a> {
    by_interface: HashMap<&'a str, HashSet<IpNet>>,
    /// Interfaces that this machine has subnets on: others cannot be judged.
    judged: HashSet<(&'a str, bool)>,
}

impl<'a> Subnets<'a> {
    fn add(&mut self, interface: &'a str, net: IpNet) {
        let local = matches!(net.addr(), IpAddr::V6(v6) if v6.is_unicast_link_local());
        if self.bring(interface, net) && !local {
            self.judged.insert((interface, net.addr().is_ipv6()));
        }
    }

    /// True for what is a subnet.
    fn bring(&mut self, interface: &'a str, net: IpNet) -> bool {
        let is = net.prefix_len() < net.max_prefix_len();
        if is {
            self.by_interface.entry(interface).or_default().insert(net.trunc());
        }
        is
    }

    /// One look per length of a prefix: there may be thousands of addresses, and of subnets.
    fn have(nets: &HashSet<IpNet>, address: IpAddr) -> bool {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (0..most).any(|len| IpNet::new(address, len).is_ok_and(|net| nets.contains(&net.trunc())))
    }

    /// Another interface of this machine where the address is in a subnet.
    fn elsewhere(&self, address: IpAddr) -> Option<&'a str> {
        let fitting = self.by_interface.iter().filter(|(name, nets)| {
            self.judged.contains(&(**name, address.is_ipv6())) && Subnets::have(nets, address)
        });
        fitting.map(|(name, _)| *name).min()
    }
}

/// A VIP without a subnet is announced to neighbours who do not look for it there. One that has a prefix length brings
/// its own.
fn connected(instance: &Instance, vip: &Vip, subnets: &Subnets<'_>, findings: &mut Findings) {
    let dev = carrier(instance, vip);
    let most = if vip.address.is_ipv4() { 32 } else { 128 };
    let local = matches!(vip.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if vip.prefix_len < most
        || vip.options.peer.is_some()
        || local
        || !subnets.judged.contains(&(dev, vip.address.is_ipv6()))
        || subnets.by_interface.get(dev).is_some_and(|nets| Subnets::have(nets, vip.address))
    {
        return;
    }
    let help = subnets.elsewhere(vip.address).map_or_else(
        || "give it the prefix length of its subnet, unless routers have a route for it".to_owned(),
        |other| format!("it fits {other}: `dev {other}`"),
    );
    findings
        .warning(&vip.at, format!("{} is in no subnet of {}, where it will be", vip.address, quoted(dev)))
        .help(help);
}

/// The node's own address among its peers, where no `unicast_src_ip` says that already.
fn peers(instance: &Instance, addresses: &HashSet<IpAddr>, findings: &mut Findings) {
    for peer in instance.unicast_peers.iter().filter(|peer| addresses.contains(&peer.address)) {
        findings
            .warning(&peer.at, format!("the peer {} is this machine itself", peer.address))
            .help("each node lists the others");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Options, load_str};

    fn machine() -> Machine {
        let own =
            |interface: &str, net: &str| Own { interface: interface.to_owned(), net: net.parse().unwrap() };
        Machine {
            own: vec![
                own("eth0", "10.0.0.2/24"),
                own("eth0", "10.0.0.100/32"),
                own("eth0", "fe80::2/64"),
                own("eth1", "192.0.2.2/24"),
                own("eth1", "2001:db8::2/64"),
                own("ppp0", "198.51.100.1/32"),
            ],
        }
    }

    fn said(interface: &str, vips: &str, lines: &str) -> Vec<String> {
        let text = format!(
            "vrrp_instance i {{\ninterface {interface}\nvirtual_router_id 1\n{lines}\nvirtual_ipaddress {{\n{vips}\n}}\n}}"
        );
        let config = load_str(Path::new("f"), &text, &Options::default()).config.unwrap();
        let mut findings = Findings::new(false);
        machine().check(&config, &mut findings);
        findings.into_sorted(&[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn vips_without_a_subnet_are_told_with_where_they_fit() {
        let expected = "f:6:1: warning: 10.0.1.9 is in no subnet of `eth0`, where it will be; give it the prefix \
                        length of its subnet, unless routers have a route for it";
        assert_eq!(said("eth0", "10.0.1.9", ""), [expected]);
        assert!(said("eth0", "192.0.2.9", "")[0].contains("it fits eth1: `dev eth1`"));
        assert!(said("eth1", "10.0.0.9/32 dev eth1\n192.0.2.9", "")[0].contains("it fits eth0"));
        assert!(said("eth0", "10.0.1.9", "use_vmac")[0].contains("is in no subnet of `eth0`"));
        assert!(said("eth1", "fe80::9\n2001:db8:1::9", "")[0].contains("2001:db8:1::9 is in no subnet"));
    }

    #[test]
    fn vips_that_are_reached_or_cannot_be_judged_are_not() {
        for (interface, vip) in [
            ("eth0", "10.0.0.9"),
            ("eth0", "10.0.1.9/24"),
            ("eth0", "10.0.1.9/24\n10.0.1.10"),
            ("eth0", "192.0.2.9 dev eth1"),
            ("eth7", "10.0.1.9"),
            ("ppp0", "10.0.1.9"),
            ("eth0", "fe80::9\n2001:db8:1::9"),
            ("eth1", "fe80::9\n2001:db8::9"),
        ] {
            assert!(said(interface, vip, "").is_empty(), "{interface} {vip}");
        }
    }

    #[test]
    fn a_peer_that_is_this_machine_is_told() {
        let said = said("eth0", "10.0.0.9", "unicast_peer {\n10.0.0.2\n10.0.0.3\n}");
        assert_eq!(
            said,
            ["f:5:1: warning: the peer 10.0.0.2 is this machine itself; each node lists the others"]
        );
    }

    #[test]
    fn a_look_at_this_machine_tells_addresses_with_their_subnets() {
        // Whatever there is, the loopback is left out.
        assert!(Machine::look().own.iter().all(|own| !own.net.addr().is_loopback()));
    }
}
