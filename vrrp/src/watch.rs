//! The watch on a master in user space: for the socket data path and for simulations, the twin of the value and
//! timer that the kernel has per router. What an advert does to it is [`vipward_common::watch::judge`] in both.

use std::net::IpAddr;
use std::time::Duration;

use vipward_common::abi::{self, RouterKey, Rules};
use vipward_common::timing;
use vipward_common::watch::{Judgement, Own, judge};

use crate::address::{from_abi, to_abi};
use crate::packet::Facts;
use crate::router::{Event, Heard, WatchTimer};
use crate::types::{Family, Interval, Mono, Priority, Version};

/// What a data path reports of one router, from user space or from the kernel's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// What happened.
    pub kind: WatchEventKind,
    /// Generation of the watch when it happened: an expiry counts only while this is still the current one.
    pub generation: u64,
    /// When it happened.
    pub at: Mono,
    /// The deadline that ran out, or that is now in force.
    pub deadline: Mono,
    /// Interval in the advert.
    pub interval: Interval,
    /// Sender of the advert.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEventKind {
    /// The watch ran out.
    Expired,
    /// Another master, priority or interval than before, or the first advert.
    Changed,
    /// Priority 0.
    Resigned,
    /// A lower priority while we may preempt.
    Outranked,
    /// An advert heard while MASTER.
    Rival,
}

impl WatchEvent {
    /// Reads a record of the kernel's ring; `None` for a kind or family that there is not.
    #[must_use]
    pub fn from_abi(event: &abi::Event) -> Option<(RouterKey, WatchEvent)> {
        let kind = match event.kind {
            abi::EVENT_EXPIRED => WatchEventKind::Expired,
            abi::EVENT_CHANGED => WatchEventKind::Changed,
            abi::EVENT_RESIGNED => WatchEventKind::Resigned,
            abi::EVENT_OUTRANKED => WatchEventKind::Outranked,
            abi::EVENT_RIVAL => WatchEventKind::Rival,
            _ => return None,
        };
        let event_of = |family| WatchEvent {
            kind,
            generation: event.generation,
            at: Mono(event.at),
            deadline: Mono(event.deadline),
            interval: Interval::from_nanos(event.interval_ns),
            source: from_abi(event.source, family),
            priority: Priority(event.priority),
        };
        match event.key.family {
            4 => Some((event.key, event_of(Family::V4))),
            6 => Some((event.key, event_of(Family::V6))),
            _ => None,
        }
    }

    /// The event for the state machine. An expiry must have been claimed first.
    #[must_use]
    pub fn to_router(&self) -> Event {
        match self.kind {
            WatchEventKind::Expired => Event::Expired,
            WatchEventKind::Changed
            | WatchEventKind::Resigned
            | WatchEventKind::Outranked
            | WatchEventKind::Rival => {
                Event::Heard(Heard { source: self.source, priority: self.priority, interval: self.interval })
            }
        }
    }
}

/// The deadline that the last advert would have set under these rules, if it is later than the one in force and has
/// not passed. A resignation sets none anew.
#[must_use]
pub fn judged_again(now: Mono, rules: &Rules, heard: &abi::Heard) -> Option<Mono> {
    if heard.last_advert == 0 || Priority(heard.priority).is_stop() {
        return None;
    }
    match judge(own(rules), heard.priority, heard.advertised_ns) {
        Judgement::Rearm(after) => Some(Mono(heard.last_advert) + Duration::from_nanos(after))
            .filter(|deadline| deadline.0 > heard.deadline && *deadline > now),
        Judgement::Resign(_) | Judgement::Outranked => None,
    }
}

/// The watch of one router.
#[derive(Clone, Copy, Debug)]
pub struct SoftWatch {
    rules: Rules,
    heard: abi::Heard,
    family: Family,
}

impl SoftWatch {
    /// A watch that is off.
    #[must_use]
    pub fn new(family: Family) -> SoftWatch {
        SoftWatch { rules: Rules::default(), heard: abi::Heard::default(), family }
    }

    /// Puts new rules in force, their mode included.
    ///
    /// In [`abi::MODE_WATCH`], [`WatchTimer::Set`] moves the deadline and makes every earlier expiry stale;
    /// [`WatchTimer::Keep`] leaves it where it is, but nobody may stand without a watch, so where there is none it
    /// starts one. [`WatchTimer::Rejudge`] is the former if [`judged_again`] finds a later deadline, and the latter
    /// otherwise. The other modes watch nothing, whatever `timer` says, and [`abi::MODE_OFF`] forgets whom it heard.
    pub fn set(&mut self, now: Mono, rules: Rules, timer: WatchTimer) {
        self.rules = rules;
        if rules.mode == abi::MODE_OFF {
            self.heard.last_advert = 0;
            self.heard.source = abi::Address::default();
            self.heard.priority = 0;
        }
        // Until a version 3 master is heard, and always in version 2, the interval in force is the configured one.
        if rules.version == Version::V2.number() || self.heard.last_advert == 0 {
            self.heard.interval_ns = rules.interval_ns;
        }
        match (rules.mode, timer) {
            (abi::MODE_WATCH, WatchTimer::Set(after)) => self.arm(now + after),
            (abi::MODE_WATCH, WatchTimer::Rejudge)
                if let Some(deadline) = judged_again(now, &self.rules, &self.heard) =>
            {
                self.arm(deadline);
            }
            (abi::MODE_WATCH, WatchTimer::Keep | WatchTimer::Rejudge) if self.heard.deadline == 0 => {
                let Own { version, priority, down_adverts, .. } = own(&self.rules);
                let after = timing::master_down(version, priority, self.heard.interval_ns, down_adverts);
                self.arm(now + Duration::from_nanos(after));
            }
            (abi::MODE_WATCH, WatchTimer::Keep | WatchTimer::Rejudge) => {}
            _ => self.disarm(),
        }
    }

