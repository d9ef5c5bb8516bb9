//! The loop that keeps files current: it hears what changed in the store, waits until that settles, renders what is
//! concerned, puts it in place and reloads.
//!
//! One task owns everything; rendering, checks and reloads are left to tasks of their own that report back, so that one
//! that takes its time delays no other. While a reload runs, the resources that share it wait, so that whatever comes
//! meanwhile makes one more and not many, and so that a rollback never overwrites something newer.
//!
//! Everything is *level*-triggered: what did not succeed is tried again, with back-off, until it does or is overtaken.

mod cycle;
mod debounce;
mod group;
mod report;
mod slot;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::apply;
use super::keys::Keys;
use super::pending::Pending;
use super::reload::{BackOff, Ended};
use super::resource::{Loaded, Wait};
use super::settings::Schedule;
use super::store::{Changed, Changes, Health, Live};
use group::{Group, Phase};
use slot::Slot;

pub use report::{ReloadReport, ResourceReport, State};

/// Results that wait for the engine; a task that waits for room loses nothing.
const RESULTS: usize = 16;
/// Resources that are rendered and checked at a time.
const AT_ONCE: usize = 8;

/// A template that was read and can be rendered.
pub trait Render: Send + Sync {
    /// The text for these keys, or why there is none, with file and line.
    fn render(&self, keys: &Keys) -> Result<String, RenderError>;

    /// The files that went into it so far. When one of them changes, the template is read anew.
    fn files(&self) -> Vec<PathBuf>;
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The store lacks a key that may still come.
    #[error("waiting for key `{key}`, which {place} needs")]
    Waiting {
        /// The key as the store has it.
        key: String,
        /// File and line of whoever needs it.
        place: String,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Where templates come from.
pub trait Templates: Send + Sync {
    /// Reads the template at `src`. Called again when that file changes.
    fn load(&self, src: &Path) -> Result<Arc<dyn Render>, String>;
}

/// How the engine behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is left out.
    pub apply: apply::Options,
    /// The debounce of resources that have none of their own.
    pub wait: Wait,
    /// Whether everything is rendered from time to time as well.
    pub schedule: Schedule,
    /// Between tries of what failed.
    pub back_off: BackOff,
    /// Whether differences are shown in colours.
    pub colour: bool,
}

/// The engine.
pub struct Engine {
    options: Options,
    live: Live,
    changes: Changes,
    health: watch::Receiver<Health>,
    templates: Arc<dyn Templates>,
    pending: Arc<Pending>,
    slots: Vec<Slot>,
    groups: Vec<Group>,
    rejected: Vec<(PathBuf, String)>,
    /// Since when the store is out of reach, and why.
    stale: Option<(SystemTime, String)>,
    /// Something happened that the reports do not show yet. Most news concerns nobody, and reports cost time.
    unpublished: bool,
    /// The store was read in whole. Before that nothing may be rendered.
    read: bool,
    /// When everything is due again.
    tick: Option<Instant>,
    reports: watch::Sender<Vec<ResourceReport>>,
    ended: mpsc::Receiver<Event>,
    end: mpsc::Sender<Event>,
    /// To render at once.
    permits: Arc<Semaphore>,
    cancel: watch::Receiver<bool>,
}

impl Engine {
    /// An engine for `loaded`, which reads from `live` and ends when `stop` becomes true. It keeps
    /// `reports`, what `status` shows, up to date.
    pub fn new(
        loaded: Loaded,
        options: Options,
        live: Live,
        templates: Arc<dyn Templates>,
        pending: Pending,
        reports: watch::Sender<Vec<ResourceReport>>,
        stop: watch::Receiver<bool>,
    ) -> Engine {
        let (end, ended) = mpsc::channel(RESULTS);
        let mut groups: Vec<Group> = Vec::new();
        let mut slots = Vec::new();
        for resource in loaded.resources {
            if !options.apply.noop && !options.apply.keep_stage_file {
                let swept =
                    apply::sweep(&apply::target::follow(&resource.dest).unwrap_or(resource.dest.clone()));
                if swept > 0 {
                    tracing::info!(
                        "removed {swept} staged files that a crash left beside {}",
                        resource.dest.display()
                    );
                }
            }
            let reload = resource.reload.clone().filter(|_| !options.apply.noop && !options.apply.sync_only);
            let shared = groups.iter().position(|group| reload.is_some() && group.reload == reload);
            let number = shared.unwrap_or_else(|| {
                groups.push(Group::new(reload));
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(number) {
                group.timeout = group.timeout.max(resource.reload_timeout);
                if group.reload.is_some() && pending.is_noted(&resource.dest) {
                    tracing::info!("{}: its reload is still to be done", resource.name);
                    group.wanted = true;
                }
            }
            slots.push(Slot::new(resource, number, options.wait));
        }
        // Before the first look at the store, so that no change is missed between the two.
        let (changes, health) = (live.subscribe(), live.watch_health());
        let mut engine = Engine {
            options,
            live,
            changes,
            health,
            templates,
            pending: Arc::new(pending),
            slots,
            groups,
            rejected: loaded.rejected,
            stale: None,
            unpublished: true,
            read: false,
            tick: None,
            reports,
            ended,
            end,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            cancel: stop,
        };
        engine.publish();
        engine
    }

    /// Keeps the files current until it is stopped. Commands that run then are ended.
    pub async fn run(mut self) {
        let mut stop = self.cancel.clone();
        // The store may have been read before there was an engine.
        self.hear(None);
        loop {
            self.tick();
            // In this order: what was just written is reloaded before more of its group is written.
            self.start_reloads();
            self.start_renders();
            self.publish();
            let wake = self.wake();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                Some(event) = self.ended.recv() => self.handle(event),
                change = self.changes.next() => self.hear(Some(&change.paths)),
                Ok(()) = self.health.changed() => self.hear(None),
                () = sleep_until(wake) => {}
            }
        }
        self.finish().await;
    }

    /// Renders everything once, as soon as the store was read. Whether all succeeded; a store that cannot be read is a
    /// failure.
    pub async fn once(mut self) -> Result<(), Vec<String>> {
        let mut stop = self.cancel.clone();
        self.hear(None);
        while !self.read {
            if let Some((_, why)) = &self.stale {
                return Err(vec![format!("the store cannot be read: {why}")]);
            }
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => return Err(vec!["interrupted".to_owned()]),
                Ok(()) = self.health.changed() => self.hear(None),
            }
        }
        self.everything_is_due();
        loop {
            self.start_renders();
            self.finish().await;
            self.start_reloads();
            self.finish().await;
            if !self.groups.iter().any(|group| group.one_by_one) {
                break;
            }
        }
        self.publish();
        let failed = self.rejected.iter().map(|(_, why)| why.clone());
        let slots = self
            .slots
            .iter()
            .filter_map(|slot| slot.failure.as_ref().map(|why| format!("{}: {why}", slot.name())));
        let groups = self.groups.iter().filter_map(|group| group.failure.clone());
        let failures: Vec<String> = failed.chain(slots).chain(groups).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Rendered(rendered) => self.rendered(rendered),
            Event::Reloaded(group, ended) => self.reloaded(group, ended),
        }
    }

