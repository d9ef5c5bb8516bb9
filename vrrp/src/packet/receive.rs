//! The receive checks (RFC 9568 §7.1, RFC 3768 §7.1) in the order that the counters promise: the first failure is
//! the reason. This is the reference for the XDP program and the check of the socket data path.

use std::net::IpAddr;

use vipward_common::abi::{
    Address, FLAG_CHECK_PEER, FLAG_UNICAST, Peer, PeerKey, RouterKey, Rules, Stranger,
};
use vipward_common::reason::Reason;
use vipward_common::wire::{self, vrrp};

use super::checksum;
use super::message::Message;
use crate::address::from_abi;
use crate::types::{Family, Interval, Priority, Version};

/// The tables that the kernel has as maps.
pub trait Expectations {
    /// What is configured for a router; `None` when the router is not ours.
    fn rules(&self, key: &RouterKey) -> Option<Rules>;
    /// A peer of a router, if it is one.
    fn peer(&self, key: &PeerKey) -> Option<Peer>;
}

/// Two look-ups are as good as two tables.
impl<R, P> Expectations for (R, P)
where
    R: Fn(&RouterKey) -> Option<Rules>,
    P: Fn(&PeerKey) -> Option<Peer>,
{
    fn rules(&self, key: &RouterKey) -> Option<Rules> {
        (self.0)(key)
    }

    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        (self.1)(key)
    }
}

/// What the headers in front of a message say. A raw IPv6 socket delivers it as ancillary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The router that the packet belongs to.
    pub key: RouterKey,
    /// MAC of the frame's sender, where it is known: raw sockets do not tell.
    pub mac: Option<[u8; 6]>,
    /// Sender.
    pub source: Address,
    /// Group, or one of our addresses.
    pub destination: Address,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Whether this is the first fragment of a packet.
    pub fragment: bool,
    /// Length of the message by the IP header; more bytes than that are padding, fewer a damaged packet.
    pub length: usize,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not VRRP, or of a router that is not ours: it passes up the stack untouched.
    NotOurs,
    /// A receive check failed: counted, with no other effect.
    Rejected(Rejection),
    /// An advert of one of our routers.
    Accepted(Facts),
}

/// A rejected packet, for counters and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The router whose counter it is.
    pub key: RouterKey,
    /// Who the packet says that sent it.
    pub source: IpAddr,
    /// The first check that failed.
    pub reason: Reason,
    /// What is remembered of the sender, at no time yet.
    pub stranger: Stranger,
    /// It was sent by unicast to another address, perhaps through this host to another one: a data path that could
    /// consume it lets it pass.
    pub elsewhere: bool,
}

/// What an accepted advert says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The router.
    pub key: RouterKey,
    /// Its sender.
    pub source: IpAddr,
    /// The MAC of its frame, where it is known.
    pub mac: Option<[u8; 6]>,
    /// Its priority.
    pub priority: Priority,
    /// Its interval; in version 2 always the configured one.
    pub interval: Interval,
    /// It lists other addresses than ours: counted, as keepalived logs it, and accepted.
    pub addresses_differ: bool,
    /// Version 3: another interval than ours, which a BACKUP learns (RFC 9568 §6.4.2).
    pub interval_differs: bool,
}

/// Judges a message of one of our routers. `message` begins behind the IP header and may end in link padding.
pub fn check(
    envelope: &Envelope,
    rules: &Rules,
    message: &[u8],
    expectations: &impl Expectations,
) -> Verdict {
    let family = if envelope.key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
    let source = from_abi(envelope.source, family);
    match accept(envelope, rules, message, expectations, family, source) {
        Ok(facts) => Verdict::Accepted(facts),
        Err(reason) => {
            let multicast = from_abi(envelope.destination, family).is_multicast();
            let elsewhere = reason == Reason::Destination && !multicast;
            let stranger = Stranger {
                source: envelope.source,
                mac: envelope.mac.unwrap_or_default(),
                version_type: message.get(vrrp::VERSION_TYPE).copied().unwrap_or_default(),
                ..Stranger::default()
            };
            Verdict::Rejected(Rejection { key: envelope.key, source, reason, stranger, elsewhere })
        }
    }
}

