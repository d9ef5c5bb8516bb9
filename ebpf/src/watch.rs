//! What an accepted advert does to its router's state (RFC 9568 §6.4.2). Runs under the lock.

use vipward_common::abi::{
    EVENT_CHANGED, EVENT_OUTRANKED, EVENT_RESIGNED, EVENT_RIVAL, FLAG_PREEMPT, MODE_REPORT, MODE_WATCH, Rules,
};
use vipward_common::lease;
use vipward_common::watch::{Judgement, Own, judge};
use vipward_common::wire::{PRIORITY_OWNER, PRIORITY_STOP};

use crate::address::Words;
use crate::maps::State;
use crate::message::Advert;
use crate::parse::Packet;

/// What is left to do once the lock is released.
pub(crate) struct Accepted {
    /// The advert's priority.
    pub(crate) priority: u8,
    /// The master resigned.
    pub(crate) priority_zero: bool,
    /// Other addresses than ours are listed.
    pub(crate) addresses_differ: bool,
    /// Version 3: another interval than ours.
    pub(crate) interval_differs: bool,
    /// Event to send, 0 for none.
    pub(crate) event: u32,
    /// When the timer is to fire, 0 to leave it alone.
    pub(crate) start_at: u64,
    /// The router's generation now.
    pub(crate) generation: u64,
    /// The deadline now.
    pub(crate) deadline: u64,
    /// The advert's interval.
    pub(crate) interval_ns: u64,
    /// As MASTER: its sender is the better one.
    pub(crate) beats: bool,
    /// As MASTER: this router may not preempt.
    pub(crate) patient: bool,
}

/// Applies the advert to the router's state.
#[inline(always)]
pub(crate) fn accept(state: &mut State, packet: &Packet, advert: &Advert, now: u64) -> Accepted {
    let rules = &state.rules;
    let mut accepted = Accepted {
        priority: advert.priority,
        priority_zero: advert.priority == PRIORITY_STOP,
        addresses_differ: advert.count != rules.addresses_count
            || advert.addresses_sum != rules.addresses_sum,
        interval_differs: advert.interval_ns != rules.interval_ns,
        event: 0,
        start_at: 0,
        generation: 0,
        deadline: 0,
        interval_ns: advert.interval_ns,
        beats: false,
        patient: false,
    };
    match rules.mode {
        MODE_WATCH => watch(state, packet, advert, now, &mut accepted),
        MODE_REPORT => {
            accepted.event = EVENT_RIVAL;
            accepted.patient = rules.flags & FLAG_PREEMPT == 0 && rules.priority != PRIORITY_OWNER;
            accepted.beats = lease::yields(rules, advert.priority, &packet.source.to_address());
            if !accepted.priority_zero {
                state.heard.interval_ns = advert.interval_ns;
            }
            remember(state, packet, advert, now);
        }
        _ => {}
    }
    accepted.generation = state.heard.generation;
    accepted.deadline = state.heard.deadline;
    accepted
}

#[inline(always)]
fn watch(state: &mut State, packet: &Packet, advert: &Advert, now: u64, accepted: &mut Accepted) {
    let heard = &state.heard;
    let changed = heard.last_advert == 0
        || heard.priority != advert.priority
        || packet.source != Words::aligned(&heard.source)
        || (!accepted.priority_zero && heard.advertised_ns != advert.interval_ns);
    let interval_ns = if accepted.priority_zero { heard.interval_ns } else { advert.interval_ns };
    let (event, deadline) = match judge(own(&state.rules), advert.priority, interval_ns) {
        Judgement::Rearm(after) => (EVENT_CHANGED, now + after),
        Judgement::Resign(after) => (EVENT_RESIGNED, now + after),
        Judgement::Outranked => (EVENT_OUTRANKED, 0),
    };
    if changed {
        accepted.event = event;
    }
    if deadline != 0 {
        state.heard.interval_ns = interval_ns;
        state.heard.deadline = deadline;
        state.heard.generation += 1;
        // A timer that fires earlier finds the new deadline by itself; starting it costs three times an advert.
        if state.fires_at == 0 || deadline < state.fires_at {
            state.fires_at = deadline;
            accepted.start_at = deadline;
        }
    }
    remember(state, packet, advert, now);
}

#[inline(always)]
fn remember(state: &mut State, packet: &Packet, advert: &Advert, now: u64) {
    let heard = &mut state.heard;
    heard.last_advert = now;
    heard.adverts += 1;
    heard.priority = advert.priority;
    if advert.priority != PRIORITY_STOP {
        heard.advertised_ns = advert.interval_ns;
    }
    packet.source.store(&mut heard.source);
}

/// What [`judge`] must know of the rules.
#[inline(always)]
pub(crate) fn own(rules: &Rules) -> Own {
    Own {
        version: rules.version,
        priority: rules.priority,
        preempt: rules.flags & FLAG_PREEMPT != 0,
        down_adverts: rules.down_adverts,
    }
}
