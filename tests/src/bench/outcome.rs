//! What a scenario brought: the raw values of each contender and metric, and the goals set for them.

use serde::Serialize;

use super::contender::Contender;
use super::stats::Summary;

/// Results of one scenario.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    /// What was done, in words.
    pub(super) title: String,
    /// Master_Down_Interval of the backup in milliseconds, where there was a failover.
    pub(super) master_down_ms: Option<f64>,
    pub(super) metrics: Vec<Metric>,
    /// Rounds in which a contender did not do what it is there for.
    pub(super) failures: Vec<Failure>,
    /// What else went wrong and was tried again or given up.
    pub(super) notes: Vec<String>,
    /// The machine's load average before and after: what else ran.
    pub(super) load: [Option<f64>; 2],
}

/// A round that a contender failed: it brings no value, and for one that goals are set for it misses one.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) contender: Contender,
    pub(super) why: String,
}

/// One thing that was measured on every contender.
#[derive(Debug, Serialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) unit: &'static str,
    /// Values that each contender should bring; a goal is not met by fewer.
    pub(super) wanted: usize,
    pub(super) samples: Vec<Sample>,
    pub(super) verdicts: Vec<Verdict>,
}

/// All values of one contender.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub(super) contender: Contender,
    pub(super) values: Vec<f64>,
}

/// Which number of a sample a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Statistic {
    Median,
    P95,
    Min,
}

/// On which side of its limit a value should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Side {
    AtMost,
    AtLeast,
}

/// Whether one contender reached one goal: enough values, on the right side of the limit within the noise.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) contender: Contender,
    pub(super) statistic: Statistic,
    pub(super) side: Side,
    /// Not a number where nothing was measured.
    pub(super) value: f64,
    pub(super) limit: f64,
    /// How far chance or the instrument may move the value: where the limit was measured itself, what two medians
    /// may differ by; where the client saw it, the period of its probes.
    pub(super) noise: Option<f64>,
    /// How many values there should have been more.
    pub(super) missing: usize,
    pub(super) met: bool,
}

impl Metric {
    /// An empty metric for these contenders, each of which should bring `wanted` values.
    pub(super) fn new(
        name: impl Into<String>,
        unit: &'static str,
        contenders: &[Contender],
        wanted: u32,
    ) -> Metric {
        let samples = contenders.iter().map(|contender| Sample { contender: *contender, values: Vec::new() });
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        Metric { name: name.into(), unit, wanted, samples: samples.collect(), verdicts: Vec::new() }
    }

    pub(super) fn add(&mut self, contender: Contender, value: f64) {
        if let Some(sample) = self.samples.iter_mut().find(|sample| sample.contender == contender) {
            sample.values.push(value);
        }
    }

    /// Summary of one contender; nothing if it brought no values.
    pub(super) fn summary(&self, contender: Contender) -> Option<Summary> {
        let sample = self.samples.iter().find(|sample| sample.contender == contender)?;
        (!sample.values.is_empty()).then(|| Summary::of(&sample.values))
    }

    /// Judges all of `whom` by a number that is known beforehand.
    pub(super) fn at_most(&mut self, statistic: Statistic, limit: f64, whom: impl Fn(Contender) -> bool) {
        self.judge(statistic, Side::AtMost, whom, |_| (limit, None));
    }

    /// Judges the least value of all of `whom` by what they must reach.
    pub(super) fn at_least(&mut self, limit: f64, whom: impl Fn(Contender) -> bool) {
        self.judge(Statistic::Min, Side::AtLeast, whom, |_| (limit, None));
    }

    /// Judges by a known number what the client sees, which it can only once in a `period` of its probes.
    pub(super) fn at_most_probed(&mut self, limit: f64, period: f64, whom: impl Fn(Contender) -> bool) {
        self.judge(Statistic::P95, Side::AtMost, whom, |_| (limit, Some(period)));
    }

    /// Judges the medians of all of `whom` by keepalived's, within the noise of both.
    pub(super) fn at_most_keepalived(&mut self, whom: impl Fn(Contender) -> bool) {
        if let Some(best) = self.keepalived() {
            let limit = |own: &Summary| (best.median, Some(best.noise.hypot(own.noise)));
            self.judge(Statistic::Median, Side::AtMost, whom, limit);
        }
    }

    /// Judges the medians of all of `whom` by `share` of keepalived's.
    pub(super) fn at_most_share(&mut self, share: f64, whom: impl Fn(Contender) -> bool) {
        if let Some(best) = self.keepalived() {
            self.judge(Statistic::Median, Side::AtMost, whom, |_| (best.median * share, None));
        }
    }