fn accept(
    envelope: &Envelope,
    rules: &Rules,
    message: &[u8],
    expectations: &impl Expectations,
    family: Family,
    source: IpAddr,
) -> Result<Facts, Reason> {
    reject_if(envelope.fragment, Reason::Fragment)?;
    reject_if(envelope.destination != rules.destination, Reason::Destination)?;
    let asks_for_peers = rules.flags & (FLAG_UNICAST | FLAG_CHECK_PEER) != 0;
    let peer_key = PeerKey { router: envelope.key, address: envelope.source };
    let peer = asks_for_peers.then(|| expectations.peer(&peer_key)).flatten();
    check_ttl(envelope.ttl, rules, peer)?;
    let version = check_version(message, rules)?;
    let message = message.get(..envelope.length).ok_or(Reason::Length)?;
    let view = Message::parse(version, family, message)?;
    let destination = from_abi(envelope.destination, family);
    reject_if(!checksum::valid(version, source, destination, message), Reason::Checksum)?;
    reject_if(envelope.source == rules.source, Reason::OwnPacket)?;
    if rules.flags & FLAG_CHECK_PEER != 0 {
        let peer = peer.ok_or(Reason::UnknownPeer)?;
        reject_if(!peer.may_have(envelope.mac), Reason::PeerMac)?;
    }
    let interval = view.interval();
    let interval_differs = interval.nanos() != rules.interval_ns;
    match version {
        Version::V2 => {
            check_auth(&view, rules)?;
            reject_if(interval_differs, Reason::Interval)?;
        }
        Version::V3 => reject_if(interval.nanos() == 0, Reason::IntervalZero)?,
    }
    reject_if(view.count() == 0, Reason::NoAddresses)?;
    Ok(Facts {
        key: envelope.key,
        source,
        mac: envelope.mac,
        priority: view.priority(),
        interval,
        addresses_differ: view.count() != rules.addresses_count
            || view.addresses_sum() != rules.addresses_sum,
        interval_differs,
    })
}

fn reject_if(failed: bool, reason: Reason) -> Result<(), Reason> {
    if failed { Err(reason) } else { Ok(()) }
}

/// Multicast proves by TTL 255 that its sender is on the link (RFC 9568 §5.1.1.3); unicast is routed, and each peer
/// has its own bounds. A sender that is no peer has none: it is the peer check that turns it away, if it is on.
fn check_ttl(ttl: u8, rules: &Rules, peer: Option<Peer>) -> Result<(), Reason> {
    let in_bounds = if rules.flags & FLAG_UNICAST == 0 {
        ttl == wire::TTL
    } else {
        peer.is_none_or(|peer| (peer.min_ttl..=peer.max_ttl).contains(&ttl))
    };
    reject_if(!in_bounds, Reason::Ttl)
}

fn check_version(message: &[u8], rules: &Rules) -> Result<Version, Reason> {
    let first = *message.get(vrrp::VERSION_TYPE).ok_or(Reason::Length)?;
    let version = match first >> 4 {
        2 => Version::V2,
        3 => Version::V3,
        _ => return Err(Reason::Version),
    };
    reject_if(version.number() != rules.version, Reason::Version)?;
    reject_if(first & 0x0f != wire::TYPE_ADVERTISEMENT, Reason::Type)?;
    Ok(version)
}

/// Compares every byte of the password, so that the time taken says nothing of where it differs.
fn check_auth(view: &Message<'_>, rules: &Rules) -> Result<(), Reason> {
    reject_if(view.auth_type() != rules.auth_type, Reason::AuthType)?;
    let difference = view.auth_data().iter().zip(&rules.auth_data).fold(0, |all, (a, b)| all | (a ^ b));
    reject_if(rules.auth_type == vrrp::AUTH_PASS && difference != 0, Reason::AuthData)
}
