//! The end of the election: every MASTER hands over, and everything is let go of when the last of them has.

use vipward_vrrp::router::Event;
use vipward_vrrp::types::{Mono, State};

use super::driver::Driver;
use super::registry::Id;

impl Driver {
    /// Stops everything. A MASTER serves until its successor is heard, for a bounded time; the second order to stop
    /// does not wait for that.
    pub(super) fn shut_down(&mut self, now: Mono) {
        self.stopping = true;
        for id in self.registry.ids() {
            self.retire(now, id);
        }
        self.flush_adverts();
    }

    /// Drains everything, or no longer; returns how many instances are MASTER now.
    pub(super) fn drain(&mut self, now: Mono, on: bool) -> usize {
        self.drained = on;
        let masters = self.registry.iter().filter(|(_, it)| it.machine.state() == State::Master).count();
        for id in self.registry.ids() {
            self.feed(now, id, if on { Event::Drain } else { Event::Undrain });
            self.renew_rules(now, id);
        }
        masters
    }

    /// Ends `id`'s machine, and nothing starts it again.
    pub(super) fn retire(&mut self, now: Mono, id: Id) {
        if let Some(instance) = self.registry.get_mut(id) {
            instance.retired = true;
        }
        self.feed(now, id, Event::Shutdown);
    }

    /// Lets go of everything once nobody serves any more. Not before: detaching from an interface can cost the kernel
    /// half a second, in which whoever still hands over would be deaf.
    pub(super) fn finish_stop(&mut self) {
        let stopped = self.registry.iter().all(|(_, instance)| instance.machine.state() == State::Init);
        if self.stopping && stopped {
            let all = self.registry.ids();
            self.leave_statics();
            self.work_through();
            self.forget(&all);
            self.paths.unpin();
        }
    }

    /// An instance that hands over while what it serves goes down has nothing to hand over.
    pub(super) fn reconsider_retired(&mut self, now: Mono, id: Id) {
        let Some(instance) = self.registry.get(id).filter(|instance| instance.machine.is_leaving()) else {
            return;
        };
        let (_, faults) = self.fitness(instance, self.source(instance));
        if let Some(instance) = self.registry.get_mut(id)
            && !faults.is_empty()
        {
            instance.faults = faults;
            self.feed(now, id, Event::Fault);
        }
    }
}
