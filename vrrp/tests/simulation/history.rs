//! Who held the addresses when.

use std::time::Duration;

use vipward_vrrp::router::Transition;
use vipward_vrrp::types::Mono;

/// The number of masters over time, and every transition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// From when on how many nodes were MASTER; the first entry is the beginning.
    counts: Vec<(Mono, usize)>,
    pub(crate) transitions: Vec<(Mono, usize, Transition)>,
}

impl History {
    pub(crate) fn masters(&mut self, now: Mono, count: usize) {
        if self.counts.last().is_none_or(|(_, last)| *last != count) {
            self.counts.push((now, count));
        }
    }

    /// The longest unbroken time between `from` and `to` with a number of masters that `matches`.
    pub(crate) fn longest(&self, from: Mono, to: Mono, matches: impl Fn(usize) -> bool) -> Duration {
        let ends = self.counts.iter().skip(1).map(|(at, _)| *at).chain([to]);
        let mut longest = Duration::ZERO;
        let mut since = None;
        for ((start, count), end) in self.counts.iter().zip(ends) {
            if !matches(*count) {
                since = None;
                continue;
            }
            let begun = *since.get_or_insert(*start);
            longest = longest.max(end.min(to).saturating_since(begun.max(from)));
        }
        longest
    }
}

#[test]
fn the_longest_stretch_is_found_within_the_bounds() {
    let second = |seconds: u64| Mono(seconds * 1_000_000_000);
    let mut history = History::default();
    for (at, count) in [(0, 0), (4, 1), (10, 2), (11, 3), (13, 1), (20, 0)] {
        history.masters(second(at), count);
    }
    let longest =
        |from, to, matches: fn(usize) -> bool| history.longest(second(from), second(to), matches).as_secs();
    assert_eq!(longest(0, 30, |count| count > 1), 3);
    assert_eq!(longest(12, 30, |count| count > 1), 1);
    assert_eq!(longest(0, 30, |count| count == 0), 10);
    assert_eq!(longest(0, 22, |count| count == 0), 4);
    assert_eq!(longest(5, 19, |count| count == 0), 0);
    assert_eq!(longest(0, 30, |count| count == 1), 7);
}