    /// Takes an accepted advert in; what comes back is worth reporting.
    #[must_use]
    pub fn accept(&mut self, now: Mono, facts: &Facts) -> Option<WatchEvent> {
        let kind = match self.rules.mode {
            abi::MODE_WATCH => self.watch(now, facts),
            abi::MODE_REPORT => {
                if !facts.priority.is_stop() {
                    self.heard.interval_ns = facts.interval.nanos();
                }
                Some(WatchEventKind::Rival)
            }
            _ => return None,
        };
        self.heard.adverts += 1;
        self.heard.last_advert = now.0;
        self.heard.source = to_abi(facts.source);
        self.heard.priority = facts.priority.0;
        if !facts.priority.is_stop() {
            self.heard.advertised_ns = facts.interval.nanos();
        }
        let kind = kind?;
        Some(WatchEvent {
            kind,
            generation: self.heard.generation,
            at: now,
            deadline: Mono(self.heard.deadline),
            interval: facts.interval,
            source: facts.source,
            priority: facts.priority,
        })
    }

    /// When the watch runs out; `None` while nothing is watched and after it ran out.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        (self.heard.armed != 0).then_some(Mono(self.heard.deadline))
    }

    /// Lets the watch run out if its deadline has come: once per deadline.
    #[must_use]
    pub fn expire(&mut self, now: Mono) -> Option<WatchEvent> {
        let deadline = self.deadline().filter(|deadline| *deadline <= now)?;
        self.heard.armed = 0;
        self.heard.timeouts += 1;
        Some(WatchEvent {
            kind: WatchEventKind::Expired,
            generation: self.heard.generation,
            at: now,
            deadline,
            interval: Interval::from_nanos(self.heard.interval_ns),
            source: from_abi(self.heard.source, self.family),
            priority: Priority(self.heard.priority),
        })
    }

    /// Claims an expiry: true, once, if no advert and no setting made it stale since. From then on every advert is
    /// reported, for one that comes before the agent's next setting is a rival's already.
    #[must_use]
    pub fn claim(&mut self, generation: u64) -> bool {
        let ran_out = self.heard.deadline != 0 && self.heard.armed == 0;
        let stands = self.rules.mode == abi::MODE_WATCH && ran_out && self.heard.generation == generation;
        if stands {
            self.rules.mode = abi::MODE_REPORT;
            self.disarm();
        }
        stands
    }

    /// What was learned so far, as the kernel would show it.
    #[must_use]
    pub const fn heard(&self) -> &abi::Heard {
        &self.heard
    }

    /// Judges an advert as BACKUP and says what of it is news.
    fn watch(&mut self, now: Mono, facts: &Facts) -> Option<WatchEventKind> {
        let heard = &self.heard;
        let stop = facts.priority.is_stop();
        let changed = heard.last_advert == 0
            || heard.priority != facts.priority.0
            || heard.source != to_abi(facts.source)
            || (!stop && heard.advertised_ns != facts.interval.nanos());
        // A resigning master's interval is not learned: Skew_Time is that of the interval in force.
        let interval = if stop { heard.interval_ns } else { facts.interval.nanos() };
        let kind = match judge(own(&self.rules), facts.priority.0, interval) {
            Judgement::Rearm(after) => {
                self.heard.interval_ns = interval;
                self.arm(now + Duration::from_nanos(after));
                WatchEventKind::Changed
            }
            Judgement::Resign(after) => {
                self.arm(now + Duration::from_nanos(after));
                WatchEventKind::Resigned
            }
            Judgement::Outranked => WatchEventKind::Outranked,
        };
        changed.then_some(kind)
    }

    fn arm(&mut self, deadline: Mono) {
        self.heard.deadline = deadline.0;
        self.heard.armed = 1;
        self.heard.generation += 1;
    }

    fn disarm(&mut self) {
        self.heard.deadline = 0;
        self.heard.armed = 0;
        self.heard.generation += 1;
    }
}

/// What the rules say of the router itself.
fn own(rules: &Rules) -> Own {
    Own {
        version: rules.version,
        priority: rules.priority,
        preempt: rules.flags & abi::FLAG_PREEMPT != 0,
        down_adverts: rules.down_adverts,
    }
}
