//! What came of one fault, and what of that must not be.

use std::time::Duration;

use serde::Serialize;

use super::fault::{Expected, Kind, View};
use super::plan::ROUTERS;
use super::schedule::Planned;
use super::stage::{Move, Stage};
use crate::lab::clock::Moment;
use crate::lab::witness::{PATIENCE, Record, Span};

/// How long before a transition a pause of the machine may be its cause.
const BEFORE: Duration = Duration::from_millis(150);

/// One fault's moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    pub(super) fault: Planned,
    pub(super) begun: Moment,
    /// When it was undone.
    pub(super) healed: Moment,
    /// When everything had settled after that.
    pub(super) settled: Moment,
}

/// What one router's clients saw.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    pub(super) vrid: u8,
    pub(super) interval_ms: f64,
    /// Longest time for which nobody answered.
    pub(super) none_ms: f64,
    /// For how long nobody may have answered, without the machine's allowance.
    pub(super) bound_ms: f64,
    /// It is one of those whose service the fault was to disturb.
    pub(super) concerned: bool,
    /// Time for which two answered, which must not be.
    pub(super) two_ms: f64,
    /// The same within the exceptions.
    pub(super) two_excused_ms: f64,
}

/// Everything about one fault.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    #[serde(flatten)]
    pub(super) fault: Planned,
    pub(super) seen: Vec<Seen>,
    /// Longest time for which the machine did not run the witness, whose priority is the highest of all.
    pub(super) stall_ms: f64,
    /// What was wrong.
    pub(super) wrong: Vec<String>,
    /// Transitions that a machine as late as the allowance explains.
    pub(super) late: Vec<String>,
}

/// Judges an episode.
pub(super) fn judge(stage: &mut Stage, masters: &[usize], episode: &Episode, allowance: Duration) -> Verdict {
    let fault = episode.fault;
    let (mut wrong, mut late) = (Vec::new(), Vec::new());
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let moves: Vec<Vec<Move>> = stage.nodes.iter_mut().map(super::stage::Node::moves).collect();
    let nodes = stage.nodes.len();
    let on_keepalived = stage.nodes.get(fault.node).is_some_and(|node| !node.is_vipward());
    let bare: Vec<String> = stage
        .nodes
        .iter()
        .filter(|node| !node.is_vipward())
        .map(|node| node.host.name().to_owned())
        .collect();
    let mut seen = Vec::new();
    for (place, router) in ROUTERS.iter().enumerate() {
        let is_meant = fault.vrid == Some(router.vrid);
        let is_master = masters.get(place) == Some(&fault.node);
        let expected = fault.kind.expected(View { router, nodes, is_master, is_meant, on_keepalived });
        let found = stage.witness.look(place, |record| {
            let found = look(record, episode, expected, router.interval + allowance, &bare);
            if found.none > expected.none + allowance || found.two > Duration::ZERO {
                let story = record.story(episode.begun, episode.settled);
                wrong.push(format!("VRID {}: {found}, after the fault: {story}", router.vrid));
            }
            found
        });
        // A master may be late by two intervals. Where a machine may be later, nothing follows from a takeover.
        let judged = allowance < 2 * router.interval;
        let list = if judged { &mut wrong } else { &mut late };
        let stalled = |at| stage.witness.look(0, |record| record.longest_stall(at - BEFORE, at));
        list.extend(uncaused(&moves, fault.node, router.vrid, expected, stalled));
        let everybody = expected.two || fault.kind == Kind::Starve;
        let concerned = if fault.kind.means_one() { is_meant } else { is_master || everybody };
        seen.push(Seen {
            vrid: router.vrid,
            interval_ms: ms(router.interval),
            none_ms: ms(found.none),
            bound_ms: ms(expected.none),
            concerned,
            two_ms: ms(found.two),
            two_excused_ms: ms(found.excused),
        });
    }
    let stall = stage.witness.look(0, |record| record.longest_stall(episode.begun, episode.settled));
    Verdict { fault, seen, stall_ms: ms(stall), wrong, late }
}

