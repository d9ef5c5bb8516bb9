//! The lease of one virtual router: for how long this node may answer for the addresses, as the kernel keeps it.
//!
//! The agent opens it when it wins an election and renews it with each advert that it has really sent. The XDP
//! program asks it about every packet to a virtual address, and ends it when another router's advert says that
//! somebody else serves now, however long the agent takes to notice.
//!
//! ```text
//!            open            leave
//!   NONE ───────────▶ HELD ─────────▶ LEAVING      renew: HELD alone
//!    ▲                 │ ▲               │
//!    └─────────────────┘ └───────────────┤ stay
//!    ▲   end, heard                      │
//!    └───────────────────────────────────┘
//! ```
//!
//! **What the kernel ended stays ended.** A renewal acts on HELD alone and never opens a lease; only a new election
//! does. So a renewal that crosses an advert which ends the lease is lost, and the agent, whose renewal is refused,
//! has to win again. For the same reason a lease is opened in the same step as the election is claimed, before the
//! first advert, but empty: it serves nothing before the first renewal, and an advert that comes in between ends it.

use crate::abi::{Address, FLAG_IGNORE_RIVALS, Rules};
use crate::wire::{PRIORITY_OWNER, PRIORITY_STOP};

/// [`Lease::mode`]: this node may not answer.
pub const NONE: u8 = 0;
/// [`Lease::mode`]: this node is master; its adverts renew the lease.
pub const HELD: u8 = 1;
/// [`Lease::mode`]: this node has announced that it leaves, and serves until its successor is heard.
pub const LEAVING: u8 = 2;

/// The lease of one router. Times are CLOCK_MONOTONIC nanoseconds of this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lease {
    /// It serves before this instant and no longer; 0 before the first advert.
    pub until: u64,
    /// One of [`NONE`], [`HELD`] and [`LEAVING`].
    pub mode: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Fails to compile when the struct has implicit padding.
const _: () = assert!(size_of::<Lease>() == 8 + 1 + 7);

impl Lease {
    /// Whether this node may answer for the addresses at `now`.
    #[inline(always)]
    #[must_use]
    pub const fn serves(&self, now: u64) -> bool {
        self.mode != NONE && now < self.until
    }

    /// An election was won: from now on adverts renew the lease. It serves nothing yet. One that there is already,
    /// left behind by an agent that died, is kept.
    #[inline(always)]
    pub const fn open(&mut self) {
        if self.mode == NONE {
            self.until = 0;
            self.mode = HELD;
        }
    }

    /// An advert was sent, not before `sent_at`: serve until `length` later, see [`crate::timing::lease_length`].
    ///
    /// This sets the end and does not only move it back: an advert with a shorter interval makes the backups wait
    /// less from now on. Returns whether the lease was there to be renewed; without one the router is not master.
    #[inline(always)]
    #[must_use = "who cannot renew is not master"]
    pub const fn renew(&mut self, sent_at: u64, length: u64) -> bool {
        let held = self.mode == HELD;
        if held {
            self.until = sent_at.saturating_add(length);
        }
        held
    }

    /// Priority 0 is announced: serve on until the successor is heard, and until `until` at most. A lease that has
    /// lapsed by `now` ends instead: somebody may have taken over, and nothing is to be gained by coming back.
    #[inline(always)]
    pub const fn leave(&mut self, now: u64, until: u64) {
        if self.mode == HELD && self.serves(now) {
            self.until = until;
            self.mode = LEAVING;
        } else if self.mode == HELD {
            self.end();
        }
    }

    /// The router stays master after all, or under other terms: adverts renew the lease again, and before the next
    /// one it serves until `until` at most.
    #[inline(always)]
    pub const fn stay(&mut self, until: u64) {
        if self.mode != NONE {
            if until < self.until {
                self.until = until;
            }
            self.mode = HELD;
        }
    }

    /// This node stops answering.
    #[inline(always)]
    pub const fn end(&mut self) {
        self.until = 0;
        self.mode = NONE;
    }

    /// Another router's advert was accepted; `beats` as [`beats`] finds. Ends the lease if that router serves now,
    /// and returns whether it did.
    ///
    /// A master yields to an advert that beats its own. One that leaves yields to whoever advertises, for that is
    /// its successor; another one that leaves too, with priority 0, succeeds nobody. One whose lease has lapsed was
    /// silent for so long that its backup has taken over: if it is `patient`, and so may not preempt, that stands.
    #[inline(always)]
    pub const fn heard(&mut self, now: u64, priority: u8, beats: bool, patient: bool) -> bool {
        let lapsed = self.until != 0 && self.until <= now;
        let ends = match self.mode {
            HELD => beats || patient && lapsed && priority != PRIORITY_STOP,
            LEAVING => priority != PRIORITY_STOP,
            _ => false,
        };
        if ends {
            self.end();
        }
        ends
    }
}

/// Whether a master of `own` priority and address yields to an advert of `priority` from `source`: to a greater
/// priority, or to an equal one from a greater address (RFC 9568 §6.4.3).
#[inline(always)]
#[must_use]
pub const fn beats(own: (u8, &Address), priority: u8, source: &Address) -> bool {
    priority > own.0 || priority == own.0 && u128::from_be_bytes(*source) > u128::from_be_bytes(*own.1)
}

