//! INIT and FAULT: nothing is sent, watched or held.

use super::backup::Backup;
use super::{Action, Actions, Cause, Params, Phase, Router};
use crate::types::{Mono, Priority};

impl Router {
    /// Leaves INIT or FAULT: the owner of the addresses becomes MASTER at once, everybody else waits a full
    /// Master_Down_Interval for a master to be heard (RFC 9568 §6.4.1).
    pub(super) fn start(&mut self, now: Mono, cause: Cause) -> Actions {
        if self.priority().is_owner() {
            return self.become_master(now, Cause::Owner, None);
        }
        let backup = Backup::new(self.params.interval, None);
        let transition = self.enter(Phase::Backup(backup), cause, None);
        Actions::from([self.watch_anew(&backup), Action::Release, transition])
    }

    /// INIT to MASTER: the lease never ended, so nobody else was elected and no neighbour needs to be told.
    pub(super) fn resume(&mut self, now: Mono) -> Actions {
        let mastership = self.mastership(now);
        Actions::from([
            Action::Report,
            Action::Advertise { priority: self.priority() },
            Action::Hold,
            self.enter(Phase::Master(mastership), Cause::Resumed, None),
        ])
    }

    /// BACKUP or FAULT to INIT.
    pub(super) fn stop(&mut self) -> Actions {
        self.retire(Phase::Init, Cause::Stopped)
    }

    /// INIT or BACKUP to FAULT.
    pub(super) fn fault(&mut self) -> Actions {
        self.retire(Phase::Fault, Cause::Fault)
    }

    fn retire(&mut self, phase: Phase, cause: Cause) -> Actions {
        let master = self.master();
        Actions::from([Action::Off, Action::Release, self.enter(phase, cause, master)])
    }

    pub(super) fn note_priority(&mut self, priority: Priority) -> Actions {
        self.set_priority(priority);
        Actions::none()
    }

    pub(super) fn note_drain(&mut self, drained: bool) -> Actions {
        self.drained = drained;
        Actions::none()
    }

    pub(super) fn note_params(&mut self, params: Params) -> Actions {
        self.set_params(params);
        Actions::none()
    }
}
