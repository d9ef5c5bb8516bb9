//! Threads that measure come before those that are measured: a probe that waits for a CPU sees gaps that nobody
//! else would see. Only those whose own clock counts: what the kernel stamps may be read later, and reading ten
//! thousand frames a second before everybody else would be a load on who is measured.

use nix::libc::{PRIO_PROCESS, SCHED_FIFO, sched_param, sched_setscheduler, setpriority};

/// Nice value of a measuring thread.
const NICE: i32 = -10;

/// Puts the calling thread before the others. Without the permission it stays where it is.
pub(crate) fn come_first() {
    // SAFETY: setpriority takes no pointers; with 0 it concerns the calling thread alone (setpriority(2), NOTES).
    let _ = unsafe { setpriority(PRIO_PROCESS, 0, NICE) };
}

/// Real-time priority of a thread that keeps time, above those of all routers.
const PUNCTUAL: i32 = 90;

/// Gives the calling thread a real-time priority, for one that does little and must do it on time: a router of
/// real-time priority that works for milliseconds would otherwise hide from a probe when it began to serve.
/// Without the permission the thread comes first as far as it may.
pub(crate) fn keep_time() {
    let param = sched_param { sched_priority: PUNCTUAL };
    // SAFETY: the kernel reads the struct during the call only; with 0 it concerns the calling thread alone.
    if unsafe { sched_setscheduler(0, SCHED_FIFO, &raw const param) } != 0 {
        come_first();
    }
}

#[cfg(test)]
mod tests {
    use nix::libc::getpriority;

    use super::*;

    /// Nice value of the calling thread.
    fn nice() -> i32 {
        // SAFETY: getpriority takes no pointers.
        unsafe { getpriority(PRIO_PROCESS, 0) }
    }

    #[test]
    fn concerns_the_calling_thread_alone() {
        let before = nice();
        let observer = std::thread::spawn(|| {
            come_first();
            nice()
        });
        assert_eq!(observer.join().unwrap(), NICE);
        assert_eq!(nice(), before);
    }
}
