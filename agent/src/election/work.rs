//! Doing what was queued: adverts first, then addresses, then announcements, then publication. Addresses and
//! announcements are done in slices, so that the next advert is never more than a millisecond or two away.
//! A VIP is announced as soon as it is there, not when the last one is: adding hundreds takes a while.

use std::net::IpAddr;
use std::time::Duration;

use vipward_vrrp::router::Transition;
use vipward_vrrp::types::State;

use super::driver::{Driver, Next, QUIET};
use super::message::{self, Level, Update};
use super::registry::Id;
use super::routes::ROUTES;
use crate::clock;
use crate::net::{Change, NetError, Outcome, Vip};

/// Addresses per slice, at about 15 µs each for IPv4 and 80 µs for IPv6.
const ADDRESSES: usize = 32;
/// Announcements per slice, at about 15 µs each.
const ANNOUNCEMENTS: usize = 64;
/// How long a full transmit queue is left to drain.
const STALL: Duration = Duration::from_millis(1);

impl Driver {
    /// Whether anything is left to do.
    pub(super) fn has_work(&self) -> bool {
        self.has_urgent_work() || self.announcer.pending() > 0
    }

    pub(super) fn has_urgent_work(&self) -> bool {
        self.sender.queued() > 0
            || self.addresses.pending() > 0
            || self.routing.pending() > 0
            || !self.unpublished.is_empty()
            || !self.removed.is_empty()
            || self.leases.urgent()
    }

    /// Whether a turn is due at once. Announcements that met a full transmit queue wait a little: a thread of
    /// real-time priority must not spin on them.
    pub(super) fn urgency(&self) -> Next {
        let urgent = self.has_urgent_work() || !self.surveys.is_empty();
        match (urgent, self.announcer.pending() > 0, self.stalled_until) {
            (true, _, _) | (false, true, None) => Next::Now,
            (false, true, Some(until)) => Next::At(until),
            (false, false, _) => Next::Never,
        }
    }

    /// Does a slice.
    pub(super) fn work(&mut self) {
        self.flush_adverts();
        // What leads to an address goes before it, and comes after it.
        if self.routing.removes_next() {
            self.route_slice();
        }
        if self.addresses.pending() > 0 {
            for outcome in self.addresses.apply_slice(ADDRESSES) {
                self.address_outcome(&outcome);
            }
            // What else there is to do waits for a turn that brought no address: another instance's takeover
            // may be next, and its first announcement goes before everybody's repeats.
            self.announce_first();
            return;
        }
        if self.routing.pending() > 0 {
            self.route_slice();
            self.announce_first();
            return;
        }
        self.publish_all();
        self.announce_slice();
    }

    fn announce_first(&mut self) {
        let mut failures = Vec::new();
        let sent = self.announcer.send_first(ANNOUNCEMENTS, &mut failures);
        self.note_announcements(sent);
        self.announcements_failed(&failures);
    }

    /// Does as many slices as there are addresses to change; what the system refused stays for later.
    pub(super) fn work_through(&mut self) {
        for _ in 0..=self.addresses.pending() / ADDRESSES + self.routing.pending().div_ceil(ROUTES) {
            self.work();
        }
    }

    /// Sends what is due.
    pub(super) fn flush_adverts(&mut self) {
        self.flushes += 1;
        if self.sender.queued() == 0 {
            return;
        }
        let mut failures = Vec::new();
        let before = clock::now();
        self.sender.flush(&mut failures);
        if self.leases.on {
            let failed: Vec<Id> =
                failures.iter().filter_map(|(token, _)| u32::try_from(*token).ok().map(Id)).collect();
            self.renew_leases(before, &failed);
        }
        for (token, error) in failures {
            let Some(id) = u32::try_from(token).ok().map(Id) else { continue };
            let Some(instance) = self.registry.get_mut(id) else { continue };
            instance.stats.adverts_sent = instance.stats.adverts_sent.saturating_sub(1);
            instance.stats.adverts_failed += 1;
            // An interface that is down or gone says so by itself.
            let explained = error.interface_missing() || !instance.faults.is_empty();
            let now = clock::now();
            if now >= instance.quiet_until && !explained {
                instance.quiet_until = now + QUIET;
                self.note(id, Level::Warn, error.to_string());
            }
        }
    }

    fn address_outcome(&mut self, outcome: &Outcome) {
        if matches!(outcome.result, Ok(Change::Restored)) {
            // Routes from it went with it.
            self.routing.reassert();
        }
        let owner = outcome.owners.first().map(|owner| Id(owner.0));
        match (&outcome.result, owner) {
            (Ok(change @ (Change::Added | Change::Adopted | Change::Restored)), Some(id)) => {
                if let Some(instance) = self.registry.get_mut(id) {
                    instance.refused_vips.remove(&outcome.vip.address);
                }
                self.announce_added(id, &outcome.vip);
                self.note_address(id);
                if *change == Change::Restored {
                    self.restored(id, &outcome.vip);
                }
            }
            (Ok(_), _) => {}
            (Err(error), _) => self.address_failed(owner, outcome.vip.address, error),
        }
    }

    fn restored(&mut self, id: Id, vip: &Vip) {
        if let Some(instance) = self.registry.get_mut(id) {
            instance.stats.repairs += 1;
        }
        self.note(id, Level::Warn, format!("VIP {} was removed by somebody else: put back", vip.address));
    }

    fn address_failed(&mut self, owner: Option<Id>, address: IpAddr, error: &NetError) {
        if error.interface_missing() {
            return;
        }
        let Some((id, instance)) = owner.and_then(|id| Some((id, self.registry.get_mut(id)?))) else {
            return self.warn(error.to_string());
        };
        if instance.refused_vips.insert(address) {
            self.note(id, Level::Warn, error.to_string());
        }
        self.retry_later(clock::now(), id);
    }

    fn announce_slice(&mut self) {
        if self.announcer.pending() == 0 {
            return;
        }
        let mut failures = Vec::new();
        let sent = self.announcer.send_slice(ANNOUNCEMENTS, &mut failures);
        self.note_announcements(sent);
        // What waits for its interface's pace waits until then, and not for a queue to drain.
        self.stalled_until = (sent == 0 && failures.is_empty())
            .then(|| self.announcer.next().unwrap_or_else(|| clock::now() + STALL));
        self.announcements_failed(&failures);
    }

    fn announcements_failed(&mut self, failures: &[NetError]) {
        if let Some(error) = failures.iter().find(|error| !error.interface_missing()) {
            self.warn_rarely("announcements", error.to_string());
        }
    }

    /// Tells the rest of the agent what happened, now that the network knows.
    pub(super) fn publish_all(&mut self) {
        for (id, transition, silent_for) in std::mem::take(&mut self.unpublished) {
            self.publish(id, transition, silent_for);
        }
        for instance in std::mem::take(&mut self.removed) {
            self.send(Update::Removed { instance });
        }
    }

    fn publish(&mut self, id: Id, transition: Transition, silent_for: Option<Duration>) {
        let Some(instance) = self.registry.get(id) else { return };
        let why = if transition.to == State::Fault && !instance.faults.is_empty() {
            instance.faults.join("; ")
        } else {
            transition.cause.to_string()
        };
        let update = message::Transition {
            instance: instance.model.name.clone(),
            from: transition.from,
            to: transition.to,
            why,
            priority: instance.machine.priority().0,
            master: transition.master.map(|master| (master.source, master.priority.0)),
            silent_for,
            stopping: self.stopping,
        };
        self.send(Update::Transition(update));
    }
}
