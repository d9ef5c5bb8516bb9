//! The state machine of one virtual router: `(now, Event)` in, [`Actions`] and the next deadline out.
//!
//! It has no clock and no timer. What it waits for as MASTER, and the delay before it preempts, are deadlines that
//! [`Router::next_deadline`] names and [`Event::Tick`] reports. The watch on the master runs in the data path, in
//! the kernel where possible: the machine sets its terms with [`Action::Watch`] and hears of its end with
//! [`Event::Expired`].

mod action;
mod backup;
mod event;
mod idle;
mod master;
mod params;
mod transition;

use std::net::IpAddr;
use std::time::Duration;

use vipward_common::timing;
use vipward_common::watch::Own;

pub use self::action::{Action, Actions, Master, WatchTimer};
pub use self::event::{Event, Heard};
pub use self::params::{Garp, Params};
pub use self::transition::{Cause, Transition};

use self::backup::Backup;
use self::master::Mastership;
use crate::types::{Interval, Mono, Priority, State};

/// One virtual router on this node.
#[derive(Clone, Debug)]
pub struct Router {
    params: Params,
    /// Priority after tracking; what adverts carry and elections compare.
    effective: Priority,
    phase: Phase,
}

/// The state with what only matters in it.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Init,
    Backup(Backup),
    Master(Mastership),
    Fault,
}

impl Router {
    /// A router in INIT; nothing happens before [`Event::Startup`].
    #[must_use]
    pub fn new(params: Params) -> Router {
        Router { effective: params.priority, params, phase: Phase::Init }
    }

    /// Takes one event in. An event that means nothing in the current state changes nothing.
    #[expect(clippy::match_same_arms, reason = "one arm per rule, each with its source")]
    pub fn handle(&mut self, now: Mono, event: Event) -> Actions {
        match (self.phase, event) {
            // RFC 9568 §6.4.1, RFC 3768 §6.4.1.
            (Phase::Init, Event::Startup) => self.start(now, Cause::Started),
            // FAULT is keepalived's: no RFC has it. It can be entered from anywhere, and left by recovery alone.
            (Phase::Init, Event::Fault) => self.fault(),
            (Phase::Fault, Event::Recovered) => self.start(now, Cause::Recovered),
            (
                Phase::Init,
                Event::Shutdown | Event::Expired | Event::Heard(_) | Event::Tick | Event::Recovered,
            )
            | (
                Phase::Fault,
                Event::Startup | Event::Expired | Event::Heard(_) | Event::Tick | Event::Fault,
            ) => Actions::none(),
            (Phase::Fault, Event::Shutdown) => self.stop(),
            (Phase::Init | Phase::Fault, Event::Priority(priority)) => self.note_priority(priority),
            (Phase::Init | Phase::Fault, Event::Reconfigured(params)) => self.note_params(params),

            // RFC 9568 §6.4.2, RFC 3768 §6.4.2.
            (Phase::Backup(_), Event::Shutdown) => self.stop(),
            // RFC 9568 §6.4.2.
            (Phase::Backup(backup), Event::Expired) => self.take_over(now, &backup),
            // RFC 9568 §6.4.2; the data path has already judged and re-armed.
            (Phase::Backup(backup), Event::Heard(heard)) => self.backup_heard(now, backup, heard),
            (Phase::Backup(backup), Event::Tick) => self.backup_tick(now, backup),
            (Phase::Backup(backup), Event::Priority(priority)) => self.backup_priority(now, backup, priority),
            (Phase::Backup(backup), Event::Reconfigured(params)) => {
                self.backup_reconfigured(now, backup, params)
            }
            (Phase::Backup(_), Event::Fault) => self.fault(),
            (Phase::Backup(_), Event::Startup | Event::Recovered) => Actions::none(),

            // RFC 9568 §6.4.3, RFC 3768 §6.4.3.
            (Phase::Master(_), Event::Shutdown) => self.resign(Phase::Init, Cause::Stopped),
            // keepalived resigns into FAULT too, so that the successor need not wait out Master_Down_Interval.
            (Phase::Master(_), Event::Fault) => self.resign(Phase::Fault, Cause::Fault),
            // RFC 9568 §6.4.3.
            (Phase::Master(mastership), Event::Tick) => self.master_tick(now, mastership),
            // RFC 9568 §6.4.3.
            (Phase::Master(mastership), Event::Heard(heard)) => self.master_heard(now, mastership, heard),
            // The next advert carries it.
            (Phase::Master(_), Event::Priority(priority)) => self.note_priority(priority),
            (Phase::Master(mastership), Event::Reconfigured(params)) => {
                self.master_reconfigured(now, mastership, params)
            }
            // An expiry from before this router became MASTER has nothing to say any more.
            (Phase::Master(_), Event::Expired | Event::Startup | Event::Recovered) => Actions::none(),

            (Phase::Init | Phase::Backup(_) | Phase::Master(_) | Phase::Fault, Event::Source(source)) => {
                self.note_source(source)
            }
        }
    }

