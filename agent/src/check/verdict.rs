//! Rise and fall: from the results of single runs to whether a script counts as up.
//!
//! One counter as in keepalived: below `rise` the script is down and the counter is the number of successes in a
//! row; from `rise` on it is up, and `rise + fall - 1` less the counter is the number of failures in a row. A new
//! counter stands one success below `rise`, so the first run decides alone; with `init_fail` it stands at zero.

/// The counter of one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    rise: u64,
    fall: u64,
    counter: u64,
    /// Whether no run has ended yet, so that nobody was told anything.
    fresh: bool,
}

impl Verdict {
    /// A counter that needs `rise` successes in a row to go up and `fall` failures in a row to go down; zero
    /// counts as one.
    pub fn new(rise: u32, fall: u32, init_fail: bool) -> Verdict {
        let rise = u64::from(rise.max(1));
        let fall = u64::from(fall.max(1));
        Verdict { rise, fall, counter: if init_fail { 0 } else { rise - 1 }, fresh: !init_fail }
    }

    /// Counts by other limits from now on. What was decided stays decided, and the successes or failures in a row that
    /// speak against it are kept.
    pub fn set_limits(&mut self, rise: u32, fall: u32) {
        let against = if self.is_up() { self.best() - self.counter } else { self.counter };
        let up = self.is_up();
        (self.rise, self.fall) = (u64::from(rise.max(1)), u64::from(fall.max(1)));
        self.counter = match (self.fresh, up) {
            (true, _) => self.rise - 1,
            (false, true) => self.best().saturating_sub(against).max(self.rise),
            (false, false) => against.min(self.rise - 1),
        };
    }

    /// The counter after enough successes.
    fn best(&self) -> u64 {
        self.rise + self.fall - 1
    }

    /// Whether the script counts as up; before the first run it does not.
    pub fn is_up(&self) -> bool {
        self.counter >= self.rise
    }

    /// Counts one run. `Some(up)` if the verdict changed, or is the first one.
    #[must_use]
    pub fn count(&mut self, success: bool) -> Option<bool> {
        let before = if self.fresh { None } else { Some(self.is_up()) };
        self.fresh = false;
        self.counter = match (success, self.is_up()) {
            (true, false) if self.counter + 1 < self.rise => self.counter + 1,
            (true, _) => self.best(),
            (false, true) if self.counter > self.rise => self.counter - 1,
            (false, _) => 0,
        };
        let now = self.is_up();
        (before != Some(now)).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs as `+` and `-`, verdicts told as `U`, `D` or `.`.
    fn told(rise: u32, fall: u32, init_fail: bool, runs: &str) -> String {
        let mut verdict = Verdict::new(rise, fall, init_fail);
        runs.chars()
            .map(|run| match verdict.count(run == '+') {
                Some(true) => 'U',
                Some(false) => 'D',
                None => '.',
            })
            .collect()
    }

    #[test]
    fn rise_and_fall_table() {
        let cases = [
            // One success is enough at start, and so is one failure.
            (3, 2, false, "+", "U"),
            (3, 2, false, "-", "D"),
            (1, 1, false, "+-+-", "UDUD"),
            // Then `fall` failures in a row go down, `rise` successes in a row go up.
            (3, 2, false, "+-+--", "U...D"),
            (3, 3, false, "+--+---", "U.....D"),
            (3, 2, false, "-++-+++", "D.....U"),
            (2, 1, false, "-+-++-", "D...UD"),
            // init_fail: down from the start, without being told so, until `rise` successes.
            (3, 2, true, "+++", "..U"),
            (1, 1, true, "-+", ".U"),
            (3, 2, true, "++-+++", ".....U"),
            // Nonsense counts as one.
            (0, 0, false, "+-+", "UDU"),
        ];
        for (rise, fall, init_fail, runs, expected) in cases {
            assert_eq!(
                told(rise, fall, init_fail, runs),
                expected,
                "rise {rise} fall {fall} {init_fail} {runs}"
            );
        }
    }

    /// What `after` is told once `before` was counted by the first limits and the second ones were set.
    fn told_after(first: (u32, u32), before: &str, second: (u32, u32), after: &str) -> String {
        let mut verdict = Verdict::new(first.0, first.1, false);
        for run in before.chars() {
            let _ = verdict.count(run == '+');
        }
        verdict.set_limits(second.0, second.1);
        let told = |run| verdict.count(run == '+').map_or('.', |up| if up { 'U' } else { 'D' });
        after.chars().map(told).collect()
    }

    #[test]
    fn other_limits_forget_nothing() {
        let cases = [
            // Up stays up until `fall` failures in a row, those before counted.
            ((1, 1), "+", (1, 3), "---", "..D"),
            ((1, 3), "+--", (1, 3), "-", "D"),
            ((1, 3), "+--", (1, 4), "--", ".D"),
            // More of them than are needed now: the next one decides.
            ((1, 5), "+---", (1, 2), "-", "D"),
            ((1, 5), "+---", (1, 2), "+--", "..D"),
            // Down stays down until `rise` successes in a row.
            ((1, 1), "-", (3, 1), "+++", "..U"),
            ((5, 1), "-+++", (2, 1), "+", "U"),
            // Before the first run there is nothing to keep, and that run decides alone.
            ((1, 1), "", (5, 2), "+", "U"),
            ((5, 1), "", (2, 2), "-", "D"),
        ];
        for (first, before, second, after, expected) in cases {
            let told = told_after(first, before, second, after);
            assert_eq!(told, expected, "{first:?} {before} {second:?} {after}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut verdict = Verdict::new(u32::MAX, u32::MAX, false);
        assert_eq!(verdict.count(true), Some(true));
        assert_eq!(verdict.count(false), None);
        verdict.set_limits(1, 1);
        verdict.set_limits(u32::MAX, u32::MAX);
        let mut verdict = Verdict::new(u32::MAX, 1, true);
        assert_eq!(verdict.count(true), None);
    }
}