    /// keepalived in the better of its two ways. Where it took part and nothing was measured, no limit is met;
    /// where it did not take part there is none.
    fn keepalived(&self) -> Option<Summary> {
        let keepaliveds = self.samples.iter().filter(|sample| !sample.contender.is_vipward());
        let summaries = keepaliveds.map(|sample| Summary::of(&sample.values));
        // Not a number is greater than every number here.
        summaries.min_by(|a, b| a.median.total_cmp(&b.median))
    }

    fn judge(
        &mut self,
        statistic: Statistic,
        side: Side,
        whom: impl Fn(Contender) -> bool,
        limit: impl Fn(&Summary) -> (f64, Option<f64>),
    ) {
        for sample in self.samples.iter().filter(|sample| whom(sample.contender)) {
            let summary = Summary::of(&sample.values);
            let value = match statistic {
                Statistic::Median => summary.median,
                Statistic::P95 => summary.p95,
                Statistic::Min => summary.min,
            };
            let (limit, noise) = limit(&summary);
            let slack = noise.unwrap_or(0.0);
            let missing = self.wanted.saturating_sub(sample.values.len());
            let reached = match side {
                Side::AtMost => value <= limit + slack,
                Side::AtLeast => value >= limit - slack,
            };
            let met = reached && missing == 0;
            let contender = sample.contender;
            self.verdicts.push(Verdict { contender, statistic, side, value, limit, noise, missing, met });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(values: &[(Contender, &[f64])]) -> Metric {
        let contenders: Vec<Contender> = values.iter().map(|(contender, _)| *contender).collect();
        let mut metric = Metric::new("gap", "ms", &contenders, 1);
        for (contender, values) in values {
            for value in *values {
                metric.add(*contender, *value);
            }
        }
        metric
    }

    fn met(metric: &Metric) -> Vec<bool> {
        metric.verdicts.iter().map(|verdict| verdict.met).collect()
    }

    #[test]
    fn a_fixed_limit_is_met_or_missed() {
        let mut gap = metric(&[(Contender::Xdp, &[1.0, 2.0, 9.0]), (Contender::Keepalived, &[50.0])]);
        gap.at_most(Statistic::Median, 2.0, Contender::is_vipward);
        gap.at_most(Statistic::P95, 2.0, Contender::is_vipward);
        assert_eq!(met(&gap), [true, false], "and keepalived is not judged");
    }

    #[test]
    fn keepalived_at_its_best_is_the_measure_within_the_noise() {
        let mut gap = metric(&[
            (Contender::Keepalived, &[50.0; 4]),
            (Contender::KeepalivedRt, &[10.0; 4]),
            (Contender::Xdp, &[10.0; 4]),
            (Contender::XdpGeneric, &[10.1; 4]),
            (Contender::Socket, &[5.0, 9.0, 12.0, 18.0]),
        ]);
        gap.at_most_keepalived(Contender::is_vipward);
        assert_eq!(met(&gap), [true, false, true]);
        gap.verdicts.clear();
        gap.at_most_share(1.05, Contender::is_vipward);
        assert_eq!(met(&gap), [true, true, true], "10.5 is the median of the last, and exactly the limit");
        gap.verdicts.clear();
        gap.at_most_share(1.0, Contender::is_vipward);
        assert_eq!(met(&gap), [true, false, false], "a share leaves no room for noise");
    }

    #[test]
    fn too_few_values_miss_every_goal() {
        let mut gap = metric(&[(Contender::Xdp, &[]), (Contender::Socket, &[1.0; 3])]);
        gap.wanted = 4;
        gap.at_most(Statistic::Median, 2.0, Contender::is_vipward);
        assert_eq!(met(&gap), [false, false]);
        assert_eq!(gap.verdicts.iter().map(|verdict| verdict.missing).collect::<Vec<_>>(), [4, 1]);
        gap.add(Contender::Socket, 1.0);
        gap.verdicts.clear();
        gap.at_most(Statistic::Median, 2.0, Contender::is_vipward);
        assert_eq!(met(&gap), [false, true]);
    }

    #[test]
    fn a_keepalived_that_brought_nothing_is_no_measure_and_one_that_is_absent_sets_none() {
        let mut gap = metric(&[(Contender::Xdp, &[1.0])]);
        gap.at_most_keepalived(Contender::is_vipward);
        assert!(gap.verdicts.is_empty());
        let mut gap = metric(&[(Contender::Xdp, &[1.0]), (Contender::Keepalived, &[])]);
        gap.at_most_keepalived(Contender::is_vipward);
        gap.at_most_share(0.5, Contender::is_vipward);
        assert_eq!(met(&gap), [false, false]);
    }

    #[test]
    fn a_rate_must_be_reached() {
        let mut rate =
            metric(&[(Contender::Xdp, &[9_990.0]), (Contender::Socket, &[9_990.0, 9_990.0, 5_000.0])]);
        rate.at_least(9_900.0, Contender::is_vipward);
        assert_eq!(met(&rate), [true, false]);
    }
}
