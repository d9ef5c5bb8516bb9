//! One round: everything that is due is rendered and put in place, one resource after the other.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::group::Group;
use super::{Due, Engine};
use crate::render::apply::{self, Outcome};
use crate::render::nginx::upstream;

impl Engine {
    /// Renders what is due.
    pub(super) async fn cycle(&mut self) {
        if !self.read {
            return;
        }
        for number in self.due() {
            self.unpublished = true;
            let result = self.bring_up_to_date(number).await;
            if *self.cancel.borrow() {
                return;
            }
            let Some(slot) = self.slots.get_mut(number) else { continue };
            match result {
                Ok(outcome) => {
                    // nginx may refuse what was written; only then is it known whether this succeeded.
                    let observed = self.groups.get(slot.group).is_some_and(Group::is_observed);
                    if observed && matches!(outcome, Outcome::Written(_)) {
                        slot.unconfirmed = true;
                    } else {
                        slot.succeeded();
                    }
                    self.record(number, outcome);
                }
                Err(why) => {
                    let wait = self.options.back_off.after(slot.failures + 1);
                    slot.failed(why, Due::after(wait));
                }
            }
        }
    }

    /// The resources to render now. When one is due, those that share its reload and have changed too come along, for one
    /// reload then does for all.
    fn due(&mut self) -> Vec<usize> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (number, group) in self.groups.iter_mut().enumerate() {
            if group.running {
                continue;
            }
            let members = || self.slots.iter().enumerate().filter(|(_, slot)| slot.group == number);
            let is_due = |slot: &super::Slot| slot.due().is_some_and(|at| at <= now);
            if !members().any(|(_, slot)| is_due(slot)) {
                continue;
            }
            if group.one_by_one {
                due.extend(members().find(|(_, slot)| is_due(slot)).map(|(slot, _)| slot));
                group.one_by_one = members().filter(|(_, slot)| is_due(slot)).count() > 1;
                continue;
            }
            due.extend(
                members().filter(|(_, slot)| is_due(slot) || slot.debounce.is_dirty()).map(|(slot, _)| slot),
            );
        }
        due
    }

    /// Renders one resource and puts it in place.
    async fn bring_up_to_date(&mut self, number: usize) -> Result<Outcome, String> {
        let Some(slot) = self.slots.get_mut(number) else { return Ok(Outcome::Unchanged) };
        slot.debounce.clear();
        slot.retry = None;
        slot.history.renders += 1;
        slot.history.last_render = Some(SystemTime::now());
        let template = slot.template(self.templates.as_ref())?;
        let (view, least) = (slot.view(), slot.resource.min_upstreams);
        let rendering = tokio::task::spawn_blocking(move || {
            let text = template.render(&view)?;
            if let Some(least) = least {
                upstream::guard(&text, least).map_err(|error| error.to_string())?;
            }
            Ok(text)
        });
        let text =
            rendering.await.unwrap_or_else(|error| Err(format!("rendering was interrupted: {error}")))?;
        let resource = Arc::clone(&slot.resource);
        let reloads = self.groups.get(slot.group).is_some_and(|group| group.reload.is_some());
        let (pending, dest) = (Arc::clone(&self.pending), resource.dest.clone());
        let note = move || if reloads { pending.note(&dest) } else { Ok(()) };
        let applied = apply::apply(&resource, text, self.options.apply, note, &mut self.cancel).await;
        applied.map_err(|error| error.to_string())
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
            Outcome::Written(previous) => {
                slot.history.changes += 1;
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
