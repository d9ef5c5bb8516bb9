//! The data paths: the XDP program, or a raw socket where there is none.
//!
//! A [`Datapath`] hears the adverts of the routers it was given, watches their masters and reports what an
//! election must know. It suspects; the election decides, and only then claims the router. [`Paths`] picks the
//! path of each interface and hides which one it is.
//!
//! * [`object`]: the embedded program, and what it takes to load it; [`program_log`]: what it says;
//! * [`xdp`]: the path through the program, native or generic;
//! * [`strangers`]: who sent adverts that are odd;
//! * [`leases`] and [`pins`]: what it may serve, and what outlives the agent;
//! * [`socket`] and [`raw`]: the path without it, for containers and old kernels;
//! * [`group`]: membership of the multicast group for adverts that no socket reads;
//! * [`paths`]: the choice between them;
//! * [`tap`]: what the program consumes, for whoever looks on.

mod attach;
mod error;
mod group;
mod leases;
mod object;
mod paths;
mod pins;
mod program_log;
mod raw;
mod report;
mod slab;
mod socket;
mod strangers;
mod tap;
mod unfence;
mod xdp;

use std::fmt;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use vipward_common::abi::{Counters, Heard, Peer, RouterKey, Rules, Stranger, names};
use vipward_common::lease::Lease;

pub use error::KernelError;
pub(crate) use leases::Leases;
pub use paths::{ASKED_FOR, Attachment, Paths};
pub use report::Report;
pub use socket::SocketPath;
pub use tap::{Copy, Tap, program_name};
pub use unfence::{Unfenced, can_take_over, unfence};
pub use vipward_vrrp::router::WatchTimer as Timer;
pub use vipward_vrrp::watch::WatchEventKind as ReportKind;
pub use xdp::XdpPath;

/// What the kernel calls our program.
pub const PROGRAM_NAME: &str = names::PROGRAM;

/// Whether the kernel takes the program. It is loaded for that, and attached nowhere.
pub fn probe() -> Result<(), KernelError> {
    object::load(None).map(drop)
}

/// How adverts reach us on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The program runs in the driver.
    Xdp,
    /// The program runs in the network stack, for drivers that cannot.
    XdpGeneric,
    /// A raw socket and user-space timers.
    Socket,
}

impl Kind {
    /// The name in options, status and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Xdp => "xdp",
            Kind::XdpGeneric => "xdp-generic",
            Kind::Socket => "socket",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which data path the operator wants (`--datapath`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// The best that works on the interface.
    #[default]
    Auto,
    /// Native XDP or nothing.
    Xdp,
    /// Generic XDP or nothing.
    XdpGeneric,
    /// The raw socket.
    Socket,
}

/// Answer to [`Datapath::claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// The expiry stands, and the router is now ours: its adverts are reported as rivals'.
    Won,
    /// An advert, or a command of ours, came after the expiry. Nothing changed.
    Stale,
}

/// What is to become of a router's lease. Times are CLOCK_MONOTONIC nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseOrder {
    /// An election was won.
    Open,
    /// An advert was sent, not before `sent_at`; the lease lasts for `length` from then.
    Renew {
        /// Just before the advert was handed to the kernel.
        sent_at: u64,
        /// See [`vipward_common::timing::lease_length`].
        length: u64,
    },
    /// Priority 0 is announced: serve until the successor is heard.
    Leave {
        /// Now.
        now: u64,
        /// The end, if no successor comes.
        until: u64,
    },
    /// The router stays master after all.
    Stay {
        /// The end, if no advert follows.
        until: u64,
    },
    /// This node stops answering.
    End,
}

impl LeaseOrder {
    /// Carries it out. False if a renewal found no lease: the program ended it.
    fn apply(self, lease: &mut Lease) -> bool {
        match self {
            LeaseOrder::Open => lease.open(),
            LeaseOrder::Renew { sent_at, length } => return lease.renew(sent_at, length),
            LeaseOrder::Leave { now, until } => lease.leave(now, until),
            LeaseOrder::Stay { until } => lease.stay(until),
            LeaseOrder::End => lease.end(),
        }
        true
    }
}

/// A way of hearing adverts and watching masters. Times are CLOCK_MONOTONIC nanoseconds.
pub trait Datapath {
    /// Adds a router that is neither watched nor reported yet.
    ///
    /// Fails if the key is there already, the maps are full, or the kernel does not allocate a timer after a few
    /// milliseconds of trying.
    fn add(&mut self, key: RouterKey, rules: &Rules, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError>;

    /// Forgets a router: its adverts pass up the stack from now on.
    fn remove(&mut self, key: &RouterKey) -> Result<(), KernelError>;

    /// BACKUP: adverts move the deadline, changes and the expiry are reported.
    ///
    /// Fails with [`KernelError::NotArmed`] if the kernel does not start the timer; then nobody watches.
    fn watch(&mut self, key: &RouterKey, rules: &Rules, timer: Timer) -> Result<(), KernelError>;

    /// MASTER: every accepted advert is reported, and there is no deadline.
    fn report(&mut self, key: &RouterKey, rules: &Rules) -> Result<(), KernelError>;

    /// FAULT or INIT: adverts are checked and counted only. What was heard is forgotten.
    fn off(&mut self, key: &RouterKey) -> Result<(), KernelError>;

    /// Turns an expiry of this generation into mastership, unless something came after it.
    fn claim(&mut self, key: &RouterKey, generation: u64) -> Result<Claim, KernelError>;

    /// What is known of the master: one consistent snapshot.
    fn heard(&self, key: &RouterKey) -> Result<Heard, KernelError>;

    /// The router's counters, summed over all CPUs.
    fn counters(&self, key: &RouterKey) -> Result<Counters, KernelError>;

    /// Who sent the last advert of which this was said: a [`vipward_common::reason::Reason`]'s number, or one of the
    /// `WHAT_…` values. Of many within [`vipward_common::abi::STRANGER_PERIOD`] it is the first.
    fn stranger(&self, key: &RouterKey, what: u32) -> Option<Stranger>;

    /// Whether MACs of peers are checked.
    fn sees_macs(&self, key: &RouterKey) -> bool;

    /// Replaces the router's peers. Peers in both lists are accepted throughout.
    fn set_peers(&mut self, key: &RouterKey, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError>;

    /// Which addresses on which interfaces the router may serve only under its lease. Replaces those of before.
    fn fence(&mut self, key: &RouterKey, vips: &[(u32, IpAddr)]) -> Result<(), KernelError>;

    /// The router's lease; `None` where there are no leases.
    fn lease(&self, key: &RouterKey) -> Option<Lease>;

    /// Opens, renews or ends the lease. False if a renewal found none: the program ended it, or has never had one.
    /// Where there are no leases everything is granted.
    fn order_lease(&mut self, key: &RouterKey, order: LeaseOrder) -> bool;

    /// What to poll for readability before [`Datapath::drain`]. May change with `add`, `remove` and attaching.
    fn fds(&self) -> Vec<BorrowedFd<'_>>;

    /// When `drain` is due although nothing is readable; only a path with timers in user space has such.
    fn next_deadline(&self) -> Option<u64>;

    /// Appends what happened since the last call. Does not block; bounded, and what is left stays readable.
    fn drain(&mut self, now: u64, out: &mut Vec<Report>);

    /// Reports that were lost because nobody drained in time: when it grows, compare with [`Datapath::heard`].
    fn lost(&self) -> u64;
}
