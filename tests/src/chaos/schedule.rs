//! Which faults happen, in which order, to whom and for how long: all from a seed.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::fault::Kind;
use super::plan::ROUTERS;
use super::random::Random;

/// Shortest time that a fault lasts.
const SHORTEST: u64 = 200;
/// Longest, in milliseconds: more than Master_Down_Interval of the slowest router.
const LONGEST: u64 = 4_500;
/// Longest starvation: a machine is shared.
const LONGEST_HUNGER: u64 = 2_500;
/// Longest quiet time before a fault: two intervals of the slowest router, so that faults meet every phase of it.
const LONGEST_QUIET: u64 = 1_000;

/// One fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Planned {
    pub(super) kind: Kind,
    /// The victim, counted from 0.
    pub(super) node: usize,
    /// VRID of the router that it is about, if it is about one.
    pub(super) vrid: Option<u8>,
    /// Quiet time before it.
    pub(super) quiet: Duration,
    /// How long it lasts.
    pub(super) hold: Duration,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:>4} ms {:<16} n{}", self.quiet.as_millis(), self.kind, self.node + 1)?;
        if let Some(vrid) = self.vrid {
            write!(f, " VRID {vrid}")?;
        }
        write!(f, " for {} ms", self.hold.as_millis())
    }
}

/// An endless schedule.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    random: Random,
    kinds: Vec<Kind>,
    nodes: usize,
    keepalived: Option<usize>,
    deck: Vec<Kind>,
}

impl Schedule {
    /// Of faults of these kinds, on `nodes` nodes, on one of which keepalived may run.
    pub(super) fn new(seed: u64, kinds: &[Kind], nodes: usize, keepalived: Option<usize>) -> Schedule {
        Schedule { random: Random::new(seed), kinds: kinds.to_vec(), nodes, keepalived, deck: Vec::new() }
    }

    fn next_kind(&mut self) -> Option<Kind> {
        // All kinds once, then all again in another order: a short run meets as many as it can.
        if self.deck.is_empty() {
            self.deck.clone_from(&self.kinds);
            self.random.shuffle(&mut self.deck);
        }
        self.deck.pop()
    }

    fn between(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.random.below(to.saturating_sub(from) + 1))
    }

    /// Whom a fault of this kind happens to. What is about a router happens to its master, or to one of its backups.
    fn victim(&mut self, kind: Kind, first: usize) -> usize {
        let unfair = |node: usize| self.keepalived == Some(node) && !kind.suits_keepalived();
        let candidates: Vec<usize> = (0..self.nodes)
            .filter(|node| !unfair(*node))
            .filter(|node| match kind {
                Kind::DeleteVip => *node == first,
                Kind::AddVip | Kind::ReloadPriority => *node != first,
                _ => true,
            })
            .collect();
        let place = self.random.place(candidates.len());
        candidates.get(place).copied().unwrap_or(first)
    }
}

impl Iterator for Schedule {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let kind = self.next_kind()?;
        // A router whose master, or whose backup, is a fair victim.
        let routers: Vec<_> = ROUTERS
            .iter()
            .filter(|router| match kind {
                Kind::DeleteVip => self.keepalived != Some(router.first),
                Kind::AddVip | Kind::ReloadPriority => {
                    (0..self.nodes).any(|node| node != router.first && self.keepalived != Some(node))
                }
                _ => true,
            })
            .collect();
        let place = self.random.place(routers.len());
        let router = routers.get(place)?;
        let node = self.victim(kind, router.first);
        let longest = if kind == Kind::Starve { LONGEST_HUNGER } else { LONGEST };
        let quiet = self.between(0, LONGEST_QUIET);
        let hold = self.between(SHORTEST, longest);
        Some(Planned { kind, node, vrid: kind.means_one().then_some(router.vrid), quiet, hold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(seed: u64, keepalived: Option<usize>) -> Vec<Planned> {
        Schedule::new(seed, &Kind::ALL, 2, keepalived).take(Kind::ALL.len() * 20).collect()
    }

    #[test]
    fn a_seed_makes_one_schedule() {
        assert_eq!(schedule(1, None), schedule(1, None));
        assert_ne!(schedule(1, None), schedule(2, None));
    }

    #[test]
    fn every_kind_comes_before_any_comes_again() {
        for round in schedule(3, None).chunks(Kind::ALL.len()) {
            let mut kinds: Vec<Kind> = round.iter().map(|planned| planned.kind).collect();
            kinds.sort_unstable();
            assert_eq!(kinds, Kind::ALL);
        }
    }

    #[test]
    fn victims_are_fair_and_of_the_right_role() {
        for planned in schedule(4, Some(1)) {
            assert!(planned.node == 0 || planned.kind.suits_keepalived(), "{planned}");
        }
        for planned in schedule(5, None).iter().chain(&schedule(5, Some(1))) {
            let router = ROUTERS.iter().find(|router| Some(router.vrid) == planned.vrid);
            let is_master = router.map(|router| router.first == planned.node);
            match planned.kind {
                Kind::DeleteVip => assert_eq!(is_master, Some(true), "{planned}"),
                Kind::AddVip | Kind::ReloadPriority => assert_eq!(is_master, Some(false), "{planned}"),
                _ => assert!(planned.hold <= Duration::from_millis(LONGEST)),
            }
        }
    }
}
