//! What a router costs: CPU time and context switches of all its processes, packets of its interface.

use std::fs;
use std::ops::Sub;
use std::path::Path;

use anyhow::{Context, Result};

use crate::lab::host::{Host, INTERFACE};

/// Counters of one host since its processes began; what matters is the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Time on a CPU, in nanoseconds.
    pub(super) cpu_ns: u64,
    /// Times that a thread went to sleep and was woken.
    pub(super) voluntary: u64,
    /// Packets received.
    pub(super) received: u64,
    /// Packets sent.
    pub(super) sent: u64,
}

impl Usage {
    /// Of everything that runs on `host`, threads included.
    pub(super) fn of(host: &Host) -> Result<Usage> {
        let mut usage = Usage::default();
        for pid in host.namespace().processes() {
            let tasks = fs::read_dir(format!("/proc/{pid}/task"));
            // A process that ended meanwhile was a script's; there are none here.
            for task in tasks.into_iter().flatten().flatten().map(|entry| entry.path()) {
                usage.cpu_ns += cpu_time(&task.join("schedstat"))?;
                usage.voluntary += voluntary_switches(&task.join("status"))?;
            }
        }
        let devices = host.namespace().enter(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
        let devices = devices.context("cannot read /proc/net/dev")?;
        (usage.received, usage.sent) = packets(&devices).context("/proc/net/dev lacks the interface")?;
        Ok(usage)
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            received: self.received.saturating_sub(earlier.received),
            sent: self.sent.saturating_sub(earlier.sent),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The first number of schedstat (Documentation/scheduler/sched-stats.rst).
fn cpu_time(path: &Path) -> Result<u64> {
    let text = read(path)?;
    text.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("schedstat is {text:?}"))
}

fn voluntary_switches(path: &Path) -> Result<u64> {
    let text = read(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).context("status has no voluntary_ctxt_switches")
}

/// Packets received and sent (proc_pid_net(5)): the second and the tenth number.
fn packets(devices: &str) -> Option<(u64, u64)> {
    let line =
        devices.lines().find_map(|line| line.trim_start().strip_prefix(INTERFACE)?.strip_prefix(':'))?;
    let mut numbers = line.split_whitespace().map(str::parse);
    Some((numbers.nth(1)?.ok()?, numbers.nth(7)?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::clock::Moment;

    #[test]
    fn packets_of_the_interface() {
        let text = "Inter-|   Receive  |  Transmit\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
                    eth0:    1024      12    0    0    0     0          0         0     2048      34    0 0 0 0 0 0\n";
        assert_eq!(packets(text), Some((12, 34)));
        assert_eq!(packets("lo: 1 2\n"), None);
    }

    #[test]
    fn work_costs_cpu_time() {
        let own = || cpu_time(Path::new("/proc/thread-self/schedstat")).unwrap();
        let (begun, before) = (Moment::now(), own());
        while Moment::now().since(begun).as_millis() < 30 {}
        // The scheduler accounts at its ticks and switches.
        std::thread::yield_now();
        assert!(own() - before >= 5_000_000, "{} ns for 30 ms", own() - before);
    }
}
