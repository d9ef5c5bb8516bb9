//! MASTER: adverts and announcements by absolute deadlines, and what a rival's advert does (RFC 9568 §6.4.3, where
//! the state is called Active).

use std::time::Duration;

use super::backup::Backup;
use super::{Action, Actions, Cause, Heard, Master, Params, Phase, Router};
use crate::types::{Interval, Mono, Priority, Version, Vrid, nanos};

/// What a MASTER waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mastership {
    /// The next advert (Adver_Timer).
    pub(super) advert: Mono,
    /// The second round of announcements after the takeover.
    second_round: Option<Mono>,
    /// The next periodic announcement.
    refresh: Option<Mono>,
    /// The second round after a losing master was heard.
    after_rival: Option<Mono>,
    /// Until then another advert of a losing master causes no announcement: it could flood the segment with them.
    quiet_until: Mono,
}

impl Mastership {
    pub(super) fn deadline(&self) -> Mono {
        let announcements = [self.second_round, self.refresh, self.after_rival];
        announcements.into_iter().flatten().fold(self.advert, Mono::min)
    }
}

impl Router {
    /// Any state to MASTER: the lease is open before the advert that begins it; the advert is what ends everybody
    /// else's election; then the addresses; then their announcement.
    pub(super) fn become_master(&mut self, now: Mono, cause: Cause, predecessor: Option<Master>) -> Actions {
        let garp = self.params.garp;
        let mut actions =
            Actions::from([Action::Report, Action::Advertise { priority: self.priority() }, Action::Hold]);
        announce(&mut actions, garp.repeat);
        let second_round = later(now, garp.delay, garp.repeat);
        let mastership = Mastership { second_round, ..self.mastership(now) };
        actions.push(self.enter(Phase::Master(mastership), cause, predecessor));
        actions
    }

    /// A mastership that has just advertised, and has nothing to tell the neighbours but what is periodic.
    pub(super) fn mastership(&self, now: Mono) -> Mastership {
        let garp = self.params.garp;
        Mastership {
            advert: self.first_slot(now),
            second_round: None,
            refresh: garp.refresh.and_then(|period| later(now, period, garp.refresh_repeat)),
            after_rival: None,
            quiet_until: now,
        }
    }

    /// The first slot of this router's cadence after `now`.
    pub(super) fn first_slot(&self, now: Mono) -> Mono {
        first_slot(self.params.vrid, self.params.interval.duration(), now)
    }

    /// MASTER to INIT or FAULT at once: priority 0 spares the successor all but Skew_Time of the wait.
    pub(super) fn resign(&mut self, phase: Phase, cause: Cause) -> Actions {
        Actions::from([
            Action::Advertise { priority: Priority::STOP },
            Action::Off,
            Action::Release,
            self.enter(phase, cause, None),
        ])
    }

    pub(super) fn master_tick(&mut self, now: Mono, mut mastership: Mastership) -> Actions {
        let garp = self.params.garp;
        let mut actions = Actions::none();
        if mastership.advert <= now {
            actions.push(Action::Advertise { priority: self.priority() });
            mastership.advert = next_slot(mastership.advert, self.params.interval.duration(), now);
        }
        if take_due(&mut mastership.second_round, now).is_some() {
            announce(&mut actions, garp.repeat);
        }
        if take_due(&mut mastership.after_rival, now).is_some() {
            announce(&mut actions, garp.lower_prio_repeat);
        }
        if let Some(due) = take_due(&mut mastership.refresh, now) {
            announce(&mut actions, garp.refresh_repeat);
            mastership.refresh = garp.refresh.map(|period| next_slot(due, period, now));
        }
        self.phase = Phase::Master(mastership);
        actions
    }

    /// Priority 0: assert ourselves at once. A greater rival: step back. A lesser one: assert ourselves and correct
    /// the neighbours that it misled (RFC 9568 §6.4.3; RFC 5798 discarded such an advert, keepalived did not).
    pub(super) fn master_heard(&mut self, now: Mono, mut mastership: Mastership, heard: Heard) -> Actions {
        // keepalived's option against a second router that claims to own the addresses; no RFC has it.
        if self.params.owner_ignore_adverts && self.priority().is_owner() {
            return Actions::none();
        }
        if heard.priority.is_stop() {
            mastership.advert = self.first_slot(now);
            self.phase = Phase::Master(mastership);
            return Actions::from([Action::Advertise { priority: self.priority() }]);
        }
        if heard.priority > self.priority() {
            return self.step_back(heard, Cause::HigherPriority(heard));
        }
        // Addresses compare as unsigned integers in network order, which is how `IpAddr` does it.
        if heard.priority == self.priority() && heard.source > self.params.source {
            return self.step_back(heard, Cause::GreaterAddress(heard));
        }
        let garp = self.params.garp;
        let mut actions = Actions::none();
        if !self.params.lower_prio_no_advert {
            actions.push(Action::Advertise { priority: self.priority() });
        }
        if mastership.quiet_until <= now {
            announce(&mut actions, garp.lower_prio_repeat);
            mastership.after_rival = later(now, garp.lower_prio_delay, garp.lower_prio_repeat);
            mastership.quiet_until = now + garp.lower_prio_delay.max(self.params.interval.duration());
        }
        self.phase = Phase::Master(mastership);
        actions
    }

