//! A change of state and its cause.

use std::fmt;

use super::action::Master;
use super::event::Heard;
use crate::types::State;

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state that was left.
    pub from: State,
    /// The state that was entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// The master other than us that was last heard, if any was.
    pub master: Option<Master>,
}

/// Why a router changed its state; reads as the end of "… because ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The router started.
    Started,
    /// It was started and found the lease of a former agent.
    Resumed,
    /// The router was stopped.
    Stopped,
    /// It was drained, and its successor was heard.
    Drained,
    /// The data path ended the lease.
    Deposed,
    /// It started, or recovered, with the priority of the addresses' owner.
    Owner,
    /// Master_Down_Interval passed and no master was ever heard.
    NoMaster,
    /// Master_Down_Interval passed without an advert.
    MasterSilent(Master),
    /// The master resigned with priority 0, and Skew_Time passed.
    MasterResigned(Master),
    /// The master's priority is lower than ours.
    Preempted(Master),
    /// A rival of higher priority was heard.
    HigherPriority(Heard),
    /// A rival of equal priority and greater address was heard.
    GreaterAddress(Heard),
    /// Another member of its sync group had to step back.
    Synced,
    /// Something that is tracked went down.
    Fault,
    /// Everything that is tracked is up again.
    Recovered,
}

/// Number of kinds of [`Cause`].
pub const CAUSES: usize = Cause::LABELS.len();

impl Cause {
    /// A word for each kind, in the order of [`Cause::number`]: for metrics.
    pub const LABELS: [&'static str; 15] = [
        "started",
        "resumed",
        "stopped",
        "drained",
        "deposed",
        "owner",
        "no_master",
        "master_silent",
        "master_resigned",
        "preempted",
        "higher_priority",
        "greater_address",
        "synced",
        "fault",
        "recovered",
    ];

    /// Which kind it is, below [`CAUSES`].
    #[must_use]
    pub const fn number(&self) -> usize {
        match self {
            Cause::Started => 0,
            Cause::Resumed => 1,
            Cause::Stopped => 2,
            Cause::Drained => 3,
            Cause::Deposed => 4,
            Cause::Owner => 5,
            Cause::NoMaster => 6,
            Cause::MasterSilent(_) => 7,
            Cause::MasterResigned(_) => 8,
            Cause::Preempted(_) => 9,
            Cause::HigherPriority(_) => 10,
            Cause::GreaterAddress(_) => 11,
            Cause::Synced => 12,
            Cause::Fault => 13,
            Cause::Recovered => 14,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Started => f.write_str("the router started"),
            Cause::Resumed => f.write_str("a former agent left it as master"),
            Cause::Drained => f.write_str("this node is drained"),
            Cause::Deposed => f.write_str("the data path heard a master that serves in our place"),
            Cause::Stopped => f.write_str("the router was stopped"),
            Cause::Owner => f.write_str("this node owns the addresses (priority 255)"),
            Cause::NoMaster => f.write_str("no master was heard"),
            Cause::MasterSilent(master) => write!(f, "master {} fell silent", master.source),
            Cause::MasterResigned(master) => write!(f, "master {} resigned", master.source),
            Cause::Preempted(Master { source, priority }) => {
                write!(f, "master {source} has the lower priority {priority}")
            }
            Cause::HigherPriority(Heard { source, priority, .. }) => {
                write!(f, "{source} advertises the higher priority {priority}")
            }
            Cause::GreaterAddress(Heard { source, priority, .. }) => {
                write!(f, "{source} advertises the same priority {priority} from a greater address")
            }
            Cause::Synced => f.write_str("another member of its sync group stepped back"),
            Cause::Fault => f.write_str("a tracked interface or script is down"),
            Cause::Recovered => f.write_str("everything tracked is up again"),
        }
    }
}
