//! When a change has settled.
//!
//! The first change after quiet waits for the minimum, whatever follows it. Changes that follow it wait until nothing
//! changed for the minimum, but no longer than the maximum.

use std::time::Duration;

use tokio::time::Instant;

use crate::render::resource::Wait;

/// The state of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Debounce {
    change: Option<Change>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    first: Instant,
    last: Instant,
    /// It came out of quiet, or cannot wait.
    leading: bool,
    forced: bool,
}

impl Debounce {
    /// Something changed; `after_quiet` if nothing had for a while.
    pub(super) fn touch(&mut self, now: Instant, after_quiet: bool) {
        match &mut self.change {
            Some(change) => change.last = now,
            None => self.change = Some(Change { first: now, last: now, leading: after_quiet, forced: false }),
        }
    }

    /// It is due now.
    pub(super) fn force(&mut self, now: Instant) {
        let first = self.change.map_or(now, |change| change.first);
        self.change = Some(Change { first, last: now, leading: true, forced: true });
    }

    /// When the change has settled; `None` if there was none.
    pub(super) fn due(&self, wait: Wait) -> Option<Instant> {
        let change = self.change?;
        Some(if change.forced {
            change.first
        } else if change.leading {
            change.first + wait.min
        } else {
            (change.last + wait.min).min(change.first + wait.max)
        })
    }

    /// What changed is taken care of.
    pub(super) fn clear(&mut self) {
        self.change = None;
    }

    /// Whether anything changed that is not taken care of.
    pub(super) fn is_dirty(&self) -> bool {
        self.change.is_some()
    }
}

/// Whether nothing changed for so long that the next change is the first one.
pub(super) fn is_quiet(touched: Option<Instant>, now: Instant, min: Duration) -> bool {
    touched.is_none_or(|touched| now.saturating_duration_since(touched) >= min)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Wait = Wait { min: Duration::from_millis(50), max: Duration::from_secs(1) };

    /// When changes at these milliseconds are rendered, if rendering takes no time.
    fn renders(changes: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let (mut debounce, mut touched, mut rendered) = (Debounce::default(), None, Vec::new());
        let mut render = |debounce: &mut Debounce, until: Option<Instant>| {
            while let Some(due) = debounce.due(WAIT).filter(|due| until.is_none_or(|until| *due <= until)) {
                rendered.push(u64::try_from((due - start).as_millis()).expect("short"));
                debounce.clear();
            }
        };
        for millis in changes {
            render(&mut debounce, Some(at(millis)));
            debounce.touch(at(millis), is_quiet(touched, at(millis), WAIT.min));
            touched = Some(at(millis));
        }
        render(&mut debounce, None);
        rendered
    }

    #[test]
    fn the_first_change_waits_for_the_minimum_and_a_burst_for_the_maximum() {
        assert_eq!(renders([0]), [50]);
        assert_eq!(renders([0, 10, 20]), [50]);
        assert_eq!(renders([0, 40, 60, 70]), [50, 120]);
        assert_eq!(renders(0..1000), [50, 1049], "a thousand in a second");
        assert_eq!(renders(0..3000), [50, 1050, 2050, 3049]);
        assert_eq!(renders([0, 500, 1000]), [50, 550, 1050], "each after quiet");
    }

    #[test]
    fn what_is_forced_does_not_wait() {
        let now = Instant::now();
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(WAIT), None);
        debounce.touch(now, true);
        debounce.force(now);
        assert_eq!(debounce.due(WAIT), Some(now));
    }
}
