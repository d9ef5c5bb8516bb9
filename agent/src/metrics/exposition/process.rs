//! The process, by the names that every client library of Prometheus gives.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;

use super::family::{Families, seconds_since_1970};

pub(super) fn write(families: &mut Families, started: SystemTime) -> fmt::Result {
    families.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970",
        &seconds_since_1970(started),
    )?;
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
        families.counter("process_cpu_seconds", "CPU time spent, in user space and in the kernel", &cpu)?;
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let sizes = [
        ("process_resident_memory_bytes", "Memory in RAM", "VmRSS:"),
        ("process_virtual_memory_bytes", "Address space", "VmSize:"),
    ];
    for (name, help, line) in sizes {
        if let Some(kilobytes) = number(&status, line) {
            families.gauge(name, help, &kilobytes.saturating_mul(1024))?;
        }
    }
    if let Some(threads) = number(&status, "Threads:") {
        families.gauge("process_threads", "Threads", &threads)?;
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The directory itself is open while it is read.
        let open = u64::try_from(open.count().saturating_sub(1)).unwrap_or(u64::MAX);
        families.gauge("process_open_fds", "Open file descriptors", &open)?;
    }
    if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        families.gauge("process_max_fds", "File descriptors that may be open", &limit)?;
    }
    Ok(())
}

fn seconds(time: TimeVal) -> f64 {
    let whole = Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0));
    (whole + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))).as_secs_f64()
}

/// The number in a line of `/proc/self/status`.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
