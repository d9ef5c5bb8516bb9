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
    /// Rounds that could not be counted, and why.
    pub(super) notes: Vec<String>,
    /// The machine's load average before and after: what else ran.
    pub(super) load: [Option<f64>; 2],
}

/// One thing that was measured on every contender.
#[derive(Debug, Serialize)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Values that each contender owes: a goal is not met by fewer, for what is missing went wrong.
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
    /// The least of all; its limit is from below.
    Min,
}

/// Whether one contender reached one goal: its value is at most the limit and the noise.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) contender: Contender,
    pub(super) statistic: Statistic,
    pub(super) value: f64,
    pub(super) limit: f64,
    /// How far chance or the instrument may move the value: where the limit was measured itself, what two medians
    /// may differ by; where the client saw it, the period of its probes.
    pub(super) noise: Option<f64>,
    pub(super) met: bool,
}

impl Metric {
    /// An empty metric for these contenders, who owe `wanted` values each.
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        contenders: &[Contender],
        wanted: u32,
    ) -> Metric {
        let samples = contenders.iter().map(|contender| Sample { contender: *contender, values: Vec::new() });
        Metric {
            name,
            unit,
            wanted: usize::try_from(wanted).unwrap_or(usize::MAX),
            samples: samples.collect(),
            verdicts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, contender: Contender, value: f64) {
        if let Some(sample) = self.samples.iter_mut().find(|sample| sample.contender == contender) {
            sample.values.push(value);
        }
    }

    /// Summary of one contender.
    pub(super) fn summary(&self, contender: Contender) -> Summary {
        let sample = self.samples.iter().find(|sample| sample.contender == contender);
        Summary::of(sample.map_or(&[], |sample| &sample.values))
    }

    /// Judges all of `whom` by a number that is known beforehand.
    pub(super) fn at_most(&mut self, statistic: Statistic, limit: f64, whom: impl Fn(Contender) -> bool) {
        self.judge(statistic, whom, |_| (limit, None));
    }

    /// Judges by what must at least be done: `limit` is below the values.
    pub(super) fn at_least(&mut self, limit: f64, whom: impl Fn(Contender) -> bool) {
        let judged: Vec<Contender> =
            self.samples.iter().map(|sample| sample.contender).filter(|contender| whom(*contender)).collect();
        for contender in judged {
            let Summary { count, min: value, .. } = self.summary(contender);
            let (statistic, noise) = (Statistic::Min, None);
            let met = count >= self.wanted && value >= limit;
            self.verdicts.push(Verdict { contender, statistic, value, limit, noise, met });
        }
    }

    /// Judges by a known number what the client sees, which it can only once in a `period` of its probes.
    pub(super) fn at_most_probed(&mut self, limit: f64, period: f64, whom: impl Fn(Contender) -> bool) {
        self.judge(Statistic::P95, whom, |_| (limit, Some(period)));
    }

    /// Judges the medians of all of `whom` by keepalived's, within the noise of both.
    pub(super) fn at_most_keepalived(&mut self, whom: impl Fn(Contender) -> bool) {
        if let Some(best) = self.keepalived() {
            self.judge(Statistic::Median, whom, |own| (best.median, Some(best.noise.hypot(own.noise))));
        }
    }

    /// Judges the medians of all of `whom` by `share` of keepalived's.
    pub(super) fn at_most_share(&mut self, share: f64, whom: impl Fn(Contender) -> bool) {
        if let Some(best) = self.keepalived() {
            self.judge(Statistic::Median, whom, |_| (best.median * share, None));
        }
    }

    /// keepalived in the better of its two ways.
    fn keepalived(&self) -> Option<Summary> {
        let both = [Contender::Keepalived, Contender::KeepalivedRt];
        let both = both.into_iter().map(|contender| self.summary(contender));
        both.filter(|summary| summary.count > 0).min_by(|a, b| a.median.total_cmp(&b.median))
    }

    fn judge(
        &mut self,
        statistic: Statistic,
        whom: impl Fn(Contender) -> bool,
        limit: impl Fn(&Summary) -> (f64, Option<f64>),
    ) {
        let judged = self.samples.iter().map(|sample| sample.contender).filter(|contender| whom(*contender));
        let verdicts: Vec<Verdict> = judged
            .map(|contender| {
                let summary = self.summary(contender);
                let value = match statistic {
                    Statistic::Median => summary.median,
                    Statistic::P95 => summary.p95,
                    Statistic::Min => summary.min,
                };
                let (limit, noise) = limit(&summary);
                // NaN, of nothing measured, is below no limit.
                let met = summary.count >= self.wanted && value <= limit + noise.unwrap_or(0.0);
                Verdict { contender, statistic, value, limit, noise, met }
            })
            .collect();
        self.verdicts.extend(verdicts);
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
    fn what_was_not_measured_misses_its_goals() {
        let mut gap = metric(&[(Contender::Xdp, &[]), (Contender::Socket, &[1.0])]);
        gap.at_most(Statistic::Median, 2.0, Contender::is_vipward);
        assert_eq!(met(&gap), [false, true]);
        gap.wanted = 2;
        gap.verdicts.clear();
        gap.at_most(Statistic::Median, 2.0, Contender::is_vipward);
        assert_eq!(met(&gap), [false, false], "one of two went wrong");
        gap.verdicts.clear();
        gap.at_most_keepalived(Contender::is_vipward);
        assert!(gap.verdicts.is_empty(), "without keepalived there is no measure");
    }
}