    /// When [`Event::Tick`] is due; `None` while there is nothing to wait for but the data path's watch.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Init | Phase::Fault => None,
            Phase::Backup(backup) => backup.deadline(),
            Phase::Master(mastership) => Some(mastership.deadline()),
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Init => State::Init,
            Phase::Backup(_) => State::Backup,
            Phase::Master(_) => State::Master,
            Phase::Fault => State::Fault,
        }
    }

    /// The effective priority: the base moved by tracking.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.effective
    }

    /// The master that this BACKUP follows; `None` in other states and before it heard one.
    #[must_use]
    pub const fn master(&self) -> Option<Master> {
        match self.phase {
            Phase::Backup(backup) => backup.master,
            Phase::Init | Phase::Master(_) | Phase::Fault => None,
        }
    }

    /// The interval in force: as BACKUP in version 3 the master's, otherwise our own.
    #[must_use]
    pub const fn interval(&self) -> Interval {
        match self.phase {
            Phase::Backup(backup) => backup.interval,
            Phase::Init | Phase::Master(_) | Phase::Fault => self.params.interval,
        }
    }

    /// The configuration in force.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Tracking moves a priority within 1 to 254: it makes nobody resign or own the addresses, and their owner
    /// stays it.
    fn set_priority(&mut self, priority: Priority) {
        self.effective = if self.params.priority.is_owner() {
            Priority::OWNER
        } else {
            priority.clamp(Priority(1), Priority(254))
        };
    }

    /// Takes a new configuration over. What tracking had added to the old base priority is kept on the new one
    /// until tracking reports again.
    fn set_params(&mut self, params: Params) {
        let (old, new) = (self.params.priority.0, params.priority.0);
        let shifted = if self.effective.0 >= old {
            new.saturating_add(self.effective.0 - old)
        } else {
            new.saturating_sub(old - self.effective.0)
        };
        let Params { vrid, version, family, .. } = self.params;
        self.params = Params { vrid, version, family, ..params };
        self.set_priority(Priority(shifted));
    }

    /// Whether a master of lower priority may be replaced at all. The owner of the addresses always may
    /// (RFC 9568 §6.1, Preempt_Mode).
    fn may_preempt(&self) -> bool {
        self.params.preempt || self.effective.is_owner()
    }

    /// Master_Down_Interval (RFC 9568 §6.1) under an interval in force.
    fn master_down(&self, interval: Interval) -> Duration {
        Duration::from_nanos(timing::master_down(
            self.params.version.number(),
            self.effective.0,
            interval.nanos(),
            self.params.down_adverts,
        ))
    }

    /// What the data path judges adverts by.
    fn own(&self, preempt: bool) -> Own {
        Own {
            version: self.params.version.number(),
            priority: self.effective.0,
            preempt,
            down_adverts: self.params.down_adverts,
        }
    }

    /// The transition into `phase`, which becomes the current one.
    fn enter(&mut self, phase: Phase, cause: Cause, master: Option<Master>) -> Action {
        let from = self.state();
        self.phase = phase;
        Action::Transition(Transition { from, to: self.state(), cause, master })
    }

    fn note_source(&mut self, source: IpAddr) -> Actions {
        self.params.source = source;
        Actions::none()
    }
}
