//! When a target answered, and from that for how long it did not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::lab::clock::Moment;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// When it arrived.
    pub at: Moment,
    /// Who answered, where the answer says so.
    pub by: Option<Arc<str>>,
}

/// Answers of one target in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    replies: Vec<Reply>,
}

/// A stretch of time without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The last answer before it.
    pub from: Moment,
    /// The first answer after it.
    pub to: Moment,
}

impl Silence {
    /// How long it lasted.
    pub fn length(self) -> Duration {
        self.to.since(self.from)
    }
}

impl Timeline {
    pub(super) fn push(&mut self, reply: Reply) {
        // Stamps of the kernel may overtake each other by microseconds on different CPUs.
        let place =
            self.replies.iter().rposition(|earlier| earlier.at <= reply.at).map_or(0, |index| index + 1);
        self.replies.insert(place, reply);
    }

    /// Drops the answers before `moment` but the last of them, from which a silence may count.
    pub(super) fn forget(&mut self, moment: Moment) {
        let kept = self.replies.partition_point(|reply| reply.at < moment).saturating_sub(1);
        self.replies.drain(..kept);
    }

    /// All answers.
    pub fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// The longest stretch without an answer that touches `from..to`. What is still silent at `to` lasts until
    /// then; before the first answer of all, silence counts from `from`.
    pub fn longest_silence(&self, from: Moment, to: Moment) -> Silence {
        let first = self.replies.partition_point(|reply| reply.at <= from);
        let start =
            first.checked_sub(1).and_then(|index| self.replies.get(index)).map_or(from, |reply| reply.at);
        let within = self.replies.iter().skip(first).map(|reply| reply.at).take_while(|at| *at <= to);
        let mut longest = Silence { from: start, to: start };
        let mut last = start;
        for at in within.chain([to]) {
            let silence = Silence { from: last, to: at };
            if silence.length() > longest.length() {
                longest = silence;
            }
            last = at;
        }
        longest
    }

    /// How long of `from..to`, at most, passed without an answer.
    pub fn longest_stall(&self, from: Moment, to: Moment) -> Duration {
        let first = self.replies.partition_point(|reply| reply.at <= from);
        let within = self.replies.iter().skip(first).map(|reply| reply.at).take_while(|at| *at <= to);
        let mut last = from;
        let lengths = within.chain([to]).map(|at| at.since(std::mem::replace(&mut last, at)));
        lengths.max().unwrap_or_default()
    }

    /// The first answer after `from`.
    pub fn first_after(&self, from: Moment) -> Option<&Reply> {
        self.replies.get(self.replies.partition_point(|reply| reply.at <= from))
    }

    /// The last answer so far.
    pub fn last(&self) -> Option<&Reply> {
        self.replies.last()
    }
}

/// Timelines that a probe's thread fills while others look.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<Timeline>>>);

impl Shared {
    pub(super) fn new(targets: usize) -> Shared {
        Shared(Arc::new(Mutex::new(vec![Timeline::default(); targets])))
    }

    pub(super) fn push(&self, target: usize, reply: Reply) {
        if let Some(timeline) = self.lock().get_mut(target) {
            timeline.push(reply);
        }
    }

    /// Has every timeline forget what was before `moment`.
    pub(super) fn forget(&self, moment: Moment) {
        self.lock().iter_mut().for_each(|timeline| timeline.forget(moment));
    }

    /// Looks at the timeline of `target`, an empty one if there is no such target.
    pub(super) fn look<T>(&self, target: usize, look: impl FnOnce(&Timeline) -> T) -> T {
        match self.lock().get(target) {
            Some(timeline) => look(timeline),
            None => look(&Timeline::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Timeline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(times: &[u64]) -> Timeline {
        let mut timeline = Timeline::default();
        for at in times {
            timeline.push(Reply { at: Moment(*at), by: None });
        }
        timeline
    }

    fn silence(times: &[u64], from: u64, to: u64) -> (u64, u64) {
        let silence = timeline(times).longest_silence(Moment(from), Moment(to));
        (silence.from.0, silence.to.0)
    }

    #[test]
    fn the_longest_silence_is_found_wherever_it_is() {
        assert_eq!(silence(&[10, 20, 70, 80], 0, 80), (20, 70));
        assert_eq!(silence(&[10, 20, 70, 80], 40, 80), (20, 70), "it began before we looked");
        assert_eq!(silence(&[10, 20, 30], 0, 100), (30, 100), "it still lasts");
        assert_eq!(silence(&[50, 60], 0, 60), (0, 50), "nothing answered at first");
        assert_eq!(silence(&[10, 20, 70, 80], 70, 80), (70, 80), "what ended before does not count");
        assert_eq!(silence(&[], 10, 90), (10, 90));
    }

    #[test]
    fn a_stall_counts_within_its_time_only() {
        let stall = |from, to| timeline(&[10, 20, 70, 80]).longest_stall(Moment(from), Moment(to)).as_nanos();
        assert_eq!(stall(0, 100), 50);
        assert_eq!(stall(60, 80), 10, "it was nearly over");
        assert_eq!(stall(0, 30), 10, "it had just begun");
        assert_eq!(stall(30, 50), 20, "it lasted all the time");
        assert_eq!(stall(72, 100), 20, "and what was before does not excuse what came later");
    }

    #[test]
    fn what_is_forgotten_takes_no_memory_and_changes_no_silence_after_it() {
        let mut timeline = timeline(&[10, 20, 70, 80]);
        timeline.forget(Moment(60));
        assert_eq!(timeline.replies().len(), 3);
        assert_eq!(timeline.longest_silence(Moment(60), Moment(80)).from, Moment(20));
        timeline.forget(Moment(1_000));
        assert_eq!(timeline.last().unwrap().at, Moment(80));
        assert_eq!(timeline.replies().len(), 1);
    }

    #[test]
    fn answers_are_kept_in_order() {
        let timeline = timeline(&[10, 30, 20]);
        let times: Vec<u64> = timeline.replies().iter().map(|reply| reply.at.0).collect();
        assert_eq!(times, [10, 20, 30]);
        assert_eq!(timeline.first_after(Moment(10)).unwrap().at, Moment(20));
        assert_eq!(timeline.first_after(Moment(30)), None);
        assert_eq!(timeline.last().unwrap().at, Moment(30));
    }
}
