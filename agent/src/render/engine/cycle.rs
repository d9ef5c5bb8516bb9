//! One round: everything that is due is rendered and put in place. Resources that share a reload go one after the other;
//! the others do not wait for each other, for a check may take its time.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

use super::group::{Group, Phase};
use super::slot::{Cached, Slot, template};
use super::{Due, Engine, Event, RenderError, Templates};
use crate::render::apply::{self, Outcome, secrecy};
use crate::render::keys::{Keys, canonical};
use crate::render::nginx::upstream;
use crate::render::pending::Pending;
use crate::render::resource::Resource;

/// One resource to be brought up to date, with all that this takes.
struct Job {
    slot: usize,
    resource: Arc<Resource>,
    view: Arc<Keys>,
    cached: Option<Cached>,
    private: bool,
    templates: Arc<dyn Templates>,
    options: apply::Options,
    /// Where the reload that follows is noted, if one does.
    pending: Option<Arc<Pending>>,
}

/// What became of a [`Job`].
pub(super) struct Rendered {
    slot: usize,
    cached: Option<Cached>,
    /// What it holds is not for everybody.
    private: bool,
    result: Result<Outcome, RenderError>,
    /// The group's next ones can go.
    last: bool,
}

impl Engine {
    /// Starts to render what is due.
    pub(super) fn start_renders(&mut self) {
        if !self.read {
            return;
        }
        for number in 0..self.groups.len() {
            let due = self.due(number);
            let jobs: Vec<Job> = due.into_iter().filter_map(|slot| self.job(slot)).collect();
            let Some(group) = self.groups.get_mut(number).filter(|_| !jobs.is_empty()) else { continue };
            group.phase = Phase::Rendering;
            self.unpublished = true;
            let (permits, end, mut cancel) =
                (Arc::clone(&self.permits), self.end.clone(), self.cancel.clone());
            tokio::spawn(async move {
                let count = jobs.len();
                for (number, job) in jobs.into_iter().enumerate() {
                    // The semaphore is never closed.
                    let _permit = permits.acquire().await;
                    let slot = job.slot;
                    let (resource, mut private) = (Arc::clone(&job.resource), job.private);
                    let (cached, result) = job.run(&mut cancel).await;
                    if !matches!(result, Ok(Outcome::Unchanged)) {
                        let looked =
                            tokio::task::spawn_blocking(move || secrecy::is_private(&resource)).await;
                        // One that cannot be looked at shows nothing.
                        private = looked.unwrap_or(true);
                    }
                    let rendered = Rendered { slot, cached, private, result, last: number + 1 == count };
                    // Nobody listens to an engine that ended.
                    let _ = end.send(Event::Rendered(rendered)).await;
                }
            });
        }
    }

    /// The resources of a group to render now. When one is due, the others that have changed come along, for one reload
    /// then does for all.
    fn due(&mut self, number: usize) -> Vec<usize> {
        let now = Instant::now();
        let Some(group) = self.groups.get_mut(number).filter(|group| group.phase == Phase::Idle) else {
            return Vec::new();
        };
        let members = || self.slots.iter().enumerate().filter(|(_, slot)| slot.group == number);
        let is_due = |slot: &Slot| slot.due().is_some_and(|at| at <= now);
        let due: Vec<usize> = members().filter(|(_, slot)| is_due(slot)).map(|(slot, _)| slot).collect();
        if due.is_empty() {
            return due;
        }
        if group.one_by_one {
            group.one_by_one = due.len() > 1;
            return due.into_iter().take(1).collect();
        }
        members().filter(|(_, slot)| is_due(slot) || slot.debounce.is_dirty()).map(|(slot, _)| slot).collect()
    }

    fn job(&mut self, number: usize) -> Option<Job> {
        let slot = self.slots.get_mut(number)?;
        slot.debounce.clear();
        slot.retry = None;
        slot.history.renders += 1;
        slot.history.last_render = Some(SystemTime::now());
        let reloads = self.groups.get(slot.group).is_some_and(|group| group.reload.is_some());
        Some(Job {
            slot: number,
            resource: Arc::clone(&slot.resource),
            view: slot.view(),
            cached: slot.cached.take(),
            private: slot.private,
            templates: Arc::clone(&self.templates),
            options: self.options.apply,
            pending: reloads.then(|| Arc::clone(&self.pending)),
        })
    }

