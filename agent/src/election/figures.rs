//! What the election thread measures of itself: plain counters, told with every survey.

use vipward_vrrp::types::{Mono, State};

use super::driver::Driver;
use super::registry::Id;
use crate::clock;
use crate::histogram::{Histogram, SHORT};

/// Measured since the agent started, over all instances.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// How long after a watch's deadline its expiry was noticed, by the kernel's timer or by a socket's watch.
    pub timer_lateness: Histogram,
    /// How long after it was due the thread got round to a deadline of its own, mostly an advert.
    pub deadline_lateness: Histogram,
    /// From an expiry to its being claimed.
    pub decision: Histogram,
    /// From there to the first address.
    pub address: Histogram,
    /// From there to its first announcement.
    pub announcement: Histogram,
    /// From the watch's deadline to the first announcement.
    pub takeover: Histogram,
    /// News that found the channel to the rest of the agent full.
    pub updates_dropped: u64,
    /// Events of the data path that were lost.
    pub events_lost: u64,
}

impl Figures {
    /// Nothing measured.
    pub fn new() -> Figures {
        let none = Histogram::new(SHORT);
        Figures {
            timer_lateness: none,
            deadline_lateness: none,
            decision: none,
            address: none,
            announcement: none,
            takeover: none,
            updates_dropped: 0,
            events_lost: 0,
        }
    }
}

impl Default for Figures {
    fn default() -> Figures {
        Figures::new()
    }
}

/// An expiry of a watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    /// Which one it is, for the claim.
    pub(super) generation: u64,
    /// When the watch was to run out.
    pub(super) deadline: Mono,
    /// When that was noticed.
    pub(super) at: Mono,
}

/// How far an instance has come that took over after an expiry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takeover {
    deadline: Mono,
    decided: Mono,
    /// When the first address was there.
    addressed: Option<Mono>,
}

impl Driver {
    /// An expiry was claimed.
    pub(super) fn note_decision(&mut self, id: Id, expiry: Expiry) {
        let decided = clock::now();
        self.figures.decision.record(decided.saturating_since(expiry.at));
        if let Some(instance) = self.registry.get_mut(id) {
            instance.takeover = Some(Takeover { deadline: expiry.deadline, decided, addressed: None });
        }
    }

    /// An address of an instance is there.
    pub(super) fn note_address(&mut self, id: Id) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        let master = instance.machine.state() == State::Master;
        let Some(takeover) =
            instance.takeover.as_mut().filter(|takeover| master && takeover.addressed.is_none())
        else {
            return;
        };
        let now = clock::now();
        takeover.addressed = Some(now);
        self.figures.address.record(now.saturating_since(takeover.decided));
        // Where nothing is announced, as on a tunnel, it is there already.
        if !self.addressed.contains(&id) {
            self.addressed.push(id);
        }
    }

    /// First announcements of what was added in this turn went out.
    pub(super) fn note_announcements(&mut self, sent: usize) {
        if sent == 0 {
            return;
        }
        let now = clock::now();
        for id in self.addressed.drain(..) {
            let takeover = self.registry.get_mut(id).and_then(|instance| instance.takeover.take());
            if let Some(Takeover { deadline, addressed: Some(addressed), .. }) = takeover {
                self.figures.announcement.record(now.saturating_since(addressed));
                self.figures.takeover.record(now.saturating_since(deadline));
            }
        }
    }

    /// What was measured so far.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            deadline_lateness: self.deadlines.lateness,
            updates_dropped: self.all_dropped,
            events_lost: self.lost,
            ..self.figures
        }
    }
}
