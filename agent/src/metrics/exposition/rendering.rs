//! Rendered files, their reloads and the store. A reload of the agent begins their counts anew.

use std::fmt;
use std::time::SystemTime;

use super::family::{Families, Label, age, timestamp};
use crate::render::engine::{ResourceReport, State};

fn name(resource: &ResourceReport) -> [Label<'_>; 1] {
    [("resource", &resource.name)]
}

pub(super) fn write(families: &mut Families, resources: &[ResourceReport], now: SystemTime) -> fmt::Result {
    files(families, resources, now)?;
    reloads(families, resources)?;
    store(families, resources, now)
}

fn files(families: &mut Families, resources: &[ResourceReport], now: SystemTime) -> fmt::Result {
    let each = || resources.iter();
    let ok = each().map(|it| (name(it), u32::from(it.state == State::Ok)));
    families.gauges("vipward_render_ok", "Whether a file is what it should be", ok)?;
    let success = each().filter_map(|it| Some((name(it), timestamp(it.last_success.as_deref()?)?)));
    families.gauges(
        "vipward_render_last_success_timestamp_seconds",
        "When a file was last known to be what it should be, in seconds since 1970",
        success,
    )?;
    let change = each().filter_map(|it| Some((name(it), timestamp(it.last_change.as_deref()?)?)));
    families.gauges(
        "vipward_render_last_change_timestamp_seconds",
        "When a file changed last, in seconds since 1970",
        change,
    )?;
    let failing = each().map(|it| (name(it), age(it.failing_since.as_deref(), now).as_secs_f64()));
    families.gauges(
        "vipward_render_failing_seconds",
        "For how long a file has failed; 0 if it does not",
        failing,
    )?;
    let lag = each().map(|it| (name(it), age(it.pending_since.as_deref(), now).as_secs_f64()));
    families.gauges(
        "vipward_render_lag_seconds",
        "For how long a change in the store has waited to be in a file; 0 if none waits",
        lag,
    )?;
    families.counters(
        "vipward_renders",
        "Times that a file was rendered",
        each().map(|it| (name(it), it.renders)),
    )?;
    families.counters(
        "vipward_render_changes",
        "Times that a file changed",
        each().map(|it| (name(it), it.changes)),
    )
}

fn reloads(families: &mut Families, resources: &[ResourceReport]) -> fmt::Result {
    let with_reload = || resources.iter().filter_map(|it| Some((it, it.reload.as_ref()?)));
    let results = with_reload().flat_map(|(resource, reload)| {
        let results = [("ok", reload.done), ("failed", reload.failed), ("rolled_back", reload.rolled_back)];
        results.map(|(result, count)| ([("resource", resource.name.as_str()), ("result", result)], count))
    });
    families.counters(
        "vipward_reloads",
        "Reloads by result; one that several resources share is counted for each of them",
        results,
    )?;
    let ok = with_reload().map(|(resource, reload)| (name(resource), u32::from(reload.last_error.is_none())));
    families.gauges("vipward_reload_ok", "0 while a reload fails and is tried again", ok)
}

/// The store is the same for all resources.
fn store(families: &mut Families, resources: &[ResourceReport], now: SystemTime) -> fmt::Result {
    let stale_since = resources.iter().find_map(|it| it.stale_since.as_deref());
    if resources.is_empty() {
        return Ok(());
    }
    let read = resources.iter().any(|it| it.last_render.is_some());
    families.gauge(
        "vipward_store_connected",
        "1 while the keys of the store are current",
        &u32::from(read && stale_since.is_none()),
    )?;
    families.gauge(
        "vipward_store_stale_seconds",
        "For how long the store has been out of reach, and files may be old; 0 while it is not",
        &age(stale_since, now).as_secs_f64(),
    )
}
