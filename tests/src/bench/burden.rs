//! What a pair of routers has to bear: hostile adverts, hogs of CPU time or memory, configurations to read.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::plan::Plan;
use crate::lab::Host;
use crate::lab::clock::Moment;
use crate::lab::process::Process;
use crate::peers::{Forged, Injector};

/// Busy processes per CPU.
const PER_CPU: usize = 4;
/// Hogs of real-time priority.
const FIFO_HOGS: usize = 4;
/// Their priority: above everybody's that is measured.
const FIFO_PRIORITY: &str = "60";
/// The CPU that they have.
pub(super) const HOGGED_CPU: usize = 1;
/// No hog lives longer, whatever becomes of this process: the kernel leaves 5 % to the others, which is little.
const FIFO_SECONDS: u32 = 20;
const BUSY_SECONDS: u32 = 120;
/// Memory for the routers and the hog together, and what the hog asks for.
const MEMORY: &str = "134217728";
const ASKED: &str = "400M";
/// Between two requests for who has a VIP.
const ASK: Duration = Duration::from_millis(5);

/// What happens to a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Burden {
    /// Rejected adverts to all its VRIDs, as many as one sender can.
    Flood,
    /// Several busy processes per CPU, of normal priority.
    Busy,
    /// The backup shares its CPU with processes of real-time priority that never sleep.
    FifoOnBackup,
    /// The same with the master.
    FifoOnMaster,
    /// Both share a memory limit with a process that wants all of it.
    Memory,
    /// The master reads thousands of changed lines again and again.
    Reload,
    /// Somebody scrapes the master's metrics ten times a second.
    Scrape,
}

impl Burden {
    /// What a table says of it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Burden::Flood => "under hostile adverts",
            Burden::Busy => "four busy processes per CPU",
            Burden::FifoOnBackup => "four SCHED_FIFO hogs on the backup's CPU",
            Burden::FifoOnMaster => "four SCHED_FIFO hogs on the master's CPU",
            Burden::Memory => "within a memory limit that something else exceeds",
            Burden::Reload => "the master reads a changed configuration every second",
            Burden::Scrape => "the master's metrics are scraped ten times a second",
        }
    }
}

/// Binds all that runs on a host to one CPU.
pub(super) fn pin(host: &Host, cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("there is no CPU {cpu}"))?;
    for pid in host.namespace().processes() {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            if let Some(task) = task.file_name().to_str().and_then(|name| name.parse().ok()) {
                sched_setaffinity(Pid::from_raw(task), &set).context("cannot bind a thread to a CPU")?;
            }
        }
    }
    Ok(())
}

/// Processes that never sleep, on `host`.
pub(super) fn busy(host: &Host) -> Result<Vec<Process>> {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let hog = |number| hog(host, number, BUSY_SECONDS, &[]);
    (0..cpus * PER_CPU).map(hog).collect()
}

/// The same of real-time priority, on one CPU.
pub(super) fn fifo(host: &Host) -> Result<Vec<Process>> {
    let cpu = HOGGED_CPU.to_string();
    let prefix = ["taskset", "-c", &cpu, "chrt", "-f", FIFO_PRIORITY];
    (0..FIFO_HOGS).map(|number| hog(host, number, FIFO_SECONDS, &prefix)).collect()
}

fn hog(host: &Host, number: usize, seconds: u32, prefix: &[&str]) -> Result<Process> {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", &seconds.to_string()]).args(prefix);
    command.args(["sh", "-c", "while :; do :; done"]);
    host.spawn(&format!("hog{number}"), &mut command)
}

/// A memory limit for processes, of either version of control groups. Dropping it removes it.
pub(super) struct Limit {
    folder: PathBuf,
    hog: Option<Process>,
}