    /// A job is done.
    pub(super) fn rendered(&mut self, rendered: Rendered) {
        self.unpublished = true;
        let Some(slot) = self.slots.get_mut(rendered.slot) else { return };
        if let (Some(group), true) = (self.groups.get_mut(slot.group), rendered.last) {
            group.phase = Phase::Idle;
        }
        slot.cached = rendered.cached;
        slot.private = rendered.private;
        match rendered.result {
            Ok(outcome) => {
                // nginx may refuse what was written; only then is it known whether this succeeded.
                let observed = self.groups.get(slot.group).is_some_and(Group::is_observed);
                if observed && matches!(outcome, Outcome::Written { .. }) {
                    slot.unconfirmed = true;
                } else {
                    slot.succeeded();
                }
                self.record(rendered.slot, outcome);
            }
            // What was cut short by our end says nothing.
            Err(_) if *self.cancel.borrow() => {}
            Err(why) => {
                let wait = self.options.back_off.after(slot.failures + 1);
                slot.failed(why, Due::after(wait));
            }
        }
    }

    fn record(&mut self, number: usize, outcome: Outcome) {
        let Some(slot) = self.slots.get_mut(number) else { return };
        match outcome {
            Outcome::Unchanged => tracing::debug!("{}: unchanged", slot.name()),
            Outcome::Attributes => {
                tracing::info!(
                    "{}: owner or permissions of {} put right",
                    slot.name(),
                    slot.resource.dest.display()
                );
            }
            Outcome::Written { previous, diff } => {
                slot.history.changes += 1;
                slot.history.last_diff = diff;
                slot.history.last_change = Some(SystemTime::now());
                tracing::info!("{}: wrote {}", slot.name(), slot.resource.dest.display());
                if let Some(group) = self.groups.get_mut(slot.group) {
                    group.wrote(number, previous);
                }
            }
            Outcome::WouldWrite(diff) => {
                let diff = if self.options.colour { apply::diff::coloured(&diff) } else { diff };
                print!("{diff}");
            }
        }
    }
}

impl Job {
    /// Renders and puts in place. The template comes back too.
    async fn run(self, cancel: &mut watch::Receiver<bool>) -> (Option<Cached>, Result<Outcome, RenderError>) {
        let Job { resource, view, cached, templates, options, pending, .. } = self;
        let (src, least, prefix) = (resource.src.clone(), resource.min_upstreams, resource.prefix.clone());
        let rendering = tokio::task::spawn_blocking(move || {
            let mut cached = match template(cached, &src, templates.as_ref()) {
                Ok(cached) => cached,
                Err(why) => return (None, Err(RenderError::Failed(why))),
            };
            let text = readable(&view, &prefix).and_then(|()| cached.template.render(&view));
            cached.note_files();
            let text = text.map_err(|error| as_stored(error, &prefix)).and_then(|text| match least {
                Some(least) => upstream::guard(&text, least)
                    .map(|()| text)
                    .map_err(|error| RenderError::Failed(error.to_string())),
                None => Ok(text),
            });
            (Some(cached), text)
        });
        let (cached, text) = match rendering.await {
            Ok(rendered) => rendered,
            Err(error) => {
                return (None, Err(RenderError::Failed(format!("rendering was interrupted: {error}"))));
            }
        };
        let text = match text {
            Ok(text) => text,
            Err(why) => return (cached, Err(why)),
        };
        let dest = resource.dest.clone();
        let note = move || pending.map_or(Ok(()), |pending| pending.note(&dest));
        let applied = apply::apply(&resource, text, options, note, cancel).await;
        (cached, applied.map_err(|error| RenderError::Failed(error.to_string())))
    }
}

/// A value that is no text must not look like a key that is not there.
fn readable(view: &Keys, prefix: &str) -> Result<(), RenderError> {
    match view.unreadable("/").next() {
        None => Ok(()),
        Some((path, why)) => {
            let path = canonical(&format!("{prefix}/{path}"));
            Err(RenderError::Failed(format!("key `{}`: {why}", path.escape_debug())))
        }
    }
}

/// With the key by the name that it has in the store.
fn as_stored(error: RenderError, prefix: &str) -> RenderError {
    match error {
        RenderError::Waiting { key, place } => {
            RenderError::Waiting { key: canonical(&format!("{prefix}/{key}")), place }
        }
        failed @ RenderError::Failed(_) => failed,
    }
}
