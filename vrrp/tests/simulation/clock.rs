//! Each host's CLOCK_MONOTONIC: it began at another time than its neighbours', and runs at a slightly other rate.

use vipward_vrrp::types::Mono;

/// Parts in a million.
const MILLION: i128 = 1_000_000;

/// The clock of one node, as a function of true time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// What it shows at true time 0.
    pub(crate) offset: u64,
    /// How much faster than true time it runs, in parts per million.
    pub(crate) ppm: i32,
}

impl Clock {
    /// What it shows at a true time.
    pub(crate) fn shows(self, now: Mono) -> Mono {
        let elapsed = i128::from(now.0) * (MILLION + i128::from(self.ppm)) / MILLION;
        Mono(self.offset + u64::try_from(elapsed).unwrap())
    }

    /// The first true time at which it shows `local`.
    pub(crate) fn when(self, local: Mono) -> Mono {
        let elapsed = i128::from(local.0.saturating_sub(self.offset)) * MILLION;
        let rate = MILLION + i128::from(self.ppm);
        Mono(u64::try_from((elapsed + rate - 1) / rate).unwrap())
    }
}

#[test]
fn a_deadline_has_come_when_the_clock_says_so_and_not_before() {
    for ppm in [-500, -1, 0, 3, 500, 20_000] {
        let clock = Clock { offset: 777, ppm };
        for local in [778, 1_000_003, 999_999_999_999] {
            let when = clock.when(Mono(local));
            assert!(clock.shows(when) >= Mono(local), "{ppm} ppm, {local}");
            assert!(clock.shows(Mono(when.0 - 1)) < Mono(local), "{ppm} ppm, {local}");
        }
    }
}
