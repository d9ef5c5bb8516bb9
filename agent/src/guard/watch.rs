//! The guard's life: prepare, wait for the agent's end, act.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

use super::execute::Hands;
use super::keep;
use super::launch::LEASES_FD;
use super::will::{Ending, Will};
use crate::clock::now;
use crate::election::realtime;
use crate::kernel::Leases;

/// Above the election thread, for when the guard runs nothing else matters.
const PRIORITY: u8 = 41;

/// Watches the agent that started this process. `keep` is for how many nanoseconds to keep serving after a death that
/// nobody announced.
pub fn run(leases: bool, keep: u64) -> Result<()> {
    let will = Will::map(inherited(libc::STDIN_FILENO)?).context("the will that the agent hands over")?;
    let leases = if leases { Some(Leases::map(inherited(LEASES_FD)?).context("the leases")?) } else { None };
    let mut ledger = keep::Ledger::new();
    let hands = Hands::new(leases).context("a netlink socket")?;
    outlive();
    let refused = realtime::acquire_at(Some(PRIORITY));
    for refusal in refused {
        eprintln!("vipward guard: {refusal}");
    }
    will.outlive();
    match will.planned() {
        Ending::Nothing => {}
        Ending::Keep(nanos) => keep::keep(&will, &hands, &mut ledger, now().0.saturating_add(nanos)),
        Ending::Release if keep > 0 => keep::keep(&will, &hands, &mut ledger, now().0.saturating_add(keep)),
        Ending::Release => hands.release(will.masters(), now().0),
    }
    Ok(())
}

/// What ends the agent's service or session is not meant for its guard: it has just then something to do.
fn outlive() {
    let mut ignored = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGPIPE] {
        ignored.add(signal);
    }
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&ignored), None);
    // It was started by a link of /proc, and would be called `exe` in lists and in systemd's log.
    let _ = prctl::set_name(c"vipward-guard");
    // The last process that may go when memory is short.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
}

/// A copy of one of the standard descriptors, under which the agent hands things over.
fn inherited(standard: i32) -> Result<OwnedFd> {
    // SAFETY: the standard descriptors are open in every process that the agent starts.
    let there = unsafe { std::os::fd::BorrowedFd::borrow_raw(standard) };
    let copy = there.try_clone_to_owned()?;
    debug_assert!(copy.as_raw_fd() > 2);
    Ok(copy)
}
