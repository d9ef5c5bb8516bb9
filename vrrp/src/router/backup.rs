//! BACKUP: the data path watches the master; this side keeps the terms of the watch current and takes over when it
//! runs out (RFC 9568 §6.4.2).

use vipward_common::watch::{Judgement, Own, judge};

use super::{Action, Actions, Cause, Heard, Master, Params, Phase, Router, WatchTimer};
use crate::types::{Interval, Mono, Priority, Version};

/// What a BACKUP knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backup {
    /// Interval in force: version 3 learns it from the master (Active_Adver_Interval).
    pub(super) interval: Interval,
    /// The last master reported.
    pub(super) master: Option<Master>,
    delay: Delay,
}

/// Where keepalived's `preempt_delay` stands: it counts from the first advert of lower priority, and a master of at
/// least our priority ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delay {
    /// No master of lower priority is known.
    Idle,
    /// One is, and is tolerated until then: its adverts re-arm the watch.
    Until(Mono),
    /// Patience is over: the watch may run out on it.
    Over,
}

impl Backup {
    pub(super) const fn new(interval: Interval, master: Option<Master>) -> Backup {
        Backup { interval, master, delay: Delay::Idle }
    }

    pub(super) const fn deadline(&self) -> Option<Mono> {
        match self.delay {
            Delay::Until(end) => Some(end),
            Delay::Idle | Delay::Over => None,
        }
    }
}

impl Router {
    /// The watch from its beginning, with a full Master_Down_Interval.
    pub(super) fn watch_anew(&self, backup: &Backup) -> Action {
        Action::Watch {
            own: self.terms(backup),
            interval: backup.interval,
            timer: WatchTimer::Set(self.master_down(backup.interval)),
        }
    }

    pub(super) fn take_over(&mut self, now: Mono, backup: &Backup) -> Actions {
        let cause = match backup.master {
            None => Cause::NoMaster,
            Some(master) if master.priority.is_stop() => Cause::MasterResigned(master),
            Some(master) if self.terms(backup).preempt && master.priority < self.priority() => {
                Cause::Preempted(master)
            }
            Some(master) => Cause::MasterSilent(master),
        };
        self.become_master(now, cause, backup.master)
    }

    pub(super) fn backup_heard(&mut self, now: Mono, mut backup: Backup, heard: Heard) -> Actions {
        let before = self.terms(&backup);
        backup.master = Some(heard.master());
        let judgement = judge(before, heard.priority.0, heard.interval.nanos());
        if self.params.version == Version::V3 && matches!(judgement, Judgement::Rearm(_)) {
            backup.interval = heard.interval;
        }
        self.weigh(now, &mut backup);
        self.keep_watching(before, backup)
    }

    pub(super) fn backup_tick(&mut self, now: Mono, mut backup: Backup) -> Actions {
        let before = self.terms(&backup);
        if backup.deadline().is_some_and(|end| end <= now) {
            backup.delay = Delay::Over;
        }
        self.keep_watching(before, backup)
    }

    pub(super) fn backup_priority(&mut self, now: Mono, mut backup: Backup, priority: Priority) -> Actions {
        let before = self.terms(&backup);
        self.set_priority(priority);
        self.weigh(now, &mut backup);
        self.keep_watching(before, backup)
    }

    /// Drained, it takes over from nobody who lives, and after everybody else from one who does not.
    pub(super) fn backup_drain(&mut self, now: Mono, mut backup: Backup, drained: bool) -> Actions {
        let before = self.terms(&backup);
        self.drained = drained;
        self.weigh(now, &mut backup);
        self.keep_watching(before, backup)
    }

    /// A reload never shortens a running watch. The interval in force is the master's in version 3 once one was
    /// heard; otherwise it is ours, and the watch starts anew when it changes.
    pub(super) fn backup_reconfigured(&mut self, now: Mono, mut backup: Backup, params: Params) -> Actions {
        let before = self.terms(&backup);
        self.set_params(params);
        self.weigh(now, &mut backup);
        let learned = self.params.version == Version::V3 && backup.master.is_some();
        if learned || backup.interval == self.params.interval {
            return self.keep_watching(before, backup);
        }
        backup.interval = self.params.interval;
        self.phase = Phase::Backup(backup);
        Actions::from([self.watch_anew(&backup)])
    }

    /// Starts or ends the delay before preemption by what is known of the master. One that resigned decides
    /// nothing: its successor will.
    fn weigh(&self, now: Mono, backup: &mut Backup) {
        let delays = self.preempts() && !self.params.preempt_delay.is_zero();
        let Some(master) = backup.master.filter(|master| !master.priority.is_stop()) else { return };
        backup.delay = match backup.delay {
            _ if !delays || master.priority >= self.priority() => Delay::Idle,
            Delay::Idle => Delay::Until(now + self.params.preempt_delay),
            running_or_over => running_or_over,
        };
    }

    /// The terms of the watch: a tolerated master counts like one of higher priority. The owner tolerates none.
    fn terms(&self, backup: &Backup) -> Own {
        let patient = !self.params.preempt_delay.is_zero() && !self.priority().is_owner();
        self.own(self.preempts() && (!patient || backup.delay == Delay::Over))
    }

    /// Stays BACKUP; tells the data path when the terms of the watch are no longer those `before`.
    ///
    /// A master that was to be replaced did not re-arm the watch, which is about to run out on it. Terms that tolerate
    /// more may tolerate that one, so the data path has to judge its last advert again.
    fn keep_watching(&mut self, before: Own, backup: Backup) -> Actions {
        self.phase = Phase::Backup(backup);
        let own = self.terms(&backup);
        if own == before {
            return Actions::none();
        }
        let tolerates_more = own.priority < before.priority || (before.preempt && !own.preempt);
        let timer = if tolerates_more { WatchTimer::Rejudge } else { WatchTimer::Keep };
        Actions::from([Action::Watch { own, interval: backup.interval, timer }])
    }
}
