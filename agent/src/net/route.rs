//! Routes and rules, as rtnetlink is told to add and to remove them.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{DefaultNla, Emitable, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags, RoutePreference,
    RouteRealm, RouteType,
};
use netlink_packet_route::rule::{
    RuleAction, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::config::model::{self, Family, Placement, RouteKind};
use crate::net::netlink::Request;

/// `RTAX_LOCK`: a mask of the metrics that the kernel may not change.
const RTAX_LOCK: u16 = 1;
/// `RTAX_CC_ALGO`
const RTAX_CONGESTION: u16 = 16;
/// The library's own form of this one takes a type that it does not give away.
const FRA_IP_PROTO: u16 = 22;
/// `RT_TABLE_COMPAT`: the number of the table is in an attribute.
const TABLE_IN_ATTRIBUTE: u8 = 252;

/// A route or a rule, ready to be added and removed any number of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For messages: what was configured.
    pub name: String,
    /// Whether it is put back when somebody else removes it.
    pub tracked: bool,
    added: RouteNetlinkMessage,
    flags: u16,
    removed: RouteNetlinkMessage,
}

impl Entry {
    /// A route; `index` finds the interfaces that it names. The error is the name of one that is not there.
    pub fn route(route: &model::Route, index: impl Fn(&str) -> Option<u32>) -> Result<Entry, String> {
        let mut added = plain_route(route, index)?;
        let removed = added.clone();
        added
            .attributes
            .extend(route.preference.map(|it| RouteAttribute::Preference(RoutePreference::from(it))));
        added.attributes.extend(route.realms.map(|it| RouteAttribute::Realm(realm(it))));
        let metrics = metrics(route);
        if !metrics.is_empty() {
            added.attributes.push(RouteAttribute::Metrics(metrics));
        }
        added.attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
        let flags = match route.placement {
            Placement::Prepend => NLM_F_CREATE,
            Placement::Append => NLM_F_CREATE | NLM_F_APPEND,
            Placement::Alone => NLM_F_CREATE | NLM_F_EXCL,
        };
        Ok(Entry {
            name: format!("route {}", route.text),
            tracked: !route.no_track,
            added: RouteNetlinkMessage::NewRoute(added),
            flags,
            removed: RouteNetlinkMessage::DelRoute(removed),
        })
    }

    /// A rule, which names interfaces that need not be there.
    pub fn rule(rule: &model::Rule) -> Entry {
        let message = rule_message(rule);
        Entry {
            name: format!("rule {}", rule.text),
            tracked: !rule.no_track,
            added: RouteNetlinkMessage::NewRule(message.clone()),
            flags: NLM_F_CREATE | NLM_F_EXCL,
            removed: RouteNetlinkMessage::DelRule(message),
        }
    }

    /// Whether it is a rule.
    pub fn is_rule(&self) -> bool {
        matches!(self.added, RouteNetlinkMessage::NewRule(_))
    }

    /// The request that adds it.
    pub(super) fn add(&self) -> Request {
        Request { message: self.added.clone(), flags: self.flags }
    }

    /// The request that removes it.
    pub(super) fn remove(&self) -> Request {
        Request { message: self.removed.clone(), flags: 0 }
    }

    /// The same as a finished packet, for whoever cannot make one.
    pub fn removal(&self) -> Vec<u8> {
        let mut message = NetlinkMessage::from(self.removed.clone());
        message.header.flags = NLM_F_REQUEST;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    /// What makes it the same one: another MTU is another one.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.added.buffer_len()];
        self.added.emit(&mut bytes);
        bytes.push(u8::from(self.is_rule()));
        bytes.extend(self.flags.to_ne_bytes());
        bytes
    }
}

fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// The number of a table as the header has it: there it has eight bits.
fn small_table(table: u32) -> u8 {
    u8::try_from(table).unwrap_or(TABLE_IN_ATTRIBUTE)
}

fn realm(realms: u32) -> RouteRealm {
    let halves = [realms >> 16, realms & 0xffff].map(|half| u16::try_from(half).unwrap_or(0));
    RouteRealm { source: halves[0], destination: halves[1] }
}

