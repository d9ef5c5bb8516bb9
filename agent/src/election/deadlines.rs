//! When which instance wants to be woken: a sorted set, so that hundreds of instances cost a logarithm each.

use std::collections::{BTreeMap, BTreeSet};

use vipward_vrrp::types::Mono;

use super::registry::Id;
use crate::histogram::{Histogram, SHORT};

/// At most one deadline per instance.
#[derive(Debug)]
pub(crate) struct Deadlines {
    queue: BTreeSet<(Mono, Id)>,
    /// Sorted too: for so few and small keys that beats hashing.
    of: BTreeMap<Id, Mono>,
    /// How long after they were due deadlines were taken out.
    pub(crate) lateness: Histogram,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        let lateness = Histogram::new(SHORT);
        Deadlines { queue: BTreeSet::new(), of: BTreeMap::new(), lateness }
    }
}

impl Deadlines {
    /// Replaces the deadline of `id`; `None` takes it out.
    pub(crate) fn set(&mut self, id: Id, at: Option<Mono>) {
        let before = match at {
            Some(at) => self.of.insert(id, at),
            None => self.of.remove(&id),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, id));
        }
        if let Some(at) = at {
            self.queue.insert((at, id));
        }
    }

    /// The nearest deadline.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// Takes out every instance that is due, the most overdue first.
    pub(crate) fn due(&mut self, now: Mono) -> Vec<Id> {
        let mut due = Vec::new();
        while let Some(&(at, id)) = self.queue.first() {
            if at > now {
                break;
            }
            self.queue.pop_first();
            self.of.remove(&id);
            self.lateness.record(now.saturating_since(at));
            due.push(id);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        let [a, b, c] = [Id(1), Id(2), Id(3)];
        deadlines.set(a, Some(Mono(30)));
        deadlines.set(b, Some(Mono(10)));
        deadlines.set(c, Some(Mono(20)));
        deadlines.set(a, Some(Mono(5)));
        deadlines.set(c, None);
        assert_eq!(deadlines.next(), Some(Mono(5)));
        assert_eq!(deadlines.due(Mono(10)), [a, b]);
        let lateness = deadlines.lateness.sum().as_nanos();
        assert_eq!((deadlines.lateness.count(), lateness), (2, 5), "a at 5, b at 10, both taken at 10");
        assert_eq!(deadlines.due(Mono(100)), []);
        assert_eq!(deadlines.next(), None);
    }
}
