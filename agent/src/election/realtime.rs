//! What the election thread asks of the kernel for itself: a real-time priority and memory that stays.

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::unistd::Pid;

/// Above ordinary work and below the kernel's own threads (50 is where interrupt threads sit).
const PRIORITY: libc::c_int = 40;

/// Gives the calling thread SCHED_FIFO and locks the process's memory. Returns one line per wish that was
/// refused: the agent works without, but a busy machine can then delay it.
pub(crate) fn acquire() -> Vec<String> {
    acquire_at(None)
}

/// The same at another priority than the election's.
pub(crate) fn acquire_at(priority: Option<u8>) -> Vec<String> {
    let mut refused: Vec<String> = set_priority(priority).err().into_iter().collect();
    if let Err(error) = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE) {
        refused.push(format!(
            "memory is not locked ({error}): swapping can delay adverts; grant CAP_IPC_LOCK or LimitMEMLOCK=infinity"
        ));
    }
    refused
}

/// Gives the calling thread SCHED_FIFO at the priority that `vrrp_rt_priority` asks for, or at our own. The error is
/// a line for the log.
pub(crate) fn set_priority(wanted: Option<u8>) -> Result<(), String> {
    let priority = wanted.map_or(PRIORITY, libc::c_int::from);
    // SAFETY: sched_param is plain data, and a zeroed one is valid.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // Children, such as scripts, start without it.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: pid 0 is the calling thread, and the parameter block outlives the call.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } != 0 {
        return Err(format!(
            "no real-time priority {priority} for the election thread ({}): a busy CPU can delay adverts; grant CAP_SYS_NICE or LimitRTPRIO={priority}",
            Errno::last()
        ));
    }
    Ok(())
}

/// The CPUs that the calling thread may run on.
pub(crate) fn affinity() -> Option<CpuSet> {
    sched_getaffinity(Pid::from_raw(0)).ok()
}

/// Lets the calling thread run on these CPUs only, or again on those of `before` if there are none. The error is a
/// line for the log.
pub(crate) fn set_affinity(cpus: &[usize], before: Option<CpuSet>) -> Result<(), String> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).map_err(|error| format!("vrrp_cpu_affinity: there can be no CPU {cpu}: {error}"))?;
    }
    let wanted = if cpus.is_empty() { before } else { Some(set) };
    let Some(set) = wanted else { return Ok(()) };
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| format!("vrrp_cpu_affinity {cpus:?} is refused: {error}; are there such CPUs?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_bound_to_cpus_and_let_go_again() {
        let before = affinity().unwrap();
        let allowed: Vec<usize> =
            (0..CpuSet::count()).filter(|cpu| before.is_set(*cpu).is_ok_and(|set| set)).collect();
        set_affinity(&allowed[..1], None).unwrap();
        let bound = affinity().unwrap();
        let bound: Vec<usize> =
            (0..CpuSet::count()).filter(|cpu| bound.is_set(*cpu).is_ok_and(|set| set)).collect();
        assert_eq!(bound, allowed[..1]);
        set_affinity(&[], Some(before)).unwrap();
        assert_eq!(affinity(), Some(before));
        assert!(set_affinity(&[CpuSet::count()], None).is_err());
    }
}