    /// Waits for everything that runs.
    async fn finish(&mut self) {
        while self.groups.iter().any(|group| group.phase != Phase::Idle) {
            let Some(event) = self.ended.recv().await else { return };
            self.handle(event);
        }
    }

    /// Takes the news of the store: what changed, or how it stands with it.
    fn hear(&mut self, changed: Option<&Changed>) {
        let health = self.health.borrow_and_update().clone();
        self.note_health(&health);
        let first = !self.read && matches!(health, Health::Connected { .. } | Health::Lost { .. });
        self.read |= first;
        // What was told before is in the first whole reading.
        let changed = if first { Some(&Changed::All) } else { changed };
        let Some(changed) = changed.filter(|_| self.read) else { return };
        let now = Instant::now();
        let keys = self.live.keys();
        for slot in &mut self.slots {
            if slot.hear(changed, &keys)
                && let Some(group) = self.groups.get_mut(slot.group)
            {
                // Told of the first change that waits; those that follow it change nothing about that.
                if slot.history.pending_since.is_none() {
                    slot.history.pending_since = Some(SystemTime::now());
                    self.unpublished = true;
                }
                slot.debounce.touch(now, group.quiet_since(now, slot.wait));
                group.touched = Some(now);
            }
        }
        drop(keys);
        if first {
            self.everything_is_due();
            if let Schedule::Every(interval) = self.options.schedule {
                self.tick = Some(now + interval);
            }
        }
    }

    /// Takes down since when the store is out of reach.
    fn note_health(&mut self, health: &Health) {
        let stale = health.why().map(|why| {
            let since = || SystemTime::now() - health.stale(std::time::Instant::now());
            (self.stale.as_ref().map_or_else(since, |(since, _)| *since), why.to_owned())
        });
        self.unpublished |= self.stale != stale;
        self.stale = stale;
    }

    fn everything_is_due(&mut self) {
        let now = Instant::now();
        for slot in &mut self.slots {
            slot.debounce.force(now);
        }
    }

    /// In a schedule of intervals, whoever changed a file by hand finds it put right.
    fn tick(&mut self) {
        let now = Instant::now();
        if let (Some(at), Schedule::Every(interval)) = (self.tick, self.options.schedule)
            && at <= now
        {
            self.everything_is_due();
            self.tick = Some(now + interval);
        }
    }

    /// When there is something to do by itself.
    fn wake(&self) -> Option<Instant> {
        let slots = self
            .slots
            .iter()
            .filter(|slot| self.groups.get(slot.group).is_some_and(|group| group.phase == Phase::Idle));
        let slots = slots.filter_map(Slot::due).filter(|_| self.read);
        let groups = self
            .groups
            .iter()
            .filter(|group| group.wanted && group.phase == Phase::Idle)
            .filter_map(|group| group.next_try);
        let groups = groups.map(|due| due.at);
        slots.chain(groups).chain(self.tick).min()
    }

    fn publish(&mut self) {
        if !std::mem::take(&mut self.unpublished) {
            return;
        }
        let reports = report::all(&self.slots, &self.groups, &self.rejected, self.stale.as_ref());
        self.reports.send_if_modified(|shown| {
            let differs = *shown != reports;
            *shown = reports;
            differs
        });
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// What a task reports.
enum Event {
    Rendered(cycle::Rendered),
    /// The reload of this group ended.
    Reloaded(usize, Ended),
}

/// When something is tried again.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// The same by the wall clock, for people.
    clock: SystemTime,
}

impl Due {
    /// So long from now.
    fn after(wait: Duration) -> Due {
        Due { at: Instant::now() + wait, clock: SystemTime::now() + wait }
    }
}

/// How long a group that names none has.
const NO_TIMEOUT: Duration = Duration::ZERO;

#[cfg(test)]
mod tests;
