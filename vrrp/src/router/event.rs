//! What happens to a router.

use std::net::IpAddr;

use super::action::Master;
use super::params::Params;
use crate::types::{Interval, Priority};

/// One input of the state machine. An event that means nothing in the current state changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The interface is usable and every check passes (RFC 9568 §6.4.1).
    Startup,
    /// A former agent's lease still stands and its addresses are held: go on where it ended. In place of
    /// [`Event::Startup`].
    Resume,
    /// The router is to stop. As MASTER it hands over first; a second one stops at once.
    Shutdown,
    /// Somebody wants this node to serve nothing: hand over, and let everybody else go first.
    Drain,
    /// The end of that.
    Undrain,
    /// The watch ran out, and the data path has claimed that expiry as the current one.
    Expired,
    /// An accepted advert that the data path found worth reporting: as BACKUP changes, priority 0 and masters that
    /// we outrank, as MASTER all.
    Heard(Heard),
    /// The data path ended the lease, so it cannot be renewed: it heard a router that beats us, or one that took over
    /// while we were silent and may not preempt. That is final, whatever this side knows. A waiting report that says
    /// the same with a name goes first, any other behind; and the driver makes sure that the lease is still ended,
    /// for another election may have been won since. Never for a lease that merely lapsed.
    Deposed,
    /// The time of [`super::Router::next_deadline`] has come.
    Tick,
    /// Tracking moved the effective priority.
    Priority(Priority),
    /// A tracked interface or script is down.
    Fault,
    /// Nothing that is tracked is down any more.
    Recovered,
    /// The watch ran out and was claimed, but another member of this router's sync group may not be MASTER: it goes on
    /// as BACKUP, and watches from the beginning.
    Refrain,
    /// Another member of its sync group is MASTER no longer.
    Demote,
    /// A reload changed the configuration. It causes no transition of its own.
    Reconfigured(Params),
    /// The interface's primary address changed.
    Source(IpAddr),
}

/// An accepted advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its sender.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval; in version 2 the configured one.
    pub interval: Interval,
}

impl Heard {
    /// Its sender as a master.
    pub(super) const fn master(&self) -> Master {
        Master { source: self.source, priority: self.priority }
    }
}
