//! The receive checks (RFC 9568 §7.1, RFC 3768 §7.1), in the order in which they are counted.

use vipward_common::abi::{FLAG_CHECK_PEER, FLAG_UNICAST, Rules};
use vipward_common::reason::Reason;
use vipward_common::wire::{TTL, TYPE_ADVERTISEMENT, vrrp};

use crate::address::Words;
use crate::maps::Source;
use crate::message::{Advert, Message};
use crate::parse::Packet;

/// The advert, or the first check that it fails. Runs under the lock: no calls and no loops.
#[inline(always)]
pub(crate) fn check(
    rules: &Rules,
    flags: u8,
    peer: Source,
    packet: &Packet,
    message: Message,
) -> Result<Advert, Reason> {
    if packet.fragment {
        return Err(Reason::Fragment);
    }
    if packet.destination != Words::aligned(&rules.destination) {
        return Err(Reason::Destination);
    }
    if !ttl_allowed(flags, peer, packet.ttl) {
        return Err(Reason::Ttl);
    }
    if message.version != rules.version {
        return Err(Reason::Version);
    }
    if message.kind != TYPE_ADVERTISEMENT {
        return Err(Reason::Type);
    }
    let advert = message.advert?;
    if packet.source == Words::aligned(&rules.source) {
        return Err(Reason::OwnPacket);
    }
    if flags & FLAG_CHECK_PEER != 0 {
        match peer {
            Source::Peer { same_mac: true, .. } => {}
            Source::Peer { .. } => return Err(Reason::PeerMac),
            Source::Any | Source::Stranger => return Err(Reason::UnknownPeer),
        }
    }
    if rules.version == 2 {
        if advert.auth_type != rules.auth_type {
            return Err(Reason::AuthType);
        }
        if rules.auth_type == vrrp::AUTH_PASS && !same_password(&advert, rules) {
            return Err(Reason::AuthData);
        }
        if advert.interval_ns != rules.interval_ns {
            return Err(Reason::Interval);
        }
    } else if advert.interval_ns == 0 {
        return Err(Reason::IntervalZero);
    }
    if advert.count == 0 {
        return Err(Reason::NoAddresses);
    }
    Ok(advert)
}

/// Multicast adverts are never routed (RFC 9568 §5.1.1.3); unicast ones may be, within the peer's bounds.
#[inline(always)]
fn ttl_allowed(flags: u8, peer: Source, ttl: u8) -> bool {
    match peer {
        _ if flags & FLAG_UNICAST == 0 => ttl == TTL,
        Source::Peer { min_ttl, max_ttl, .. } => min_ttl <= ttl && ttl <= max_ttl,
        Source::Any | Source::Stranger => true,
    }
}

/// Compares without an early end, so that the time does not tell how much of a guess was right.
#[inline(always)]
fn same_password(advert: &Advert, rules: &Rules) -> bool {
    let [a, b, c, d] = advert.auth_data;
    let [e, f, g, h, i, j, k, l] = rules.auth_data;
    let pair = |first, second| u16::from_ne_bytes([first, second]);
    (a ^ pair(e, f)) | (b ^ pair(g, h)) | (c ^ pair(i, j)) | (d ^ pair(k, l)) == 0
}
