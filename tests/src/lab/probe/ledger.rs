//! Which probe was answered: silence says how long nobody answered, this says how many asked in vain.

use std::collections::VecDeque;

use crate::lab::clock::Moment;

/// What was asked of one target, by the 16-bit numbers of its probes.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Number of the oldest that is kept.
    first: u16,
    asked: VecDeque<(Moment, bool)>,
}

impl Ledger {
    /// Probe after probe, one number after the other.
    pub(super) fn ask(&mut self, at: Moment) {
        self.asked.push_back((at, false));
        // A number that comes again means the new probe.
        if self.asked.len() > usize::from(u16::MAX) {
            self.asked.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    pub(super) fn answer(&mut self, number: u16) {
        if let Some((_, answered)) = self.asked.get_mut(usize::from(number.wrapping_sub(self.first))) {
            *answered = true;
        }
    }

    /// Probes of `from..to`, and how many of them nobody has answered so far.
    pub(super) fn lost(&self, from: Moment, to: Moment) -> (usize, usize) {
        let within = self.asked.iter().filter(|(at, _)| (from..to).contains(at));
        within.fold((0, 0), |(asked, lost), (_, answered)| (asked + 1, lost + usize::from(!answered)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_was_not_answered() {
        let mut ledger = Ledger::default();
        for at in 0..10 {
            ledger.ask(Moment(at));
        }
        for number in [0, 1, 2, 5, 9, 10] {
            ledger.answer(number);
        }
        assert_eq!(ledger.lost(Moment(0), Moment(10)), (10, 5));
        assert_eq!(ledger.lost(Moment(1), Moment(4)), (3, 1));
    }

    #[test]
    fn numbers_come_again() {
        let mut ledger = Ledger::default();
        for at in 0..70_000 {
            ledger.ask(Moment(at));
        }
        // 69,999 modulo 65,536.
        ledger.answer(4463);
        assert_eq!(ledger.lost(Moment(69_998), Moment(70_000)), (2, 1));
    }
}
