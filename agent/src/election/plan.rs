//! From the configuration of an instance to what the state machine, the data path and the wire need: pure
//! functions, so that a reload can compare results instead of guessing what changed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use netlink_packet_route::address::AddressFlags;
use vipward_common::abi::{
    self, FLAG_CHECK_PEER, FLAG_IGNORE_RIVALS, FLAG_PREEMPT, FLAG_UNICAST, RouterKey, Rules,
};
use vipward_common::wire;
use vipward_vrrp::address::{sum, to_abi};
use vipward_vrrp::packet::{Advert, Auth, ChecksumForm, EncodeError, encode};
use vipward_vrrp::router::{Garp, Params};
use vipward_vrrp::types::{Family, Interval, Priority, Version, Vrid};

use crate::config::model;
use crate::net::Vip;

/// The protocol's version of a configured one.
pub(crate) fn version(instance: &model::Instance) -> Version {
    match instance.version {
        model::Version::V2 => Version::V2,
        model::Version::V3 => Version::V3,
    }
}

/// The protocol's family of a configured one.
pub(crate) fn family(instance: &model::Instance) -> Family {
    match instance.family {
        model::Family::V4 => Family::V4,
        model::Family::V6 => Family::V6,
    }
}

/// Under which key the data path knows the instance on this interface.
pub(crate) fn key(instance: &model::Instance, ifindex: u32) -> RouterKey {
    RouterKey { ifindex, family: family(instance).number(), vrid: instance.vrid, ..RouterKey::default() }
}

/// Parameters of the state machine. `None` if the configuration holds a VRID that the checks refuse.
pub(crate) fn params(instance: &model::Instance, source: IpAddr) -> Option<Params> {
    let garp = instance.garp;
    Some(Params {
        version: version(instance),
        family: family(instance),
        priority: Priority(instance.priority),
        interval: interval(instance),
        preempt: instance.preempt,
        preempt_delay: instance.preempt_delay,
        down_adverts: instance.down_adverts,
        garp: Garp {
            delay: garp.delay,
            repeat: rounds(garp.repeat),
            refresh: (garp.refresh > Duration::ZERO).then_some(garp.refresh),
            refresh_repeat: rounds(garp.refresh_repeat),
            lower_prio_delay: garp.lower_prio_delay,
            lower_prio_repeat: rounds(garp.lower_prio_repeat),
        },
        lower_prio_no_advert: instance.lower_prio_no_advert,
        higher_prio_send_advert: instance.higher_prio_send_advert,
        owner_ignore_adverts: instance.owner_ignore_adverts,
        ..Params::new(Vrid::new(instance.vrid)?, source)
    })
}

/// More rounds than fit a byte serve nobody: the queue would only grow.
fn rounds(repeat: u32) -> u8 {
    u8::try_from(repeat).unwrap_or(u8::MAX)
}

/// The configured advert interval.
pub(crate) fn interval(instance: &model::Instance) -> Interval {
    Interval::from_duration(instance.interval)
}

