//! Who answered when, and whether two did at once: the observer that no node knows of.

use std::collections::BTreeMap;
use std::time::Duration;

use vipward_vrrp::router::{Cause, Master, Transition};
use vipward_vrrp::types::{Family, Mono, State};

use crate::kernel::source;

/// Two nodes answered at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overlap {
    pub(crate) nodes: (usize, usize),
    pub(crate) from: Mono,
    pub(crate) to: Mono,
    /// When something last happened that excuses it, if it ever did.
    pub(crate) excuse: Option<Mono>,
}

impl Overlap {
    pub(crate) fn length(&self) -> Duration {
        self.to.saturating_since(self.from)
    }
}

/// A node took over from a master that it believed dead and may not preempt, but it still served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Haste {
    pub(crate) at: Mono,
    /// Who took over, and who still served.
    pub(crate) nodes: (usize, usize),
    /// How long ago the latter had sent its last advert, which may still have been on its way.
    pub(crate) sent_ago: Duration,
    /// When something last happened that excuses it, if it ever did.
    pub(crate) excuse: Option<Mono>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Bit i: node i answers.
    answering: u8,
    /// Since when two nodes do.
    together: BTreeMap<(usize, usize), Mono>,
    /// When each node last sent an advert.
    sent: Vec<Mono>,
    /// When a packet was last lost between any two nodes, or a resignation came after its successor's first advert.
    excuse: Option<Mono>,
    pub(crate) overlaps: Vec<Overlap>,
    pub(crate) hasty: Vec<Haste>,
}

impl Witness {
    pub(crate) fn new(nodes: usize) -> Witness {
        Witness { sent: vec![Mono(0); nodes], ..Witness::default() }
    }

    pub(crate) fn sent(&mut self, now: Mono, node: usize) {
        self.sent[node] = now;
    }

    pub(crate) fn lost(&mut self, now: Mono) {
        self.excuse = Some(now);
    }

    /// A router changed its state; what it changed on its node is not counted yet. The `yielding` nodes
    /// let it take over whether they serve or not.
    pub(crate) fn changed(&mut self, now: Mono, node: usize, transition: &Transition, yielding: u8) {
        if transition.to != State::Master {
            return;
        }
        let serving = || members(self.answering & !yielding).filter(|other| *other != node);
        match transition.cause {
            Cause::MasterSilent(_) | Cause::NoMaster => {
                for serving in serving() {
                    let sent_ago = now.saturating_since(self.sent[serving]);
                    let excuse = self.excuse;
                    self.hasty.push(Haste { at: now, nodes: (node, serving), sent_ago, excuse });
                }
            }
            Cause::MasterResigned(resigned) if serving().any(|other| !is(other, resigned)) => {
                self.excuse = Some(now);
            }
            _ => {}
        }
    }

    /// Nothing is looked at any more: overlaps that go on end here.
    pub(crate) fn close(&mut self, now: Mono) {
        self.answering(now, 0);
    }

    /// These nodes answer now.
    pub(crate) fn answering(&mut self, now: Mono, nodes: u8) {
        if nodes == self.answering {
            return;
        }
        self.answering = nodes;
        let excuse = self.excuse;
        let both = |pair: &(usize, usize)| (nodes >> pair.0) & (nodes >> pair.1) & 1 != 0;
        for (nodes, from) in self.together.extract_if(.., |pair, _| !both(pair)) {
            self.overlaps.push(Overlap { nodes, from, to: now, excuse });
        }
        for one in members(nodes) {
            for other in members(nodes).filter(|other| *other > one) {
                self.together.entry((one, other)).or_insert(now);
            }
        }
    }
}

/// Whether the master that was heard is this node.
fn is(node: usize, heard: Master) -> bool {
    source(Family::of(heard.source), node) == heard.source
}

fn members(set: u8) -> impl Iterator<Item = usize> {
    (0..8).filter(move |node| (set >> node) & 1 != 0)
}

#[test]
fn an_overlap_ends_when_either_stops_to_answer() {
    let mut witness = Witness::new(3);
    witness.answering(Mono(10), 0b001);
    witness.answering(Mono(20), 0b101);
    witness.answering(Mono(25), 0b111);
    witness.lost(Mono(26));
    witness.answering(Mono(30), 0b110);
    witness.answering(Mono(40), 0b010);
    let mut seen: Vec<_> = witness.overlaps.iter().map(|it| (it.nodes, it.from.0, it.to.0)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [((0, 1), 25, 30), ((0, 2), 20, 30), ((1, 2), 25, 40)]);
    assert!(witness.overlaps.iter().all(|it| it.excuse == Some(Mono(26))));
}