/// What tells a route from others.
fn plain_route(route: &model::Route, index: impl Fn(&str) -> Option<u32>) -> Result<RouteMessage, String> {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(Family::of(route.destination.addr()));
    header.destination_prefix_length = route.destination.prefix_len();
    header.source_prefix_length = route.from.map_or(0, |from| from.prefix_len());
    header.tos = route.tos;
    header.table = small_table(route.table);
    header.protocol = route.protocol.into();
    header.scope = route.scope.into();
    header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Local => RouteType::Local,
        RouteKind::Broadcast => RouteType::Broadcast,
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Prohibit => RouteType::Prohibit,
        RouteKind::Throw => RouteType::Throw,
    };
    let attributes = &mut message.attributes;
    if route.destination.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(route.destination.addr().into()));
    }
    attributes.extend(route.from.map(|from| RouteAttribute::Source(from.addr().into())));
    attributes.push(RouteAttribute::Table(route.table));
    attributes.extend(route.metric.map(RouteAttribute::Priority));
    let find = |hop: &model::Hop| match &hop.dev {
        Some(dev) => index(dev).map(Some).ok_or_else(|| dev.clone()),
        None => Ok(None),
    };
    match route.hops.as_slice() {
        [] => {}
        [hop] => {
            attributes.extend(find(hop)?.map(RouteAttribute::Oif));
            attributes.extend(hop.via.map(|via| RouteAttribute::Gateway(via.into())));
            if hop.onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
        }
        hops => {
            let mut all = Vec::new();
            for hop in hops {
                let mut next = RouteNextHop::default();
                next.interface_index = find(hop)?.unwrap_or(0);
                next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
                next.flags.set(RouteNextHopFlags::Onlink, hop.onlink);
                next.attributes.extend(hop.via.map(|via| RouteAttribute::Gateway(via.into())));
                all.push(next);
            }
            attributes.push(RouteAttribute::MultiPath(all));
        }
    }
    Ok(message)
}

fn metrics(route: &model::Route) -> Vec<RouteMetric> {
    let raw = |number: u16, value: &[u8]| RouteMetric::Other(DefaultNla::new(number, value.to_vec()));
    let mut all: Vec<RouteMetric> =
        route.metrics.iter().map(|metric| raw(metric.number, &metric.value.to_ne_bytes())).collect();
    let mut locked: u32 =
        route.metrics.iter().filter(|metric| metric.locked).fold(0, |mask, metric| mask | 1 << metric.number);
    if let Some((algorithm, lock)) = &route.congestion {
        all.push(raw(RTAX_CONGESTION, &[algorithm.as_bytes(), b"\0"].concat()));
        locked |= u32::from(*lock) << RTAX_CONGESTION;
    }
    if locked != 0 {
        all.push(raw(RTAX_LOCK, &locked.to_ne_bytes()));
    }
    all
}

fn rule_message(rule: &model::Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let length = |prefix: Option<IpNet>| prefix.map_or(0, |prefix| prefix.prefix_len());
    let header = &mut message.header;
    header.family = family(rule.family);
    header.src_len = length(rule.from);
    header.dst_len = length(rule.to);
    header.tos = rule.tos;
    header.flags.set(RuleFlags::Invert, rule.inverted);
    let mut table = None;
    let mut goto = None;
    let mut l3mdev = false;
    header.action = match rule.action {
        model::RuleAction::Table(number) => {
            table = Some(number);
            RuleAction::ToTable
        }
        model::RuleAction::L3mdev => {
            l3mdev = true;
            RuleAction::ToTable
        }
        model::RuleAction::Goto(target) => {
            goto = Some(target);
            RuleAction::Goto
        }
        model::RuleAction::Nop => RuleAction::Nop,
        model::RuleAction::Blackhole => RuleAction::Blackhole,
        model::RuleAction::Unreachable => RuleAction::Unreachable,
        model::RuleAction::Prohibit => RuleAction::Prohibit,
    };
    header.table = table.map_or(0, small_table);
    let address = |prefix: Option<IpNet>| -> Option<IpAddr> {
        prefix.filter(|prefix| prefix.prefix_len() > 0).map(|prefix| prefix.addr())
    };
    let attributes = &mut message.attributes;
    attributes.extend(address(rule.from).map(RuleAttribute::Source));
    attributes.extend(address(rule.to).map(RuleAttribute::Destination));
    attributes.push(RuleAttribute::Priority(rule.priority));
    attributes.extend(table.map(RuleAttribute::Table));
    attributes.extend(goto.map(RuleAttribute::Goto));
    if l3mdev {
        attributes.push(RuleAttribute::L3MDev(true));
    }
    attributes.extend(rule.iif.clone().map(RuleAttribute::Iifname));
    attributes.extend(rule.oif.clone().map(RuleAttribute::Oifname));
    if let Some((mark, mask)) = rule.mark {
        attributes.push(RuleAttribute::FwMark(mark));
        attributes.extend(mask.map(RuleAttribute::FwMask));
    }
    attributes
        .extend(rule.ip_protocol.map(|it| RuleAttribute::Other(DefaultNla::new(FRA_IP_PROTO, vec![it]))));
    let range = |(start, end): (u16, u16)| RulePortRange { start, end };
    attributes.extend(rule.source_ports.map(|it| RuleAttribute::SourcePortRange(range(it))));
    attributes.extend(rule.destination_ports.map(|it| RuleAttribute::DestinationPortRange(range(it))));
    attributes.extend(rule.users.map(|(start, end)| RuleAttribute::UidRange(RuleUidRange { start, end })));
    attributes.extend(rule.tunnel.map(RuleAttribute::TunId));
    attributes.extend(rule.suppress_prefix.map(RuleAttribute::SuppressPrefixLen));
    attributes.extend(rule.suppress_group.map(RuleAttribute::SuppressIfGroup));
    attributes.extend(rule.realms.map(|it| RuleAttribute::Realm(realm(it))));
    attributes.push(RuleAttribute::Protocol(rule.protocol.into()));
    message
}
