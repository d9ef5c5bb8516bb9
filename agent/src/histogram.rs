//! How long things took, counted in buckets: no allocation, no lock, a handful of instructions.

use std::time::Duration;

/// Buckets that a histogram may have, beside the last one without a bound.
const MAX_BOUNDS: usize = 16;

/// Bounds in nanoseconds for what takes microseconds to seconds.
pub const SHORT: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
];

/// Bounds in nanoseconds for what takes milliseconds to a minute.
pub const LONG: &[u64] = &[
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
    60_000_000_000,
];

const _: () = assert!(SHORT.len() <= MAX_BOUNDS && LONG.len() <= MAX_BOUNDS);

/// A histogram of durations.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: [u64; MAX_BOUNDS + 1],
    sum: u64,
}

impl Histogram {
    /// An empty one with these upper bounds, in rising order. Those after the sixteenth are left out.
    pub fn new(bounds: &'static [u64]) -> Histogram {
        Histogram { bounds: bounds.get(..MAX_BOUNDS).unwrap_or(bounds), counts: [0; MAX_BOUNDS + 1], sum: 0 }
    }

    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(nanos);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Each bound in seconds with what is in its bucket alone; the last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().map(|bound| Duration::from_nanos(*bound).as_secs_f64());
        bounds.chain([f64::INFINITY]).zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_takes_it() {
        let mut histogram = Histogram::new(SHORT);
        for nanos in [0, 10_000, 10_001, 1_000_000_000, 1_000_000_001] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let filled: Vec<(f64, u64)> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(1e-5, 2), (2.5e-5, 1), (1.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((histogram.count(), histogram.sum()), (5, Duration::from_nanos(2_000_020_002)));
    }
}
