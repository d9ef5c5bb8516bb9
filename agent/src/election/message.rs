//! What crosses between the election thread and the rest of the agent. Both directions are bounded.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use vipward_common::abi::Counters;
use vipward_vrrp::types::State;

use super::figures::Figures;
use crate::check::tracking::{Kind as Tracks, Report, Weight};
use crate::config::model::Config;
use crate::kernel::Kind;

/// Commands that wait for the election thread before the sender is refused.
pub(crate) const COMMANDS: usize = 1024;
/// Updates that wait for the agent before they are dropped and counted.
pub(crate) const UPDATES: usize = 4096;

/// An order to the election thread.
#[derive(Debug)]
pub enum Command {
    /// Take this configuration: the first one, or a reload. Answers with what changed.
    Configure(Arc<Config>, oneshot::Sender<Changes>),
    /// Something that is tracked changed its state.
    Track(Report),
    /// Hand over, and let everybody else go first, or no longer. Answers how many instances are MASTER now.
    Drain(bool, oneshot::Sender<usize>),
    /// Answer: a thread that does is making progress.
    Ping(oneshot::Sender<()>),
    /// Report every instance, a slice of them per turn.
    Survey(oneshot::Sender<Survey>),
    /// Hand over everywhere, remove the addresses, end. The second one waits for no successor.
    Shutdown,
}

/// What a configuration changed, by the names of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that run on with other settings.
    pub changed: Vec<String>,
    /// How many are as before.
    pub unchanged: usize,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, names) in [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
        {
            if !names.is_empty() {
                write!(f, "{what} {}, ", names.join(" "))?;
            }
        }
        write!(f, "{} unchanged", self.unchanged)
    }
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Info,
    /// A person must look at it.
    Warn,
}

/// News from the election thread, which itself never logs: a stalled log must not stall an election.
#[derive(Debug)]
pub enum Update {
    /// An instance changed its state.
    Transition(Transition),
    /// An instance's effective priority changed, and FIFOs are to be told.
    Priority {
        /// The instance's name.
        instance: String,
        /// Whether it is MASTER.
        master: bool,
        /// The priority now.
        priority: u8,
    },
    /// A MASTER heard an advert of lower priority.
    LowerPriority {
        /// The instance's name.
        instance: String,
        /// Its own priority.
        priority: u8,
    },
    /// Something worth a line in the log.
    Note {
        /// How much it matters.
        level: Level,
        /// The instance that it is about, if it is about one.
        instance: Option<String>,
        /// The line.
        text: String,
    },
    /// A reload took an instance out, and everything that it held is released.
    Removed {
        /// The instance's name.
        instance: String,
    },
    /// A reload gave an instance another name; it runs on.
    Renamed {
        /// The name before.
        from: String,
        /// The name now.
        to: String,
    },
}

/// One change of state, with all that an operator asks about it.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Instance name.
    pub instance: String,
    /// State before.
    pub from: State,
    /// State now.
    pub to: State,
    /// Why, as a sentence.
    pub why: String,
    /// Effective priority.
    pub priority: u8,
    /// Who is master now, if another router is.
    pub master: Option<(IpAddr, u8)>,
    /// How long nothing was heard from any master.
    pub silent_for: Option<Duration>,
    /// True when the agent is stopping.
    pub stopping: bool,
}

/// Whether the kernel lets this node serve an instance's VIPs. Times are in seconds, and negative when they are over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeaseState {
    /// Nothing is fenced, and why.
    Unavailable(&'static str),
    /// Not now.
    None,
    /// For so long, unless an advert renews it.
    Held(f64),
    /// For so long at most, until the successor is heard.
    Leaving(f64),
}

/// Who sent the last odd advert of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// What was odd: the name of a reason for rejection, or [`OTHER_ADDRESSES`] or [`OTHER_INTERVAL`].
    pub what: &'static str,
    /// Where it came from.
    pub source: IpAddr,
    /// From which MAC, if the data path sees those.
    pub mac: Option<[u8; 6]>,
    /// Its VRRP version, whatever the number means.
    pub version: u8,
    /// How long ago that was.
    pub age: Duration,
}