    /// A changed priority is announced at once: a lower one begins the hand-over to a backup that may preempt now, a
    /// higher one ends it. The cadence of the other adverts stays.
    pub(super) fn master_priority(&mut self, priority: Priority) -> Actions {
        let before = self.priority();
        self.set_priority(priority);
        self.announce_priority(before)
    }

    /// A drained MASTER that found no successor gets its priority back.
    pub(super) fn master_undrain(&mut self) -> Actions {
        let before = self.priority();
        self.drained = false;
        self.announce_priority(before)
    }

    fn announce_priority(&self, before: Priority) -> Actions {
        let priority = self.priority();
        if priority == before {
            return Actions::none();
        }
        Actions::from([Action::Report, Action::Advertise { priority }])
    }

    /// The data path ended the lease, so whoever beat us serves: a new election decides whether that stays so.
    pub(super) fn master_deposed(&mut self) -> Actions {
        self.yield_to(self.params.interval, None, Cause::Deposed)
    }

    /// The interval of a changed configuration is announced at once: backups of version 3 still watch by the old
    /// one, and a longer one would come too late for them. A shorter one shortens the lease before they hear of it.
    pub(super) fn master_reconfigured(
        &mut self,
        now: Mono,
        mut mastership: Mastership,
        params: Params,
    ) -> Actions {
        let before = (self.params.interval, self.priority(), self.params.garp);
        self.set_params(params);
        let actions = if self.params.interval == before.0 {
            self.announce_priority(before.1)
        } else {
            mastership.advert = self.first_slot(now);
            Actions::from([
                Action::Report,
                Action::Stay { until: now + self.params.interval.duration() },
                Action::Advertise { priority: self.priority() },
            ])
        };
        let garp = self.params.garp;
        if garp.refresh != before.2.refresh {
            mastership.refresh = garp.refresh.and_then(|period| later(now, period, garp.refresh_repeat));
        }
        self.phase = Phase::Master(mastership);
        actions
    }

    fn step_back(&mut self, rival: Heard, cause: Cause) -> Actions {
        let own = Action::Advertise { priority: self.priority() };
        let stepped_back = self.yield_to(self.learned(rival), Some(rival.master()), cause);
        if !self.params.higher_prio_send_advert {
            return stepped_back;
        }
        let mut actions = Actions::from([own]);
        for action in stepped_back {
            actions.push(action);
        }
        actions
    }

    /// The interval in force once `rival` is the master.
    pub(super) fn learned(&self, rival: Heard) -> Interval {
        match self.params.version {
            Version::V2 => self.params.interval,
            Version::V3 => rival.interval,
        }
    }

    /// MASTER to BACKUP.
    pub(super) fn yield_to(&mut self, interval: Interval, master: Option<Master>, cause: Cause) -> Actions {
        let backup = Backup::new(interval, master);
        let transition = self.enter(Phase::Backup(backup), cause, master);
        Actions::from([self.watch_anew(&backup), Action::Release, transition])
    }
}

fn announce(actions: &mut Actions, rounds: u8) {
    if rounds > 0 {
        actions.push(Action::Announce { rounds });
    }
}

/// A deadline `delay` from now; none when the delay is zero or nothing would be announced then.
fn later(now: Mono, delay: Duration, rounds: u8) -> Option<Mono> {
    (!delay.is_zero() && rounds > 0).then(|| now + delay)
}

/// Takes a deadline that has come.
fn take_due(deadline: &mut Option<Mono>, now: Mono) -> Option<Mono> {
    deadline.take_if(|due| *due <= now)
}

/// Groups into which the routers of one interval fall, evenly spread over it.
///
/// Routers of one group advertise together, so that one wake-up and one system call serve all of them. But what
/// advertises together also dies together, and a backup that takes over hundreds at the same instant serves the last
/// of them late: hence more than one.
const GROUPS: u64 = 4;

/// The first slot after `now` of the cadence of this VRID's group, so never more than one period away.
fn first_slot(vrid: Vrid, period: Duration, now: Mono) -> Mono {
    let period = nanos(period).max(1);
    let phase = u64::from(vrid.get()) % GROUPS * (period / GROUPS);
    let next = (now.0.saturating_sub(phase) / period).saturating_add(u64::from(now.0 >= phase));
    Mono(next.saturating_mul(period).saturating_add(phase))
}

/// The first slot of the cadence after `now`. Lateness does not shift the cadence, and slots that were missed
/// altogether are skipped: a burst of adverts helps nobody.
fn next_slot(due: Mono, period: Duration, now: Mono) -> Mono {
    let period = nanos(period).max(1);
    let missed = now.0.saturating_sub(due.0) / period;
    Mono(due.0.saturating_add((missed + 1).saturating_mul(period)))
}
