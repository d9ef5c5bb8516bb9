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
mod leaving;
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
pub use self::transition::{CAUSES, Cause, Transition};

use self::backup::Backup;
use self::leaving::Departure;
use self::master::Mastership;
use crate::types::{Interval, Mono, Priority, State};

/// Priority of a drained router: the lowest that is no resignation.
const DRAINED: Priority = Priority(1);

/// One virtual router on this node.
#[derive(Clone, Debug)]
pub struct Router {
    params: Params,
    /// Priority after tracking.
    tracked: Priority,
    /// Somebody wants this node to serve nothing.
    drained: bool,
    phase: Phase,
}

/// The state with what only matters in it.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Init,
    Backup(Backup),
    Master(Mastership),
    /// MASTER to everybody who asks.
    Leaving(Departure),
    Fault,
}

impl Router {
    /// A router in INIT; nothing happens before [`Event::Startup`].
    #[must_use]
    pub fn new(params: Params) -> Router {
        Router { tracked: params.priority, drained: false, params, phase: Phase::Init }
    }

    /// Takes one event in. An event that means nothing in the current state changes nothing.
    #[expect(clippy::match_same_arms, reason = "one arm per rule, each with its source")]
    pub fn handle(&mut self, now: Mono, event: Event) -> Actions {
        match (self.phase, event) {
            // RFC 9568 §6.4.1, RFC 3768 §6.4.1.
            (Phase::Init, Event::Startup) => self.start(now, Cause::Started),
            // No RFC has it: a restart of the agent is no failover.
            (Phase::Init, Event::Resume) => self.resume(now),
            // FAULT is keepalived's: no RFC has it. It can be entered from anywhere, and left by recovery alone.
            (Phase::Init, Event::Fault) => self.fault(),
            (Phase::Fault, Event::Recovered) => self.start(now, Cause::Recovered),
            (
                Phase::Init,
                Event::Shutdown
                | Event::Expired
                | Event::Heard(_)
                | Event::Deposed
                | Event::Tick
                | Event::Recovered
                | Event::Refrain
                | Event::Demote,
            )
            | (
                Phase::Fault,
                Event::Startup
                | Event::Resume
                | Event::Expired
                | Event::Heard(_)
                | Event::Deposed
                | Event::Tick
                | Event::Fault
                | Event::Refrain
                | Event::Demote,
            ) => Actions::none(),
            (Phase::Fault, Event::Shutdown) => self.stop(),
            (Phase::Init | Phase::Fault, Event::Priority(priority)) => self.note_priority(priority),
            (Phase::Init | Phase::Fault, Event::Reconfigured(params)) => self.note_params(params),
            (Phase::Init | Phase::Fault, Event::Drain) => self.note_drain(true),
            (Phase::Init | Phase::Fault, Event::Undrain) => self.note_drain(false),

            // RFC 9568 §6.4.2, RFC 3768 §6.4.2.
            (Phase::Backup(_), Event::Shutdown) => self.stop(),
            // RFC 9568 §6.4.2.
            (Phase::Backup(backup), Event::Expired) => self.take_over(now, &backup),
            // RFC 9568 §6.4.2; the data path has already judged and re-armed.
            (Phase::Backup(backup), Event::Heard(heard)) => self.backup_heard(now, backup, heard),
            (Phase::Backup(backup), Event::Tick) => self.backup_tick(now, backup),
            (Phase::Backup(backup), Event::Priority(priority)) => self.backup_priority(now, backup, priority),
            (Phase::Backup(backup), Event::Drain) => self.backup_drain(now, backup, true),
            (Phase::Backup(backup), Event::Undrain) => self.backup_drain(now, backup, false),
            (Phase::Backup(backup), Event::Reconfigured(params)) => {
                self.backup_reconfigured(now, backup, params)
            }
            (Phase::Backup(_), Event::Fault) => self.fault(),
            // keepalived's sync groups: no RFC has them.
            (Phase::Backup(backup), Event::Refrain) => Actions::from([self.watch_anew(&backup)]),
            // A BACKUP has no lease to lose.
            (
                Phase::Backup(_),
                Event::Startup | Event::Resume | Event::Recovered | Event::Deposed | Event::Demote,
            ) => Actions::none(),

            // RFC 9568 §6.4.3, RFC 3768 §6.4.3, and serving on until somebody else does.
            (Phase::Master(mastership), Event::Shutdown) => self.leave(now, mastership),
            (Phase::Master(mastership), Event::Drain) => self.master_drain(now, mastership),
            (Phase::Master(_), Event::Undrain) => self.master_undrain(),
            // keepalived resigns into FAULT too, so that the successor need not wait out Master_Down_Interval.
            (Phase::Master(_), Event::Fault) => self.resign(Phase::Fault, Cause::Fault),
            // RFC 9568 §6.4.3.
            (Phase::Master(mastership), Event::Tick) => self.master_tick(now, mastership),
            // RFC 9568 §6.4.3.
            (Phase::Master(mastership), Event::Heard(heard)) => self.master_heard(now, mastership, heard),
            (Phase::Master(_), Event::Deposed) => self.master_deposed(),
            // keepalived's sync groups. No priority 0: whoever made the other member step back takes over here too.
            (Phase::Master(_), Event::Demote) => self.yield_to(self.params.interval, None, Cause::Synced),
            (Phase::Master(_), Event::Priority(priority)) => self.master_priority(priority),
            (Phase::Master(mastership), Event::Reconfigured(params)) => {
                self.master_reconfigured(now, mastership, params)
            }
            // An expiry from before this router became MASTER has nothing to say any more.
            (
                Phase::Master(_) | Phase::Leaving(_),
                Event::Expired | Event::Startup | Event::Resume | Event::Recovered | Event::Refrain,
            ) => Actions::none(),

            // It hands over anyway, and whoever takes over here is to be heard first.
            (Phase::Leaving(_), Event::Demote) => Actions::none(),
            (Phase::Leaving(departure), Event::Shutdown) => self.leaving_stop(departure),
            (Phase::Leaving(departure), Event::Fault) => self.leaving_fault(departure),
            (Phase::Leaving(departure), Event::Tick) => self.leaving_tick(now, departure),
            (Phase::Leaving(departure), Event::Heard(heard)) => self.leaving_heard(departure, heard),
            (Phase::Leaving(departure), Event::Deposed) => self.leaving_deposed(departure),
            (Phase::Leaving(departure), Event::Undrain) => self.leaving_undrain(now, departure),
            // Drained already, or stopping, which goes further.
            (Phase::Leaving(_), Event::Drain) => self.note_drain(true),
            // What was announced is priority 0, and stays so until the end.
            (Phase::Leaving(_), Event::Priority(priority)) => self.note_priority(priority),
            (Phase::Leaving(_), Event::Reconfigured(params)) => self.leaving_reconfigured(params),

            (
                Phase::Init | Phase::Backup(_) | Phase::Master(_) | Phase::Leaving(_) | Phase::Fault,
                Event::Source(source),
            ) => self.note_source(source),
        }
    }

