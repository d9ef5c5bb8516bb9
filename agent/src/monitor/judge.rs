//! What is wrong about an advert: the receive checks of the protocol, with the rules of the configuration where that has a
//! router for it, else with rules that the advert's own fields make up, which leave what is wrong in itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use vipward_common::abi::{Address, FLAG_UNICAST, PeerKey, Rules};
use vipward_common::reason::Reason;
use vipward_common::tap::VERDICT_ACCEPTED;
use vipward_common::wire::{GROUP_V4, vrrp};
use vipward_vrrp::address::{from_abi, to_abi};
use vipward_vrrp::packet::{Envelope, Message, Verdict, check};
use vipward_vrrp::types::{Family, Priority, Version};

use super::sighting::Fault;
use crate::config::{self, model::Config};
use crate::control::reasons;
use crate::election::plan;
use crate::net::Links;

/// Whom adverts are compared with.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    config: Option<Config>,
    links: Links,
}

impl Judge {
    /// Compares with what a file says; the error says why there is nothing to compare with.
    pub(crate) fn of_file(file: &Path, config_id: Option<String>, links: Links) -> (Judge, Option<String>) {
        let loaded = config::load(file, &config::Options { lenient: true, config_id });
        let why = loaded.config.is_none().then(|| {
            format!("adverts are compared with no configuration: {} cannot be used", file.display())
        });
        (Judge { config: loaded.config, links }, why)
    }

    /// Compares with a configuration that was read before, if there is one.
    pub(crate) fn of(config: Option<Config>, links: Links) -> Judge {
        Judge { config, links }
    }

    /// Whether a router is configured, if anything is.
    pub(crate) fn is_ours(&self, interface: &str, family: Family, vrid: u8) -> Option<bool> {
        let config = self.config.as_ref()?;
        Some(config.instances.iter().any(|instance| {
            instance.interface == interface && instance.family == family && instance.vrid == vrid
        }))
    }

    /// What is wrong about an advert. `sent` by this host it is no looped one, and `by_program` is what the XDP program
    /// made of it, which is the truth where there is one.
    pub(crate) fn faults(
        &self,
        interface: &str,
        envelope: &Envelope,
        message: &[u8],
        sent: bool,
        by_program: Option<u32>,
    ) -> Vec<Fault> {
        let family = if envelope.key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
        let mut faults = Vec::new();
        let rules =
            self.rules(interface, family, envelope, sent).unwrap_or_else(|| made_up(envelope, message));
        let peer = |key: &PeerKey| self.peer(interface, family, envelope.key.vrid, key);
        let expectations = (|_: &_| Some(rules), peer);
        match check(envelope, &rules, message, &expectations) {
            Verdict::Rejected(rejection) => faults.push(of_reason(rejection.reason)),
            Verdict::Accepted(facts) => {
                if facts.addresses_differ {
                    faults.push(Fault::new(
                        "addresses",
                        "it lists other addresses than the configuration (compare `virtual_ipaddress`)",
                    ));
                }
                if facts.interval_differs {
                    faults.push(Fault::new(
                        "other_interval",
                        "it has another interval than the configuration (compare `advert_int`)",
                    ));
                }
            }
            Verdict::NotOurs => {}
        }
        let known = Reason::ALL.into_iter().find(|reason| Some(*reason as u32) == by_program);
        if let Some(reason) = known.filter(|reason| faults.iter().all(|fault| fault.what != reason.label())) {
            faults.insert(0, of_reason(reason));
        } else if by_program == Some(VERDICT_ACCEPTED) {
            // The running agent may know more than the file, as after a change that was not reloaded.
            faults.retain(|fault| ["addresses", "other_interval"].contains(&fault.what.as_str()));
        }
        faults
    }

    fn instance(&self, interface: &str, family: Family, vrid: u8) -> Option<&config::model::Instance> {
        self.config.as_ref()?.instances.iter().find(|instance| {
            instance.interface == interface && instance.family == family && instance.vrid == vrid
        })
    }

    fn rules(&self, interface: &str, family: Family, envelope: &Envelope, sent: bool) -> Option<Rules> {
        let instance = self.instance(interface, family, envelope.key.vrid)?;
        let is_vip = |address: IpAddr| instance.vips.iter().any(|vip| vip.address == address);
        let held = self.links.by_name(interface).map(|link| link.ifindex);
        let found = held.and_then(|ifindex| match family {
            Family::V4 => self.links.source_v4(ifindex, is_vip).map(IpAddr::V4),
            Family::V6 => self.links.source_v6(ifindex, is_vip).map(IpAddr::V6),
        });
        let own = instance.source.or(found);
        let unknown = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let source = if sent { unknown } else { own.unwrap_or(unknown) };
        let mut rules = plan::rules(instance, source, Priority(instance.priority));
        if sent {
            // What goes to a peer is for that peer, and who we are is no question.
            rules.flags &= FLAG_UNICAST;
            if instance.unicast {
                rules.destination = envelope.destination;
            }
        }
        Some(rules)
    }

    fn peer(
        &self,
        interface: &str,
        family: Family,
        vrid: u8,
        key: &PeerKey,
    ) -> Option<vipward_common::abi::Peer> {
        let instance = self.instance(interface, family, vrid)?;
        let address = from_abi(key.address, family);
        let found = plan::peers(instance).into_iter().find(|(peer, _)| *peer == address);
        found.map(|(_, peer)| peer)
    }
}

