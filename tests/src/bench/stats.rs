//! Summaries of what was measured.

use std::time::Duration;

use crate::lab::clock::Moment;

/// Five numbers about a sample. Of nothing, all are NaN: shown as such, and no goal is met by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) count: usize,
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) p95: f64,
    pub(super) max: f64,
    /// How far the median may be off: half the width of a notch (1.57 × interquartile range / √n), within which
    /// two medians do not differ at the 95 % level.
    pub(super) noise: f64,
}

impl Summary {
    pub(super) fn of(values: &[f64]) -> Summary {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let root = f64::from(u32::try_from(count).unwrap_or(u32::MAX)).sqrt();
        let at = |percent| sorted.get(rank(count, percent)).copied().unwrap_or(f64::NAN);
        let middle = match count % 2 {
            0 if count > 0 => f64::midpoint(at(50), sorted.get(count / 2).copied().unwrap_or(f64::NAN)),
            _ => at(50),
        };
        Summary {
            count,
            min: sorted.first().copied().unwrap_or(f64::NAN),
            median: middle,
            p95: at(95),
            max: sorted.last().copied().unwrap_or(f64::NAN),
            noise: 1.57 * (at(75) - at(25)) / root,
        }
    }
}

/// A percentile by nearest rank; not a number of nothing.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(rank(sorted.len(), percent)).copied().unwrap_or(f64::NAN)
}

/// Index of a percentile by nearest rank.
fn rank(count: usize, percent: usize) -> usize {
    (count * percent).div_ceil(100).saturating_sub(1)
}

/// Milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Milliseconds from `from` to `to`, negative when `to` was earlier.
pub(super) fn ms_between(from: Moment, to: Moment) -> f64 {
    if to >= from { ms(to.since(from)) } else { -ms(from.since(to)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_values() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let summary = Summary::of(&values);
        assert_eq!(summary.count, 20);
        let shown = [summary.min, summary.median, summary.p95, summary.max].map(|value| value.to_string());
        assert_eq!(shown, ["1", "10.5", "19", "20"]);
        assert!((summary.noise - 1.57 * 10.0 / 20_f64.sqrt()).abs() < 1e-9, "{}", summary.noise);
    }

    #[test]
    fn few_values_and_none() {
        assert_eq!(Summary::of(&[7.0]).median.to_string(), "7");
        assert_eq!(Summary::of(&[7.0]).p95.to_string(), "7");
        assert_eq!(Summary::of(&[1.0, 2.0, 9.0]).median.to_string(), "2");
        assert!(Summary::of(&[]).median.is_nan());
    }

    #[test]
    fn time_runs_both_ways() {
        assert_eq!(ms_between(Moment(1_000_000), Moment(3_000_000)).to_string(), "2");
        assert_eq!(ms_between(Moment(3_000_000), Moment(1_000_000)).to_string(), "-2");
    }
}
