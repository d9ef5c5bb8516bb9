//! Keeping the leases alive while there is no agent: the adverts go out as before, until a new agent renews the leases
//! itself, or the time is over.

use nix::libc;
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};

use super::estate::Master;
use super::execute::{Hands, send_all};
use super::will::Will;
use crate::clock::now;

/// Masters that can be kept: as many as there are leases.
const MOST: usize = vipward_common::abi::MAX_ROUTERS as usize;

/// What is known of one of them.
#[derive(Clone, Copy)]
struct Kept {
    /// When its next advert is due.
    due: u64,
    /// The end of its lease as it was last seen here; somebody else's renewal makes it another.
    until: u64,
}

/// Not kept, or no longer: handed over, taken over by a new agent, or ended by the kernel, which heard a better one.
const GONE: Kept = Kept { due: u64::MAX, until: 0 };

/// What is known of all of them, in the order of the will; room for it is made in time.
pub(super) struct Ledger(Vec<Kept>);

impl Ledger {
    pub(super) fn new() -> Ledger {
        Ledger(vec![GONE; MOST])
    }
}

/// Keeps all masters until `end` at most. Those that are left then, and those that cannot be kept for want of a lease,
/// are handed over.
pub(super) fn keep(will: &Will, hands: &Hands, Ledger(all): &mut Ledger, end: u64) {
    let start = now().0;
    for (kept, master) in all.iter_mut().zip(will.masters()) {
        match hands.lease(&master).filter(|lease| lease.serves(start)) {
            Some(lease) => *kept = Kept { due: start, until: lease.until },
            None => hands.release(std::iter::once(master), start),
        }
    }
    while let Some(next) = all.iter().map(|kept| kept.due).filter(|due| *due != u64::MAX).min() {
        let now = sleep_until(next.min(end));
        if now >= end {
            let left = will.masters().zip(all.iter()).filter(|(_, kept)| kept.due != u64::MAX);
            return hands.release(left.map(|(master, _)| master), now);
        }
        for (kept, master) in all.iter_mut().zip(will.masters()) {
            if kept.due <= now {
                *kept = advertise(hands, &master, *kept).unwrap_or(GONE);
            }
        }
    }
}

/// Sends a master's adverts, unless its lease is somebody else's by now.
fn advertise(hands: &Hands, master: &Master<'_>, kept: Kept) -> Option<Kept> {
    let lease = hands.lease(master)?;
    let sent_at = now().0;
    if lease.until != kept.until || !lease.serves(sent_at) {
        return None;
    }
    send_all(master.adverts.clone());
    if !hands.change(master, |lease| lease.renew(sent_at, master.lease_ns))? {
        return None;
    }
    let late = sent_at.saturating_sub(kept.due) / master.interval_ns.max(1);
    let due = kept.due + (late + 1) * master.interval_ns.max(1);
    Some(Kept { due, until: sent_at.saturating_add(master.lease_ns) })
}

/// Sleeps to a point of CLOCK_MONOTONIC, and gives the time then.
fn sleep_until(at: u64) -> u64 {
    let until = TimeSpec::nanoseconds(i64::try_from(at).unwrap_or(i64::MAX));
    // Interrupted or refused, it only comes back early.
    let _ = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::from_bits_retain(libc::TIMER_ABSTIME),
        &until,
    );
    now().0
}
