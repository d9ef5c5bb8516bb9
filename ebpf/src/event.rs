//! Records for the agent.

use vipward_common::abi::{EVENT_EXPIRED, Event, RouterKey};

use crate::maps::EVENTS;
use crate::parse::Packet;
use crate::watch::Accepted;

/// Reports what an advert changed. False when the ring is full.
#[inline(always)]
#[must_use]
pub(crate) fn advert(packet: &Packet, accepted: &Accepted, now: u64) -> bool {
    send(&Event {
        key: packet.key,
        kind: accepted.event,
        generation: accepted.generation,
        at: now,
        deadline: accepted.deadline,
        interval_ns: accepted.interval_ns,
        source: packet.source.to_address(),
        priority: accepted.priority,
        reserved: [0; 7],
    })
}

/// Reports that a watch ran out. False when the ring is full.
#[inline(always)]
#[must_use]
pub(crate) fn expired(key: RouterKey, generation: u64, deadline: u64, now: u64) -> bool {
    send(&Event { key, kind: EVENT_EXPIRED, generation, at: now, deadline, ..Event::default() })
}

/// Flags 0: the reader is woken if it has read everything before.
#[inline(always)]
fn send(event: &Event) -> bool {
    EVENTS.output(*event, 0).is_ok()
}
