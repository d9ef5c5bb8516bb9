//! What a router asks its driver to do.

use std::net::IpAddr;
use std::ops::Deref;
use std::time::Duration;

use vipward_common::watch::Own;

use super::transition::Transition;
use crate::types::{Interval, Mono, Priority};

/// One thing to do.
///
/// The data path's [lease](vipward_common::lease) follows its mode. [`Action::Report`] opens it when nothing was
/// reported before, every advert of a priority other than 0 renews it once it is sent, and [`Action::Watch`] and
/// [`Action::Off`] end it. Between these, [`Action::Leave`] and [`Action::Stay`] are for a hand-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send one advert now. Unless it resigns, the lease then lasts
    /// [`lease_length`](vipward_common::timing::lease_length) from before it was sent; if it is refused, see
    /// [`Event::Deposed`](super::Event::Deposed).
    Advertise {
        /// The priority in it: the effective one, or 0 to resign.
        priority: Priority,
    },
    /// Let the data path watch the master. Ends the lease.
    Watch {
        /// What it judges adverts by.
        own: Own,
        /// The interval in force, for display: the data path learns it by itself, and may know a newer one.
        interval: Interval,
        /// What becomes of the running watch.
        timer: WatchTimer,
    },
    /// Let the data path report every accepted advert, for as MASTER each is a rival's, and judge them by the
    /// present priority and source. Opens the lease if the data path did not report before; a claimed expiry has
    /// opened it already. A lease that the data path ended is not opened again.
    Report,
    /// Let the data path do nothing with adverts but count them, and forget whom it heard. Ends the lease.
    Off,
    /// Priority 0 was announced: the lease lasts until another router's advert is heard, and no longer than this.
    Leave {
        /// Its end if nobody is heard.
        until: Mono,
    },
    /// Adverts renew the lease again, after [`Action::Leave`] or under other terms than before.
    Stay {
        /// Its end, at the latest, if no advert can be sent.
        until: Mono,
    },
    /// All virtual addresses are to be present.
    Hold,
    /// No virtual address is to be present.
    Release,
    /// Announce every virtual address by GARP or unsolicited NA.
    Announce {
        /// Announcements of each address, back to back.
        rounds: u8,
    },
    /// The state changed: publish, log, notify.
    Transition(Transition),
}

/// What becomes of a running watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchTimer {
    /// It goes on as it is.
    Keep,
    /// It goes on, but runs out no earlier than if the last advert had been judged by the new terms. An expiry that
    /// would not have been is stale.
    Rejudge,
    /// It starts anew and runs out this long from now.
    Set(Duration),
}

/// A master that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its address.
    pub source: IpAddr,
    /// Its priority; 0 once it resigned.
    pub priority: Priority,
}

/// What to do, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a router's state and the world part ways when its actions are dropped"]
pub struct Actions(Vec<Action>);

impl Actions {
    /// Nothing to do.
    pub(super) const fn none() -> Actions {
        Actions(Vec::new())
    }

    pub(super) fn push(&mut self, action: Action) {
        self.0.push(action);
    }
}

impl<const N: usize> From<[Action; N]> for Actions {
    fn from(actions: [Action; N]) -> Actions {
        Actions(actions.into())
    }
}

impl Deref for Actions {
    type Target = [Action];

    fn deref(&self) -> &[Action] {
        &self.0
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::vec::IntoIter<Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Actions {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