/// Transitions that the fault does not explain, each with how long the machine had just kept the witness waiting.
fn uncaused(
    moves: &[Vec<Move>],
    victim: usize,
    vrid: u8,
    expected: Expected,
    stalled: impl Fn(Moment) -> Duration,
) -> Vec<String> {
    let allowed = |node: usize| if node == victim { expected.victim_moves } else { expected.moves };
    let suspects = moves.iter().enumerate().filter(|(node, _)| !allowed(*node));
    let lines = suspects.flat_map(|(node, moves)| moves.iter().map(move |moved| (node, moved)));
    lines
        .filter(|(_, moved)| moved.vrid == vrid)
        .map(|(node, moved)| {
            let stall = moved.at.map(|at| format!(", after a pause of the machine of {:.1?}", stalled(at)));
            format!("without a cause on n{}{}: {}", node + 1, stall.unwrap_or_default(), moved.line)
        })
        .collect()
}

struct Found {
    none: Duration,
    two: Duration,
    excused: Duration,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nobody answered for {:?} and two for {:?}", self.none, self.two)
    }
}

/// `tail` is how long after the end of a partition the lesser master may go on.
fn look(record: &Record, episode: &Episode, expected: Expected, tail: Duration, bare: &[String]) -> Found {
    let Episode { begun, healed, settled, .. } = *episode;
    let excused = |span: &Span| {
        // keepalived has no fence: what it was master of it answers for until it has removed it.
        let before = record.sole_before(span.from);
        let unfenced = before.is_some_and(|by| bare.iter().any(|name| **name == *by));
        expected.two && span.to <= healed + tail || unfenced
    };
    // One question is at least a period's worth.
    let length = |span: &Span| span.length().max(Duration::from_nanos(1));
    let spans = record.two(begun, settled);
    let (within, beyond): (Vec<Span>, Vec<Span>) = spans.into_iter().partition(excused);
    Found {
        none: record.longest_none(begun, settled),
        two: beyond.iter().map(length).sum(),
        excused: within.iter().map(length).sum(),
    }
}

impl Stage {
    /// What is wrong with a VIP that a reload has added since `begun`; nothing if the fault was none.
    pub(super) fn added_vip(&self, fault: &Planned, begun: Moment) -> Option<String> {
        let (place, router) = added(fault)?;
        let master = self.nodes.get(self.master(place))?.host.name();
        let_answers_come();
        let answered = self.witness.look(ROUTERS.len() + place, |record| record.first_by(master, begun));
        answered
            .is_none()
            .then(|| format!("{master} does not answer for {}, which was added", router.second_vip()))
    }

    /// VIPs that were answered for after they should be gone.
    pub(super) fn removed_vips(&self, since: Moment) -> Vec<String> {
        let end = Moment(u64::MAX);
        let is_answered = |place: usize| {
            let answers =
                |record: &Record| record.questions(since, end).any(|question| !question.answers.is_empty());
            self.witness.look(ROUTERS.len() + place, answers)
        };
        let left = ROUTERS.iter().enumerate().filter(|(place, _)| is_answered(*place));
        left.map(|(_, router)| format!("somebody answers for {}, which was removed", router.second_vip()))
            .collect()
    }
}

/// The router that the fault gives another VIP.
fn added(fault: &Planned) -> Option<(usize, &'static super::plan::Router)> {
    let meant =
        |router: &super::plan::Router| fault.kind == Kind::ReloadVip && fault.vrid == Some(router.vrid);
    ROUTERS.iter().enumerate().find(|(_, router)| meant(router))
}

/// Waits until all that was asked before now can be judged.
pub(super) fn let_answers_come() {
    (Moment::now() + PATIENCE + PATIENCE / 2).sleep_until();
}
