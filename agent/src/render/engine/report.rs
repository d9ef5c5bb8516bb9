//! What `status` shows of the rendering half. Field names are an interface: add, never rename.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::RenderError;
use super::group::{Group, Phase};
use super::slot::Slot;
use crate::control::status::rfc3339;
use crate::render::apply::secrecy;

/// One resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceReport {
    /// Its file below `conf.d`.
    pub name: String,
    /// The template; empty for a resource that is not in use.
    pub src: String,
    /// The rendered file, likewise.
    pub dest: String,
    /// How it stands.
    pub state: State,
    /// Times that it was rendered.
    pub renders: u64,
    /// Times that its file changed.
    pub changes: u64,
    /// When it was rendered last, RFC 3339.
    pub last_render: Option<String>,
    /// When its file was last known to be what it should be.
    pub last_success: Option<String>,
    /// When its file changed last.
    pub last_change: Option<String>,
    /// What that was, as a unified diff cut short; nothing if not everybody may read the file. For the status page alone:
    /// those of thousands of files do not fit into an answer.
    #[serde(skip)]
    pub last_diff: Option<String>,
    /// Not everybody may read the file, or one that shares its reload, so what a command says of it is not for everybody.
    pub private: bool,
    /// Since when a change in the store waits to be in its file.
    pub pending_since: Option<String>,
    /// Why its file is not what it should be.
    pub last_error: Option<String>,
    /// Since when.
    pub failing_since: Option<String>,
    /// When that is tried again.
    pub next_try: Option<String>,
    /// Since when the store is out of reach, and the file may be old.
    pub stale_since: Option<String>,
    /// Why the store is.
    pub store_error: Option<String>,
    /// How its reload stands, if it has one.
    pub reload: Option<ReloadReport>,
}

/// What is said in place of what not everybody may see.
const PRIVATE: &str = "not shown here, for not everybody may read that file; `vipward status` tells root";

impl ResourceReport {
    /// Why its file is not what it should be, as everybody may see it.
    pub fn public_error(&self) -> Option<&str> {
        self.public(self.last_error.as_deref())
    }

    /// Why its reload failed, likewise.
    pub fn public_reload_error(&self) -> Option<&str> {
        self.public(self.reload.as_ref()?.last_error.as_deref())
    }

    fn public<'a>(&self, why: Option<&'a str>) -> Option<&'a str> {
        why.map(|why| if self.private { PRIVATE } else { why })
    }
}

/// How a resource stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The store was not read yet, or lacks a key that the template needs.
    #[default]
    Waiting,
    /// The file is what it should be.
    Ok,
    /// It is not.
    Failed,
    /// The resource cannot be used.
    Rejected,
}

/// A reload, which several resources may share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadReport {
    /// `ok`, `running`, `pending` or `failed`.
    pub state: String,
    /// Times that it was run.
    pub runs: u64,
    /// Those of them that succeeded.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those after which the files were put back.
    pub rolled_back: u64,
    /// Failures in a row.
    pub failures: u32,
    /// When it is tried again, RFC 3339.
    pub next_try: Option<String>,
    /// When it succeeded last.
    pub last_success: Option<String>,
    /// Why it failed.
    pub last_error: Option<String>,
}

/// Everything, in the order of the resources' files.
pub(super) fn all(
    slots: &[Slot],
    groups: &[Group],
    rejected: &[(PathBuf, String)],
    outage: Option<&(SystemTime, String)>,
) -> Vec<ResourceReport> {
    // What a reload says may be about any of the files that share it.
    let mut private = vec![false; groups.len()];
    for slot in slots.iter().filter(|slot| slot.private) {
        if let Some(group) = private.get_mut(slot.group) {
            *group = true;
        }
    }
    let is_private = |slot: &Slot| slot.private || private.get(slot.group).copied().unwrap_or(true);
    let mut reports: Vec<ResourceReport> =
        slots.iter().map(|slot| of(slot, groups.get(slot.group), is_private(slot), outage)).collect();
    reports.extend(rejected.iter().map(|(file, why)| ResourceReport {
        name: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        state: State::Rejected,
        last_error: Some(why.clone()),
        private: secrecy::is_private_file(file),
        ..ResourceReport::default()
    }));
    reports
}

fn of(
    slot: &Slot,
    group: Option<&Group>,
    private: bool,
    outage: Option<&(SystemTime, String)>,
) -> ResourceReport {
    let history = &slot.history;
    let (stale_since, store_error) =
        outage.map_or((None, None), |(since, why)| (time(Some(*since)), Some(why.clone())));
    let state = match (&slot.failure, history.last_success) {
        (Some(RenderError::Failed(_)), _) => State::Failed,
        (Some(RenderError::Waiting { .. }), _) | (None, None) => State::Waiting,
        (None, Some(_)) => State::Ok,
    };
    ResourceReport {
        name: slot.name().to_owned(),
        src: slot.resource.src.display().to_string(),
        dest: slot.resource.dest.display().to_string(),
        state,
        renders: history.renders,
        changes: history.changes,
        last_render: time(history.last_render),
        last_success: time(history.last_success),
        last_change: time(history.last_change),
        last_diff: history.last_diff.clone().filter(|_| !slot.private),
        private,
        pending_since: time(history.pending_since),
        last_error: slot.failure.as_ref().map(ToString::to_string),
        failing_since: time(history.failing_since),
        next_try: time(slot.retry.map(|due| due.clock)),
        stale_since,
        store_error,
        reload: group.filter(|group| group.reload.is_some()).map(reload),
    }
}

fn reload(group: &Group) -> ReloadReport {
    let state = match group {
        Group { phase: Phase::Reloading, .. } => "running",
        Group { failure: Some(_), .. } => "failed",
        Group { wanted: true, .. } => "pending",
        _ => "ok",
    };
    ReloadReport {
        state: state.to_owned(),
        runs: group.reloads,
        done: group.done,
        failed: group.failed,
        rolled_back: group.rolled_back,
        failures: group.failures,
        next_try: time(group.next_try.map(|due| due.clock)),
        last_success: time(group.last_success),
        last_error: group.failure.clone(),
    }
}

fn time(at: Option<SystemTime>) -> Option<String> {
    at.map(rfc3339)
}
