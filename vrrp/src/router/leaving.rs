//! MASTER that hands over: it has announced priority 0, and serves on until its successor is heard.
//!
//! No RFC knows this: a router that stops resigns and is gone, and nobody serves until a backup's Skew_Time is over.
//! To the others a leaving router looks like one that stopped; they need not know of it.

use std::time::Duration;

use vipward_common::timing::DOWN_TIMER_ADVERTS;

use super::master::Mastership;
use super::{Action, Actions, Cause, Heard, Master, Params, Phase, Router};
use crate::types::{Mono, Priority};

/// What a leaving MASTER waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// What it goes on with if nobody takes over. Its next advert is one more of priority 0.
    mastership: Mastership,
    /// Even the slowest backup has taken over by then, if there is one.
    until: Mono,
    why: Why,
}

/// Why a MASTER leaves, and so what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It stops, whether somebody takes over or not.
    Stop,
    /// It is drained: BACKUP as soon as there is another MASTER, and MASTER while there is none.
    Drain,
}

impl Departure {
    pub(super) fn deadline(&self) -> Mono {
        self.mastership.advert.min(self.until)
    }
}

impl Router {
    /// MASTER is to stop.
    pub(super) fn leave(&mut self, now: Mono, mastership: Mastership) -> Actions {
        self.depart(now, mastership, Why::Stop)
    }

    /// MASTER is to be drained; once.
    pub(super) fn master_drain(&mut self, now: Mono, mastership: Mastership) -> Actions {
        if self.drained {
            return Actions::none();
        }
        self.drained = true;
        self.depart(now, mastership, Why::Drain)
    }

    fn depart(&mut self, now: Mono, mut mastership: Mastership, why: Why) -> Actions {
        let interval = self.params.interval.duration();
        // Skew_Time is less than an interval.
        let patience = interval * (u32::from(self.params.down_adverts.max(DOWN_TIMER_ADVERTS)) + 1);
        let until = now + patience;
        mastership.advert = now + self.insistence();
        self.phase = Phase::Leaving(Departure { mastership, until, why });
        // The lease is the longer by what this side may need to get round to its decision.
        Actions::from([
            Action::Advertise { priority: Priority::STOP },
            Action::Leave { until: until + interval },
        ])
    }

    /// From one priority 0 to the next, for any may be lost. Each sets a backup's timer to Skew_Time anew, which is up
    /// to 255/256 of an interval: repeated every interval it could keep a slow backup from ever taking over.
    fn insistence(&self) -> Duration {
        self.params.interval.duration() * 5 / 4
    }

    pub(super) fn leaving_tick(&mut self, now: Mono, mut departure: Departure) -> Actions {
        if departure.until <= now {
            return match departure.why {
                Why::Stop => self.resign(Phase::Init, Cause::Stopped),
                Why::Drain => self.stay(now, departure),
            };
        }
        if departure.mastership.advert > now {
            return Actions::none();
        }
        departure.mastership.advert = now + self.insistence();
        self.phase = Phase::Leaving(departure);
        Actions::from([Action::Advertise { priority: Priority::STOP }])
    }

    /// Another router advertises: the successor, whatever its priority. One that resigns succeeds nobody.
    pub(super) fn leaving_heard(&mut self, departure: Departure, heard: Heard) -> Actions {
        if heard.priority.is_stop() {
            return Actions::none();
        }
        match departure.why {
            Why::Stop => self.succeeded(Some(heard.master())),
            Why::Drain => self.yield_to(self.learned(heard), Some(heard.master()), Cause::Drained),
        }
    }

    /// The data path heard the successor.
    pub(super) fn leaving_deposed(&mut self, departure: Departure) -> Actions {
        match departure.why {
            Why::Stop => self.succeeded(None),
            Why::Drain => self.yield_to(self.params.interval, None, Cause::Drained),
        }
    }

    /// MASTER to INIT without another word: the successor has spoken.
    fn succeeded(&mut self, successor: Option<Master>) -> Actions {
        Actions::from([Action::Off, Action::Release, self.enter(Phase::Init, Cause::Stopped, successor)])
    }

    /// A second stop does not wait. The stop of one that is being drained is its first: it waits as before.
    pub(super) fn leaving_stop(&mut self, departure: Departure) -> Actions {
        match departure.why {
            Why::Stop => self.resign(Phase::Init, Cause::Stopped),
            Why::Drain => {
                self.phase = Phase::Leaving(Departure { why: Why::Stop, ..departure });
                Actions::none()
            }
        }
    }

    /// The service is down: nothing is gained by holding its addresses. One that stops has stopped then; FAULT would
    /// start it again.
    pub(super) fn leaving_fault(&mut self, departure: Departure) -> Actions {
        match departure.why {
            Why::Stop => self.resign(Phase::Init, Cause::Stopped),
            Why::Drain => self.resign(Phase::Fault, Cause::Fault),
        }
    }

    /// Nobody has taken over yet, and nobody has to any more. One that stops is only noted to be no longer drained.
    pub(super) fn leaving_undrain(&mut self, now: Mono, departure: Departure) -> Actions {
        self.drained = false;
        match departure.why {
            Why::Stop => Actions::none(),
            Why::Drain => self.stay(now, departure),
        }
    }

    /// Back to an ordinary MASTER. Backups count Skew_Time from the last priority 0, so the advert goes out at once.
    fn stay(&mut self, now: Mono, Departure { mut mastership, .. }: Departure) -> Actions {
        mastership.advert = self.first_slot(now);
        let mut actions = Actions::from([
            Action::Report,
            Action::Stay { until: now + self.params.interval.duration() },
            Action::Advertise { priority: self.priority() },
        ]);
        // Announcements that fell due meanwhile.
        for action in self.master_tick(now, mastership) {
            actions.push(action);
        }
        actions
    }

    /// Takes effect with what comes after: the bound stays, for it follows from what the backups were told.
    pub(super) fn leaving_reconfigured(&mut self, params: Params) -> Actions {
        self.set_params(params);
        Actions::none()
    }
}
