//! Resources that share a reload: what runs, what is still to be run, and when it is tried again.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::debounce::is_quiet;
use super::slot::{Slot, is_news};
use super::{Due, Engine, Event, NO_TIMEOUT, RenderError};
use crate::render::apply::Previous;
use crate::render::reload::{self, Ended};
use crate::render::resource::{Reload, Wait};

/// What goes on in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing.
    Idle,
    /// Some of its resources are rendered, checked and put in place.
    Rendering,
    /// The service reads its files.
    Reloading,
}

/// The state of one reload.
#[derive(Debug)]
pub(super) struct Group {
    /// What is run; `None` for resources that need no reload, each a group of its own.
    pub(super) reload: Option<Reload>,
    /// The longest of its resources'.
    pub(super) timeout: Duration,
    /// When one of its resources changed last.
    pub(super) touched: Option<Instant>,
    /// Something was written that the service has not read yet.
    pub(super) wanted: bool,
    pub(super) phase: Phase,
    /// What was written since the last reload, by slot.
    pub(super) written: Vec<(usize, Previous)>,
    /// Those that the running reload is for.
    under_way: Vec<usize>,
    /// After a refusal of several files, they are tried one by one, for not all of them need be at fault.
    pub(super) one_by_one: bool,
    pub(super) failures: u32,
    pub(super) next_try: Option<Due>,
    /// Why the service does not run what is on the disk.
    pub(super) failure: Option<String>,
    pub(super) last_success: Option<SystemTime>,
    pub(super) reloads: u64,
    /// Those of them that succeeded.
    pub(super) done: u64,
    /// Those that failed.
    pub(super) failed: u64,
    /// Those after which the files were put back.
    pub(super) rolled_back: u64,
    said: Option<String>,
}

impl Group {
    pub(super) fn new(reload: Option<Reload>) -> Group {
        Group {
            reload,
            timeout: NO_TIMEOUT,
            touched: None,
            wanted: false,
            phase: Phase::Idle,
            written: Vec::new(),
            under_way: Vec::new(),
            one_by_one: false,
            failures: 0,
            next_try: None,
            failure: None,
            last_success: None,
            reloads: 0,
            done: 0,
            failed: 0,
            rolled_back: 0,
            said: None,
        }
    }

    /// Whether a change now is the first one after quiet.
    pub(super) fn quiet_since(&self, now: Instant, wait: Wait) -> bool {
        is_quiet(self.touched, now, wait.min)
    }

    fn name(&self) -> String {
        match &self.reload {
            Some(Reload::Command(line)) => format!("reload_cmd `{line}`"),
            Some(Reload::Nginx { .. }) => "the reload of nginx".to_owned(),
            None => String::new(),
        }
    }

    /// Whether its success is more than what a command returns.
    pub(super) fn is_observed(&self) -> bool {
        matches!(self.reload, Some(Reload::Nginx { .. }))
    }

    /// A resource was written; what it was before.
    pub(super) fn wrote(&mut self, slot: usize, previous: Previous) {
        if self.reload.is_none() {
            return;
        }
        self.wanted = true;
        // What is new may be what mends it.
        self.next_try = None;
        // Written twice since the last reload, it goes back to what the service knows.
        if !self.written.iter().any(|(known, _)| *known == slot) {
            self.written.push((slot, previous));
        }
    }
}

impl Engine {
    /// Starts what is to be reloaded and does not run yet.
    pub(super) fn start_reloads(&mut self) {
        let now = Instant::now();
        for (number, group) in self.groups.iter_mut().enumerate() {
            let due =
                group.wanted && group.phase == Phase::Idle && group.next_try.is_none_or(|due| due.at <= now);
            let (Some(reload), true, true) = (group.reload.clone(), due, self.read) else { continue };
            // A reload that others left to be done waits for what is about to be written, and does for both.
            let is_due = |slot: &Slot| slot.group == number && slot.due().is_some_and(|at| at <= now);
            if group.written.is_empty() && self.slots.iter().any(is_due) {
                continue;
            }
            self.unpublished = true;
            group.wanted = false;
            group.phase = Phase::Reloading;
            group.next_try = None;
            group.reloads += 1;
            let written = std::mem::take(&mut group.written);
            group.under_way = written.iter().map(|(slot, _)| *slot).collect();
            let previous = written.into_iter().map(|(_, previous)| previous).collect();
            let (timeout, end, mut cancel) = (group.timeout, self.end.clone(), self.cancel.clone());
            tokio::spawn(async move {
                let ended = reload::run(&reload, timeout, previous, &mut cancel).await;
                // Nobody listens to an engine that ended.
                let _ = end.send(Event::Reloaded(number, ended)).await;
            });
        }
    }

    /// A reload ended.
    pub(super) fn reloaded(&mut self, number: usize, ended: Ended) {
        let Some(group) = self.groups.get_mut(number) else { return };
        group.phase = Phase::Idle;
        self.unpublished = true;
        let under_way = std::mem::take(&mut group.under_way);
        if matches!(ended, Ended::Done | Ended::Failed(_)) {
            // The file is what it should be. That the service does not read it is the group's failure.
            self.slots
                .iter_mut()
                .filter(|slot| slot.group == number && slot.unconfirmed)
                .for_each(Slot::succeeded);
        }
        match ended {
            Ended::Done => {
                group.done += 1;
                group.failures = 0;
                group.failure = None;
                group.last_success = Some(SystemTime::now());
                if group.said.take().is_some() {
                    tracing::info!("{} works again", group.name());
                }
                // A resource of the group that waits to be written notes itself anew then.
                for slot in self.slots.iter_mut().filter(|slot| slot.group == number) {
                    self.pending.clear(&slot.resource.dest);
                }
            }
            Ended::Failed(why) => {
                group.failed += 1;
                group.failures = group.failures.saturating_add(1);
                let wait = self.options.back_off.after(group.failures);
                group.wanted = true;
                group.next_try = Some(Due::after(wait));
                if is_news(&mut group.said, &why) {
                    tracing::error!("{why}; it will be tried again");
                }
                group.failure = Some(why);
            }
            Ended::RolledBack(why) => self.rolled_back(number, &under_way, &why),
            // The notes stay for whoever comes after us.
            Ended::Cancelled => {}
        }
    }

    /// The service runs what it ran before, and the resources are not what they should be.
    fn rolled_back(&mut self, number: usize, written: &[usize], why: &str) {
        let Some(group) = self.groups.get_mut(number) else { return };
        group.rolled_back += 1;
        group.failure = None;
        let several = written.len() > 1;
        group.one_by_one |= several;
        for slot in written {
            let Some(slot) = self.slots.get_mut(*slot) else { continue };
            self.pending.clear(&slot.resource.dest);
            let wait = if several { Duration::ZERO } else { self.options.back_off.after(slot.failures + 1) };
            slot.failed(RenderError::Failed(why.to_owned()), Due::after(wait));
        }
    }
}