/// Whether a master with these rules yields to an advert of `priority` from `source`: as [`beats`] says, unless it is
/// an owner of the addresses that was told to ignore others.
#[inline(always)]
#[must_use]
pub const fn yields(rules: &Rules, priority: u8, source: &Address) -> bool {
    let ignores = rules.flags & FLAG_IGNORE_RIVALS != 0 && rules.priority == PRIORITY_OWNER;
    !ignores && beats((rules.priority, &rules.source), priority, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = crate::timing::NANOS_PER_SEC;

    fn lease(mode: u8, until: u64) -> Lease {
        Lease { until, mode, reserved: [0; 7] }
    }

    fn after(mut lease: Lease, change: impl FnOnce(&mut Lease)) -> Lease {
        change(&mut lease);
        lease
    }

    #[test]
    fn serves_before_its_end_alone() {
        for mode in [HELD, LEAVING] {
            assert!(lease(mode, 10).serves(9));
            assert!(!lease(mode, 10).serves(10));
        }
        assert!(!lease(NONE, 10).serves(9));
        assert!(!Lease::default().serves(0));
    }

    #[test]
    fn an_open_lease_serves_from_its_first_advert() {
        let mut lease = after(Lease::default(), Lease::open);
        assert!(!lease.serves(0));
        assert!(lease.renew(5 * SECOND, SECOND));
        assert!(lease.serves(6 * SECOND - 1) && !lease.serves(6 * SECOND));
        // An agent that comes back to a lease finds it as it was.
        assert_eq!(after(lease, Lease::open), lease);
    }

    /// It has not been silent: its first advert is not due yet.
    #[test]
    fn a_lease_that_was_never_renewed_has_not_lapsed() {
        let mut lease = after(Lease::default(), Lease::open);
        assert!(!lease.heard(SECOND, 50, false, true));
        assert_eq!(lease.mode, HELD);
    }

    #[test]
    fn every_operation_in_every_mode() {
        type Change = fn(&mut Lease);
        let (none, held, leaving) = (Lease::default(), lease(HELD, 10), lease(LEAVING, 10));
        let rows: [(&str, Change, [Lease; 3]); 14] = [
            ("open", Lease::open, [lease(HELD, 0), held, leaving]),
            ("renew", |it| assert_eq!(it.renew(7, 13), it.mode == HELD), [none, lease(HELD, 20), leaving]),
            ("a shorter renewal", |it| _ = it.renew(7, 1), [none, lease(HELD, 8), leaving]),
            ("leave", |it| it.leave(9, 50), [none, lease(LEAVING, 50), leaving]),
            ("leave when it has lapsed", |it| it.leave(10, 50), [none, none, leaving]),
            ("stay", |it| it.stay(8), [none, lease(HELD, 8), lease(HELD, 8)]),
            ("stay does not prolong", |it| it.stay(50), [none, held, held]),
            ("end", Lease::end, [none, none, none]),
            ("hear one who beats us", |it| _ = it.heard(9, 200, true, false), [none, none, none]),
            ("hear a lesser one", |it| _ = it.heard(9, 50, false, true), [none, held, none]),
            ("hear one who leaves", |it| _ = it.heard(9, 0, false, true), [none, held, leaving]),
            ("hear a lesser one too late", |it| _ = it.heard(10, 50, false, false), [none, held, none]),
            ("the same without preemption", |it| _ = it.heard(10, 50, false, true), [none, none, none]),
            ("hear one who leaves too late", |it| _ = it.heard(10, 0, false, true), [none, held, leaving]),
        ];
        for (what, change, expected) in rows {
            assert_eq!([none, held, leaving].map(|lease| after(lease, change)), expected, "{what}");
        }
    }

    #[test]
    fn a_renewal_does_not_bring_back_what_was_ended() {
        let mut lease = lease(HELD, 10);
        assert!(lease.heard(9, 200, true, false));
        assert!(!lease.renew(9, SECOND));
        assert_eq!(lease, Lease::default());
    }

    #[test]
    fn the_end_of_time_is_survived() {
        let mut lease = lease(HELD, 0);
        assert!(lease.renew(u64::MAX, u64::MAX));
        assert!(lease.serves(u64::MAX - 1));
    }

    /// RFC 9568 §6.4.3: unsigned, in network order.
    #[test]
    fn greater_priority_or_greater_address_beats() {
        let address = |first: u8, last: u8| {
            let mut address = [0; 16];
            [address[0], address[3]] = [first, last];
            address
        };
        let own = address(10, 9);
        let cases = [
            (101, address(1, 1), true),
            (99, address(200, 1), false),
            (100, address(10, 10), true),
            (100, address(200, 1), true),
            (100, address(9, 200), false),
            (100, own, false),
            (0, address(200, 1), false),
        ];
        for (priority, source, expected) in cases {
            assert_eq!(beats((100, &own), priority, &source), expected, "{priority} from {source:?}");
        }
    }

    #[test]
    fn only_an_owner_ignores_others() {
        let source = [1; 16];
        let rules = |priority, flags| Rules { priority, flags, ..Rules::default() };
        assert!(yields(&rules(PRIORITY_OWNER, 0), PRIORITY_OWNER, &source));
        assert!(!yields(&rules(PRIORITY_OWNER, FLAG_IGNORE_RIVALS), PRIORITY_OWNER, &source));
        assert!(
            yields(&rules(254, FLAG_IGNORE_RIVALS), PRIORITY_OWNER, &source),
            "it is drained, for instance"
        );
    }
}