impl Limit {
    /// Puts all that runs on `hosts` under one limit, with a hog that `where_` runs.
    pub(super) fn new(hosts: [&Host; 2], where_: &Host) -> Result<Limit> {
        let root = PathBuf::from("/sys/fs/cgroup");
        let unified = root.join("cgroup.controllers").exists();
        let parent = if unified { root.clone() } else { root.join("memory") };
        if unified {
            // Where it is on already this is refused or does nothing.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        let folder = parent.join(where_.namespace().name());
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut limit = Limit { folder, hog: None };
        let file = if unified { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(limit.folder.join(file), MEMORY).context("cannot set a memory limit")?;
        let procs = limit.folder.join("cgroup.procs");
        for pid in hosts.into_iter().flat_map(|host| host.namespace().processes()) {
            fs::write(&procs, pid.to_string()).context("cannot put a router under the memory limit")?;
        }
        // The kernel kills it each time, and not what it squeezes.
        let script = format!(
            "echo $$ >{}; echo 1000 >/proc/self/oom_score_adj; while :; do \
             head -c {ASKED} /dev/zero | tail -c {ASKED} >/dev/null; done",
            procs.display()
        );
        let mut hog = Command::new("timeout");
        hog.args(["-s", "KILL", &BUSY_SECONDS.to_string(), "sh", "-c", &script]);
        limit.hog = Some(where_.spawn("memory", &mut hog)?);
        Ok(limit)
    }

    /// How often memory was not to be had.
    pub(super) fn refusals(&self) -> u64 {
        let text = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let events = text("memory.events");
        let v2 =
            events.lines().find_map(|line| line.strip_prefix("max ")).and_then(|count| count.parse().ok());
        v2.or_else(|| text("memory.failcnt").trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.hog = None;
        let procs = self.folder.join("cgroup.procs");
        let parent = self.folder.parent().map(|parent| parent.join("cgroup.procs")).unwrap_or_default();
        for pid in fs::read_to_string(&procs).unwrap_or_default().lines() {
            // Who ended meanwhile is out already.
            let _ = fs::write(&parent, pid);
        }
        if let Err(error) = fs::remove_dir(&self.folder) {
            eprintln!("bench: cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// A thread that sends until it is dropped.
pub(super) struct Sender {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    fn start(host: &Host, frames: Vec<Vec<u8>>, pause: Option<Duration>) -> Result<Sender> {
        let injector = Injector::new(host)?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ending, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let mut next = Moment::now();
            while !ending.load(Ordering::Relaxed) {
                for frame in &frames {
                    // A full queue refuses one: as fast as it can is what is asked for.
                    if injector.send(frame).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                if let Some(pause) = pause {
                    next = next + pause;
                    next.sleep_until();
                }
            }
        });
        Ok(Sender { stop, sent, thread: Some(thread) })
    }

    /// Every kind of wrong advert to every VRID of the plan, in the names of the routers and of the sender.
    pub(super) fn flood(host: &Host, plan: &Plan, routers: [&Host; 2]) -> Result<Sender> {
        let sources: Vec<Ipv4Addr> = routers.into_iter().chain([host]).map(Host::address).collect();
        let of = |vrid: u8| sources.iter().flat_map(move |source| hostile(vrid, *source));
        let frames = (1..=plan.instances).flat_map(of).map(|forged| forged.frame()).collect();
        Sender::start(host, frames, None)
    }

    /// Asks by ARP who has each of these addresses, again and again.
    pub(super) fn ask(host: &Host, addresses: &[Ipv4Addr]) -> Result<Sender> {
        let request = |vip: &Ipv4Addr| {
            let mut frame = vec![0xff; 6];
            frame.extend([0x02, 0, 0, 0, 0xa5, 0x4b]);
            frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
            frame.extend([0x02, 0, 0, 0, 0xa5, 0x4b]);
            frame.extend(host.address().octets());
            frame.extend([0; 6]);
            frame.extend(vip.octets());
            frame
        };
        Sender::start(host, addresses.iter().map(request).collect(), Some(ASK))
    }

    /// Frames so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Priority 255 in everything that a receive check rejects.
fn hostile(vrid: u8, source: Ipv4Addr) -> Vec<Forged> {
    let right = || Forged::new(vrid, 255, source);
    vec![
        Forged { ttl: 254, ..right() },
        Forged { version: 2, ..right() },
        Forged { version: 7, ..right() },
        Forged { kind: 2, ..right() },
        Forged { checksum_error: 1, ..right() },
        Forged { cut: 3, ..right() },
        Forged { count: 200, ..right() },
        Forged { count: 0, addresses: Vec::new(), ..right() },
        Forged { interval: 0, ..right() },
        Forged { destination: Ipv4Addr::new(224, 0, 0, 19), ..right() },
    ]
}
