//! What is done to the nodes, and what may follow from it.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::plan::Router;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// SIGKILL to the agent alone: its guard hands over.
    Kill,
    /// SIGKILL to the agent and its guard: only the lease is left.
    KillAll,
    /// SIGSTOP, then SIGCONT.
    Freeze,
    /// SIGTERM, and a start after its end.
    Restart,
    /// The same, announced by `vipward hold`.
    Upgrade,
    /// A reload that makes a backup master, and one that takes it back.
    ReloadPriority,
    /// A reload with other settings for announcements.
    ReloadAnnouncements,
    /// A reload that adds a VIP on every node.
    ReloadVip,
    /// The cable is taken out.
    Unplug,
    /// The node's adverts are lost, and it hears the others.
    OneWay,
    /// No node hears another; the client reaches all.
    Partition,
    /// Busy processes on every CPU.
    Starve,
    /// Somebody removes the VIP from its master.
    DeleteVip,
    /// Somebody adds the VIP on a backup.
    AddVip,
    /// Somebody removes what is pinned, and the agent is restarted later.
    Unpin,
    /// The interface takes another name for a while.
    Rename,
    /// The interface is deleted and made anew.
    Recreate,
    /// `vipward drain`, and `vipward undrain`.
    Drain,
}

/// What may follow from a fault for one router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// For how long nobody may answer, but for the machine's allowance.
    pub(super) none: Duration,
    /// Whether two may answer until it is healed.
    pub(super) two: bool,
    /// Whether nodes other than the victim may change their states.
    pub(super) moves: bool,
    /// Whether the victim may.
    pub(super) victim_moves: bool,
}

/// A fault as one router sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) router: &'a Router,
    pub(super) nodes: usize,
    /// The victim is its master.
    pub(super) is_master: bool,
    /// It is the router that the fault is about, if it is about one.
    pub(super) is_meant: bool,
    /// keepalived runs on the victim.
    pub(super) on_keepalived: bool,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Kind; 18] = [
        Kind::Kill,
        Kind::KillAll,
        Kind::Freeze,
        Kind::Restart,
        Kind::Upgrade,
        Kind::ReloadPriority,
        Kind::ReloadAnnouncements,
        Kind::ReloadVip,
        Kind::Unplug,
        Kind::OneWay,
        Kind::Partition,
        Kind::Starve,
        Kind::DeleteVip,
        Kind::AddVip,
        Kind::Unpin,
        Kind::Rename,
        Kind::Recreate,
        Kind::Drain,
    ];

    /// As it is called in tables and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::KillAll => "kill-all",
            Kind::Freeze => "freeze",
            Kind::Restart => "restart",
            Kind::Upgrade => "upgrade",
            Kind::ReloadPriority => "reload-priority",
            Kind::ReloadAnnouncements => "reload-garp",
            Kind::ReloadVip => "reload-vip",
            Kind::Unplug => "unplug",
            Kind::OneWay => "one-way",
            Kind::Partition => "partition",
            Kind::Starve => "starve",
            Kind::DeleteVip => "delete-vip",
            Kind::AddVip => "add-vip",
            Kind::Unpin => "unpin",
            Kind::Rename => "rename",
            Kind::Recreate => "recreate",
            Kind::Drain => "drain",
        }
    }

    /// Whether keepalived is a fair victim: it cannot do the others, or gives the VIP up where vipward puts it back.
    pub(super) fn suits_keepalived(self) -> bool {
        matches!(
            self,
            Kind::Kill | Kind::KillAll | Kind::Freeze | Kind::Restart | Kind::Unplug | Kind::OneWay
        )
    }

    /// Whether living masters are not heard while it lasts.
    pub(super) fn deafens(self) -> bool {
        matches!(self, Kind::OneWay | Kind::Partition)
    }

    /// Whether it is about one router.
    pub(super) fn means_one(self) -> bool {
        matches!(self, Kind::ReloadPriority | Kind::ReloadVip | Kind::DeleteVip | Kind::AddVip)
    }

    /// What it may do to a router.
    ///
    /// A master that cannot send answers until its lease lapses, and the backup takes over Master_Down_Interval after
    /// the last advert: nobody answers for the difference. A guard that finds its agent dead resigns for it, which
    /// costs Skew_Time. Where nothing is sent or answered any more it is all of Master_Down_Interval. Who hands over
    /// serves until its successor does. A backup that goes away and returns, and a master that returns and preempts,
    /// cost nothing.
    pub(super) fn expected(self, view: View<'_>) -> Expected {
        let View { router, nodes, is_master, is_meant, on_keepalived } = view;
        let lost = router.master_down(nodes);
        let none = match self {
            _ if !is_master => Duration::ZERO,
            // Its kernel goes on answering for it.
            Kind::Kill | Kind::KillAll | Kind::Freeze if on_keepalived => Duration::ZERO,
            Kind::Restart if on_keepalived => router.skew(nodes),
            Kind::Kill => router.skew(nodes),
            Kind::KillAll | Kind::Freeze => lost.saturating_sub(router.lease()),
            Kind::Unplug | Kind::Rename | Kind::Recreate => lost,
            _ => Duration::ZERO,
        };
        let anybody = self.deafens();
        let quiet = matches!(
            self,
            Kind::ReloadAnnouncements | Kind::ReloadVip | Kind::Starve | Kind::DeleteVip | Kind::AddVip
        );
        let concerned = match self {
            Kind::ReloadPriority => is_meant,
            _ => !quiet,
        };
        Expected {
            none,
            two: anybody,
            // A backup's comings and goings are nobody else's business.
            moves: anybody
                || concerned && self != Kind::Upgrade && (is_master || self == Kind::ReloadPriority),
            victim_moves: concerned,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::ROUTERS;
    use super::*;

    fn expected(kind: Kind, is_master: bool, on_keepalived: bool) -> Expected {
        kind.expected(View { router: &ROUTERS[3], nodes: 2, is_master, is_meant: true, on_keepalived })
    }

    #[test]
    fn a_master_that_cannot_send_costs_less_than_skew_time_and_the_margin() {
        let none = expected(Kind::Freeze, true, false).none;
        assert_eq!(none, ROUTERS[3].skew(2) + Duration::from_millis(13));
        assert_eq!(expected(Kind::Kill, true, false).none, ROUTERS[3].skew(2), "its guard hands over");
        assert_eq!(expected(Kind::Unplug, true, false).none, ROUTERS[3].master_down(2));
        assert_eq!(expected(Kind::Restart, true, false).none, Duration::ZERO);
        assert_eq!(expected(Kind::Restart, true, true).none, ROUTERS[3].skew(2));
    }

    #[test]
    fn nothing_follows_from_what_happens_to_a_backup() {
        for kind in Kind::ALL {
            let after = expected(kind, false, false);
            assert_eq!(after.none, Duration::ZERO, "{kind}");
            let anybody = kind.deafens();
            assert_eq!(
                (after.two, after.moves),
                (anybody, anybody || kind == Kind::ReloadPriority),
                "{kind}"
            );
        }
    }

    #[test]
    fn an_announced_restart_is_nobody_elses_business() {
        let Expected { none, two, moves, victim_moves } = expected(Kind::Upgrade, true, false);
        assert_eq!((none, two, moves, victim_moves), (Duration::ZERO, false, false, true));
    }

    #[test]
    fn names_are_unique() {
        let mut names = Kind::ALL.map(Kind::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]));
    }
}