/// [`Stranger::what`]: accepted, and lists other addresses.
pub const OTHER_ADDRESSES: &str = "addresses";
/// [`Stranger::what`]: accepted, and has another interval than ours.
pub const OTHER_INTERVAL: &str = "other_interval";

/// Something that an instance tracks, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracker {
    /// What it is.
    pub kind: Tracks,
    /// Its name.
    pub name: String,
    /// What it does to the instance.
    pub weight: Weight,
    /// What it is like, as in `is down`.
    pub state: String,
    /// By how much it changes the priority now.
    pub change: i64,
    /// It keeps the instance from taking part.
    pub fault: bool,
}

/// The answer to [`Command::Survey`].
#[derive(Clone, Debug)]
pub struct Survey {
    /// Every instance. Those far apart may be milliseconds apart in time too.
    pub instances: Vec<Snapshot>,
    /// What was measured of all of them together.
    pub figures: Figures,
}

/// Whether a master of lower priority is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// No.
    Never,
    /// Yes.
    Ready,
    /// The present one is, unless it ends before `preempt_delay` does, in so long.
    Delayed(Duration),
}

/// Changes of state of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitionCount {
    /// The state that was entered.
    pub to: State,
    /// The kind of cause.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
}

/// One instance as it stands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Instance name.
    pub name: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Name of its sync group.
    pub group: Option<String>,
    /// Interface name.
    pub interface: String,
    /// Whether it is IPv6.
    pub ipv6: bool,
    /// State.
    pub state: State,
    /// Configured priority.
    pub priority: u8,
    /// Priority after tracking.
    pub effective_priority: u8,
    /// The master, if another router is.
    pub master: Option<(IpAddr, u8)>,
    /// How long after the master's last advert this BACKUP takes over.
    pub patience: Option<Duration>,
    /// Whether it replaces a master of lower priority.
    pub preemption: Preemption,
    /// `ADDR/LEN` of every VIP.
    pub vips: Vec<String>,
    /// Address that its adverts come from.
    pub source: Option<IpAddr>,
    /// How adverts are received, once the interface is there.
    pub datapath: Option<Kind>,
    /// Why it is that one.
    pub datapath_reason: Option<String>,
    /// What it tracks, and what that does.
    pub trackers: Vec<Tracker>,
    /// Changes of state since the start.
    pub transitions: u64,
    /// The same by state and cause; only those that occurred.
    pub transitions_by: Vec<TransitionCount>,
    /// Interval of its adverts.
    pub interval: Duration,
    /// How long ago another router's advert was accepted, if one was.
    pub last_advert: Option<Duration>,
    /// Times that the watch on the master ran out, since the data path began to watch.
    pub timeouts: u64,
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Those of them that resigned, with priority 0.
    pub resignations: u64,
    /// Adverts that the system refused to send.
    pub adverts_failed: u64,
    /// What the data path counted, re-seating included.
    pub counters: Counters,
    /// Adverts rejected, by reason; only reasons that occurred.
    pub rejected: Vec<(&'static str, u64)>,
    /// Who sent the last odd advert of each kind.
    pub strangers: Vec<Stranger>,
    /// VIPs put back after somebody else removed them.
    pub repairs: u64,
    /// What an instance in INIT waits for before it takes part.
    pub waiting: Option<String>,
    /// It hands over and lets everybody else go first.
    pub drained: bool,
    /// It has announced that it leaves, and serves until its successor is heard.
    pub leaving: bool,
    /// Whether the kernel lets this node serve.
    pub lease: LeaseState,
    /// What was kept from the VIPs, by kind; only what occurred.
    pub fenced: Vec<(&'static str, u64)>,
    /// What keeps the instance in FAULT.
    pub faults: Vec<String>,
}