fn of_reason(reason: Reason) -> Fault {
    Fault::new(reason.label(), reasons::explain(reason.label()))
}

/// Rules that an advert meets unless something is wrong in itself.
fn made_up(envelope: &Envelope, message: &[u8]) -> Rules {
    let byte = |at: usize| message.get(at).copied().unwrap_or_default();
    let family = if envelope.key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
    let version = match byte(vrrp::VERSION_TYPE) >> 4 {
        2 if family == Family::V4 => Version::V2,
        _ => Version::V3,
    };
    let view = message.get(..envelope.length).and_then(|whole| Message::parse(version, family, whole).ok());
    let multicast = from_abi(envelope.destination, family).is_multicast();
    let mut auth_data = [0; 8];
    for (to, from) in auth_data.iter_mut().zip(view.as_ref().map(Message::auth_data).unwrap_or_default()) {
        *to = *from;
    }
    Rules {
        source: Address::default(),
        destination: if multicast { envelope.destination } else { unicast(envelope) },
        flags: if multicast { 0 } else { FLAG_UNICAST },
        version: version.number(),
        auth_type: byte(vrrp::AUTH_TYPE),
        auth_data,
        interval_ns: view.as_ref().map_or(0, |view| view.interval().nanos()),
        addresses_count: view.as_ref().map_or(0, Message::count),
        addresses_sum: view.as_ref().map_or(0, Message::addresses_sum),
        ..Rules::default()
    }
}

/// An advert to everybody is nobody's.
fn unicast(envelope: &Envelope) -> Address {
    let broadcast = to_abi(IpAddr::V4(Ipv4Addr::BROADCAST));
    let [a, b, c, d] = GROUP_V4;
    if envelope.destination == broadcast { to_abi([a, b, c, d].into()) } else { envelope.destination }
}

#[cfg(test)]
mod tests {
    use vipward_vrrp::packet::dissect;

    use super::super::sighting::tests::advert_frame;
    use super::*;

    fn judge(text: &str) -> Judge {
        let loaded = config::load_str(Path::new("x.conf"), text, &config::Options::default());
        assert!(loaded.config.is_some(), "{:?}", loaded.diagnostics);
        Judge::of(loaded.config, Links::default())
    }

    fn whats(judge: &Judge, frame: &[u8], sent: bool, by_program: Option<u32>) -> Vec<String> {
        let (envelope, message) = dissect(frame, 2).expect("an advert");
        let faults = judge.faults("eth0", &envelope, message, sent, by_program);
        faults.into_iter().map(|fault| fault.what).collect()
    }

    const SAME: &str = "global_defs { vrrp_version 3\n }\nvrrp_instance A { interface eth0\n virtual_router_id 51\n advert_int 1\n virtual_ipaddress { 10.0.0.50\n } }";

    #[test]
    fn without_a_configuration_only_what_is_wrong_in_itself_is_wrong() {
        let judge = Judge::default();
        let good = advert_frame(100);
        assert!(whats(&judge, &good, false, None).is_empty());
        let changed = |at: usize, value: u8| {
            let mut frame = good.clone();
            frame[at] = value;
            whats(&judge, &frame, false, None)
        };
        assert_eq!(changed(22, 64), ["ttl"]);
        assert_eq!(changed(36, 99), ["checksum"]);
        assert_eq!(changed(34, 0x41), ["version"]);
        assert_eq!(changed(34, 0x32), ["type"]);
        assert_eq!(changed(37, 9), ["length"]);
        assert_eq!(changed(20, 0x20), ["fragment"]);
        assert_eq!(judge.is_ours("eth0", Family::V4, 51), None);
    }

    #[test]
    fn with_one_it_is_compared() {
        let frame = advert_frame(100);
        assert!(whats(&judge(SAME), &frame, false, None).is_empty());
        let other = judge(&SAME.replace("10.0.0.50", "10.0.0.51").replace("advert_int 1", "advert_int 2"));
        assert_eq!(whats(&other, &frame, false, None), ["addresses", "other_interval"]);
        let older = judge(&SAME.replace("vrrp_version 3", "vrrp_version 2"));
        assert_eq!(whats(&older, &frame, false, None), ["version"]);
        let trusting = judge(&SAME.replace("advert_int 1", "vipward_peers 10.0.0.9"));
        assert_eq!(whats(&trusting, &frame, false, None), ["unknown_peer"]);
        assert!(whats(&trusting, &frame, true, None).is_empty(), "our own are not a peer's");
        assert_eq!(judge(SAME).is_ours("eth0", Family::V4, 51), Some(true));
        assert_eq!(judge(SAME).is_ours("eth1", Family::V4, 51), Some(false));
    }

    #[test]
    fn the_program_knows_best() {
        let frame = advert_frame(100);
        let rejected = whats(&judge(SAME), &frame, false, Some(Reason::AuthData as u32));
        assert_eq!(rejected, ["auth_data"]);
        let stale = judge(&SAME.replace("advert_int 1", "vipward_peers 10.0.0.9"));
        assert!(whats(&stale, &frame, false, Some(VERDICT_ACCEPTED)).is_empty());
    }
}
