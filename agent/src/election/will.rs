//! Keeping the will up to date: what the guard does for the masters of this moment, should the agent die.

use vipward_common::timing::lease_length;
use vipward_vrrp::types::{Priority, State};

use super::driver::Driver;
use super::registry::Id;
use crate::guard::estate::{Estate, Undo, Writer};
use crate::guard::will::{Ending, Will};
use crate::net::{Frame, Owner, vmac};

/// The will, and whether it is out of date.
pub(super) struct Testament {
    /// None in tests, where nobody guards.
    will: Option<Will>,
    writer: Writer,
    stale: bool,
}

impl Testament {
    pub(super) fn new(will: Option<Will>) -> Testament {
        Testament { will, writer: Writer::default(), stale: true }
    }

    /// Something changed that may be in it.
    pub(super) fn outdate(&mut self) {
        self.stale = true;
    }
}

impl Driver {
    /// Everything is released: the end of this thread is no death.
    pub(super) fn leave_nothing(&self) {
        if let Some(will) = &self.testament.will {
            will.plan(Ending::Nothing);
        }
    }

    /// Writes the will anew if it is out of date and nothing else is to be done: it comes after the announcements, for
    /// until then the lease alone sees to it that a dead master is silent.
    pub(super) fn rewrite_will(&mut self) {
        if !self.testament.stale || self.testament.will.is_none() || self.has_urgent_work() {
            return;
        }
        self.testament.stale = false;
        let mut writer = std::mem::take(&mut self.testament.writer);
        writer.clear();
        for id in self.registry.ids() {
            self.write_down(id, &mut writer);
        }
        let put = self.testament.will.as_ref().is_none_or(|will| will.put(&writer));
        self.testament.writer = writer;
        if !put {
            self.warn_rarely(
                "will",
                "too many masters and addresses for the guard: should the agent die, its backups wait for their timers".to_owned(),
            );
        }
    }

    /// What `id` brought besides its addresses.
    fn undo(&self, id: Id) -> Vec<Undo> {
        let requests = self.routing.removals(Owner(id.0)).into_iter().map(Undo::Request);
        let settings = self.sysctls.restores(Owner(id.0));
        let made = self.registry.get(id).and_then(|instance| instance.vmac.as_ref());
        let vmac = made.map(|(ifindex, _)| Undo::Request(vmac::removal(*ifindex)));
        requests
            .chain(vmac)
            .chain(settings.map(|(file, value)| Undo::Setting(file, value.to_owned())))
            .collect()
    }

    fn write_down(&mut self, id: Id, writer: &mut Writer) {
        let undo = self.undo(id);
        let Some(instance) = self.registry.get_mut(id) else { return };
        let Some(key) = instance.key.filter(|_| instance.machine.state() == State::Master) else { return };
        let priority = instance.machine.priority();
        let resignations: Vec<Frame> = instance.make_adverts(Priority::STOP);
        let adverts: Vec<Frame> = instance.make_adverts(priority);
        let params = instance.machine.params();
        writer.add(&Estate {
            slot: self.paths.slot(&key).filter(|_| self.leases.on),
            interval_ns: params.interval.nanos(),
            lease_ns: lease_length(params.interval.nanos(), params.down_adverts),
            adverts: &adverts,
            resignations: &resignations,
            vips: &instance.held,
            undo: &undo,
        });
    }
}
