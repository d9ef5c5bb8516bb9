//! Rendered files in the status for people: a row each, and below the table what needs attention.

use super::render::{Row, printable, to_the_second};
use crate::render::engine::{ReloadReport, ResourceReport, State};

/// Heads of the columns.
pub(super) const HEADER: [&str; 5] = ["RESOURCE", "STATE", "FILE", "CHANGED (UTC)", "RELOAD"];

/// One resource in the table.
pub(super) fn row(resource: &ResourceReport) -> Row {
    let (state, paint) = match resource.state {
        _ if resource.stale_since.is_some() && resource.state == State::Ok => ("STALE", "33"),
        State::Ok => ("OK", "32"),
        State::Waiting => ("WAITING", "33"),
        State::Failed => ("FAILED", "1;31"),
        State::Rejected => ("REJECTED", "1;31"),
    };
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let cells = vec![
        printable(&resource.name),
        state.to_owned(),
        or_dash(printable(&resource.dest)),
        or_dash(resource.last_change.as_deref().map(to_the_second).unwrap_or_default()),
        or_dash(resource.reload.as_ref().map(|reload| printable(&reload.state)).unwrap_or_default()),
    ];
    Row { cells, paint }
}

/// What needs attention. The store is the same for all of them, and so is a reload that several share.
pub(super) fn notes(resources: &[ResourceReport]) -> Vec<String> {
    let store = resources.iter().find_map(|resource| {
        let since = to_the_second(resource.stale_since.as_deref()?);
        let why = resource.store_error.as_deref().map(printable).unwrap_or_default();
        Some(format!("the store is out of reach since {since}, and files may be out of date: {why}"))
    });
    let mut notes: Vec<String> = store.into_iter().collect();
    for resource in resources {
        let name = printable(&resource.name);
        if let Some(why) = &resource.last_error {
            let again = resource.next_try.as_deref().map(to_the_second);
            let again = again.map(|at| format!(" (next try {at})")).unwrap_or_default();
            notes.push(format!("{name}: {}{again}", printable(why)));
        }
        if let Some(ReloadReport { last_error: Some(why), failures, .. }) = &resource.reload {
            notes.push(format!("{name}: {failures} reloads in a row failed: {}", printable(why)));
        }
    }
    notes
}
