//! Health scripts and notify scripts.

use std::fmt;

use super::super::observation::Observation;
use super::family::Families;

pub(super) fn write(families: &mut Families, observation: &Observation) -> fmt::Result {
    let known = observation.status.scripts.iter();
    let up = known.filter_map(|script| Some(([("script", &script.name)], u32::from(script.up?))));
    families.gauges(
        "vipward_script_up",
        "Whether a health script counts as up; absent until its first result",
        up,
    )?;
    let tallies = || observation.scripts.iter().map(|(name, tally)| ([("script", name)], tally));
    let runs = tallies().map(|(labels, tally)| (labels, tally.durations.count()));
    families.counters("vipward_script_runs", "Runs of a health script", runs)?;
    let failures = tallies().map(|(labels, tally)| (labels, tally.failures));
    families.counters("vipward_script_failures", "Runs of a health script that failed", failures)?;
    let durations = tallies().map(|(labels, tally)| (labels, &tally.durations));
    families.histograms("vipward_script_duration_seconds", "How long health scripts ran", durations)?;
    let notified = &observation.notified;
    families.counter("vipward_notify_runs", "Runs of notify scripts", &notified.durations.count())?;
    families.counter("vipward_notify_failures", "Runs of notify scripts that failed", &notified.failures)?;
    families.histogram("vipward_notify_duration_seconds", "How long notify scripts ran", &notified.durations)
}