    /// When [`Event::Tick`] is due; `None` while there is nothing to wait for but the data path's watch.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Init | Phase::Fault => None,
            Phase::Backup(backup) => backup.deadline(),
            Phase::Master(mastership) => Some(mastership.deadline()),
            Phase::Leaving(departure) => Some(departure.deadline()),
        }
    }

    /// The state. A router that hands over is MASTER until it has.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Init => State::Init,
            Phase::Backup(_) => State::Backup,
            Phase::Master(_) | Phase::Leaving(_) => State::Master,
            Phase::Fault => State::Fault,
        }
    }

    /// Whether this MASTER has announced priority 0 and waits for its successor.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving(_))
    }

    /// Whether this router was drained: it serves only while nobody else does.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.drained
    }

    /// The effective priority, which adverts carry and elections compare: the base moved by tracking; 1 when
    /// drained, the owner of the addresses included.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        if self.drained { DRAINED } else { self.tracked }
    }

    /// The master that this BACKUP follows; `None` in other states and before it heard one.
    #[must_use]
    pub const fn master(&self) -> Option<Master> {
        match self.phase {
            Phase::Backup(backup) => backup.master,
            Phase::Init | Phase::Master(_) | Phase::Leaving(_) | Phase::Fault => None,
        }
    }

    /// The interval in force: as BACKUP in version 3 the master's, otherwise our own.
    #[must_use]
    pub const fn interval(&self) -> Interval {
        match self.phase {
            Phase::Backup(backup) => backup.interval,
            Phase::Init | Phase::Master(_) | Phase::Leaving(_) | Phase::Fault => self.params.interval,
        }
    }

    /// How long after the master's last advert this BACKUP takes over (Master_Down_Interval, RFC 9568 §6.1); `None` in
    /// other states.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match self.phase {
            Phase::Backup(backup) => Some(self.master_down(backup.interval)),
            Phase::Init | Phase::Master(_) | Phase::Leaving(_) | Phase::Fault => None,
        }
    }

    /// Whether a master of lower priority is replaced, be it after a delay. The owner of the addresses always does
    /// (RFC 9568 §6.1, Preempt_Mode), and nobody who is drained.
    #[must_use]
    pub fn preempts(&self) -> bool {
        !self.drained && (self.params.preempt || self.priority().is_owner())
    }

    /// The configuration in force.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Tracking moves a priority within 1 to 254: it makes nobody resign or own the addresses, and their owner
    /// stays it.
    fn set_priority(&mut self, priority: Priority) {
        self.tracked = if self.params.priority.is_owner() {
            Priority::OWNER
        } else {
            priority.clamp(Priority(1), Priority(254))
        };
    }

    /// Takes a new configuration over. What tracking had added to the old base priority is kept on the new one
    /// until tracking reports again.
    fn set_params(&mut self, params: Params) {
        let (old, new) = (self.params.priority.0, params.priority.0);
        let shifted = if self.tracked.0 >= old {
            new.saturating_add(self.tracked.0 - old)
        } else {
            new.saturating_sub(old - self.tracked.0)
        };
        let Params { vrid, version, family, .. } = self.params;
        self.params = Params { vrid, version, family, ..params };
        self.set_priority(Priority(shifted));
    }

    /// Master_Down_Interval (RFC 9568 §6.1) under an interval in force.
    fn master_down(&self, interval: Interval) -> Duration {
        Duration::from_nanos(timing::master_down(
            self.params.version.number(),
            self.priority().0,
            interval.nanos(),
            self.params.down_adverts,
        ))
    }

    /// What the data path judges adverts by.
    fn own(&self, preempt: bool) -> Own {
        Own {
            version: self.params.version.number(),
            priority: self.priority().0,
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
