//! What a router that is not master does with an advert it accepted (RFC 9568 §6.4.2), as one pure function:
//! the XDP program and the socket data path both call it, so they cannot come to differ.

use crate::timing;
use crate::wire::PRIORITY_STOP;

/// What the watch must know about its own router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// VRRP version, 2 or 3.
    pub version: u8,
    /// Effective priority of this router.
    pub priority: u8,
    /// Whether a master of lower priority is to be replaced (Preempt_Mode).
    pub preempt: bool,
    /// Intervals without an advert before the master counts as dead.
    pub down_adverts: u8,
}

/// What an accepted advert asks of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The master lives: move the deadline this many nanoseconds from now.
    Rearm(u64),
    /// The master resigns: the deadline is Skew_Time from now, nearer than any before.
    Resign(u64),
    /// A lower priority while we may preempt: the deadline stays, so that the timer runs out on it.
    Outranked,
}

/// Judges an advert of `priority` that announces `interval_ns` (version 2: the configured interval).
///
/// RFC 9568 §6.4.2: priority 0 sets the timer to Skew_Time; Preempt_Mode off or priority at least
/// our own resets it to Master_Down_Interval; everything else is discarded.
#[inline(always)]
#[must_use]
pub const fn judge(own: Own, priority: u8, interval_ns: u64) -> Judgement {
    if priority == PRIORITY_STOP {
        Judgement::Resign(timing::skew(own.version, own.priority, interval_ns))
    } else if !own.preempt || priority >= own.priority {
        Judgement::Rearm(timing::master_down(own.version, own.priority, interval_ns, own.down_adverts))
    } else {
        Judgement::Outranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::{NANOS_PER_CENTI, NANOS_PER_SEC};

    const OWN: Own = Own { version: 3, priority: 100, preempt: true, down_adverts: 3 };

    #[test]
    fn every_branch_of_rfc_9568_6_4_2() {
        let cases = [
            (OWN, 0, NANOS_PER_SEC, Judgement::Resign(609_375_000)),
            (OWN, 100, NANOS_PER_SEC, Judgement::Rearm(3_609_375_000)),
            (OWN, 101, NANOS_PER_CENTI, Judgement::Rearm(36_093_750)),
            (OWN, 99, NANOS_PER_SEC, Judgement::Outranked),
            (Own { preempt: false, ..OWN }, 99, NANOS_PER_SEC, Judgement::Rearm(3_609_375_000)),
            (Own { version: 2, ..OWN }, 255, NANOS_PER_SEC, Judgement::Rearm(3_609_375_000)),
            (Own { down_adverts: 5, ..OWN }, 200, NANOS_PER_SEC, Judgement::Rearm(5_609_375_000)),
        ];
        for (own, priority, interval, expected) in cases {
            assert_eq!(judge(own, priority, interval), expected, "{own:?} hears {priority}");
        }
    }
}