/// The address that stands for "no address known yet".
pub(crate) fn unspecified(instance: &model::Instance) -> IpAddr {
    match family(instance) {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Where multicast adverts go.
pub(crate) fn group(instance: &model::Instance) -> IpAddr {
    instance.group.unwrap_or_else(|| match family(instance) {
        Family::V4 => Ipv4Addr::from(wire::GROUP_V4).into(),
        Family::V6 => Ipv6Addr::from(wire::GROUP_V6).into(),
    })
}

/// Where this instance's adverts go: the group, or every peer.
pub(crate) fn destinations(instance: &model::Instance) -> Vec<IpAddr> {
    if instance.unicast {
        instance.unicast_peers.iter().map(|peer| peer.address).collect()
    } else {
        vec![group(instance)]
    }
}

/// The addresses that an advert lists.
fn advertised(instance: &model::Instance) -> Vec<IpAddr> {
    instance.vips.iter().filter(|vip| vip.in_adverts).map(|vip| vip.address).collect()
}

/// What the data path must know, before a mode is chosen.
pub(crate) fn rules(instance: &model::Instance, source: IpAddr, priority: Priority) -> Rules {
    let mut flags = 0;
    if instance.preempt {
        flags |= FLAG_PREEMPT;
    }
    if instance.unicast {
        flags |= FLAG_UNICAST;
        if instance.check_unicast_src {
            flags |= FLAG_CHECK_PEER;
        }
    }
    if instance.owner_ignore_adverts {
        flags |= FLAG_IGNORE_RIVALS;
    }
    if !instance.unicast && !instance.trusted.is_empty() {
        flags |= FLAG_CHECK_PEER;
    }
    let addresses = advertised(instance);
    Rules {
        source: to_abi(source),
        destination: to_abi(if instance.unicast { source } else { group(instance) }),
        auth_data: instance.auth.unwrap_or_default(),
        interval_ns: interval(instance).nanos(),
        addresses_sum: sum(&addresses),
        addresses_count: u8::try_from(addresses.len()).unwrap_or(u8::MAX),
        mode: abi::MODE_OFF,
        version: version(instance).number(),
        priority: priority.0,
        flags,
        down_adverts: instance.down_adverts,
        auth_type: if instance.auth.is_some() { wire::vrrp::AUTH_PASS } else { wire::vrrp::AUTH_NONE },
        reserved: [0; 5],
    }
}

/// The peers for the data path.
pub(crate) fn peers(instance: &model::Instance) -> Vec<(IpAddr, abi::Peer)> {
    let bounds =
        |peer: &model::Peer| abi::Peer { min_ttl: peer.min_ttl, max_ttl: peer.max_ttl, ..abi::Peer::ANY };
    let trust = |router: &model::Trusted| abi::Peer {
        has_mac: u8::from(router.mac.is_some()),
        mac: router.mac.unwrap_or_default(),
        ..abi::Peer::ANY
    };
    let unicast = instance.unicast_peers.iter().map(|peer| (peer.address, bounds(peer)));
    unicast.chain(instance.trusted.iter().map(|router| (router.address, trust(router)))).collect()
}

/// The VRRP message of an advert to `destination`.
pub(crate) fn message(
    instance: &model::Instance,
    source: IpAddr,
    destination: IpAddr,
    priority: Priority,
) -> Result<Vec<u8>, EncodeError> {
    let Some(vrid) = Vrid::new(instance.vrid) else { return Ok(Vec::new()) };
    let advert = Advert {
        version: version(instance),
        vrid,
        priority,
        interval: interval(instance),
        addresses: advertised(instance),
        auth: instance.auth.map_or(Auth::None, Auth::Pass),
    };
    let form = match instance.checksum {
        model::Checksum::PseudoHeader => ChecksumForm::PseudoHeader,
        model::Checksum::Plain => ChecksumForm::MessageOnly,
    };
    encode(&advert, form, source, destination)
}

/// A configured VIP as it is put on an interface.
pub(crate) fn address(vip: &model::Vip, ifindex: u32) -> Vip {
    let plain = Vip::new(ifindex, vip.address, vip.prefix_len);
    let model::VipOptions { peer, preferred_lft, dad, home, mngtmpaddr, noprefixroute, no_track } =
        vip.options;
    let mut flags = plain.flags;
    flags.set(AddressFlags::Nodad, !dad && vip.address.is_ipv6());
    flags.set(AddressFlags::Homeaddress, home);
    flags.set(AddressFlags::Managetempaddr, mngtmpaddr);
    flags.set(AddressFlags::Noprefixroute, noprefixroute);
    Vip {
        label: vip.label.clone(),
        broadcast: vip.brd.and_then(|brd| broadcast(vip, brd)),
        scope: vip.scope.unwrap_or(0),
        preferred: preferred_lft.unwrap_or(plain.preferred),
        peer,
        flags,
        tracked: !no_track,
        ..plain
    }
}

fn broadcast(vip: &model::Vip, brd: model::Broadcast) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = vip.address else { return None };
    let network = Ipv4Net::new(address, vip.prefix_len).ok()?;
    Some(match brd {
        model::Broadcast::Address(given) => given,
        model::Broadcast::AllOnes => network.broadcast(),
        model::Broadcast::AllZeros => network.network(),
    })
}
