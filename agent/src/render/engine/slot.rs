//! One resource in the engine: its keys as its template sees them, and what became of it.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::debounce::Debounce;
use super::{Due, Render, Templates};
use crate::render::keys::{Keys, canonical};
use crate::render::resource::{Resource, Wait};

/// A resource and its state.
pub(super) struct Slot {
    pub(super) resource: Arc<Resource>,
    /// The group that reloads it.
    pub(super) group: usize,
    pub(super) wait: Wait,
    pub(super) debounce: Debounce,
    /// Another try of what failed.
    pub(super) retry: Option<Due>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Why it is not as it should be.
    pub(super) failure: Option<String>,
    pub(super) history: History,
    /// It was written, and whether the service takes that is not known yet.
    pub(super) unconfirmed: bool,
    /// The keys of the resource, without its prefix.
    view: Arc<Keys>,
    /// Keys in the store that it reads.
    paths: Vec<String>,
    /// Its template, while no job has it.
    pub(super) cached: Option<Cached>,
    /// What was logged last of what failed, without what changes from one try to the next.
    said: Option<String>,
}

/// What happened, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) renders: u64,
    pub(super) changes: u64,
    pub(super) last_render: Option<SystemTime>,
    pub(super) last_success: Option<SystemTime>,
    pub(super) last_change: Option<SystemTime>,
    pub(super) failing_since: Option<SystemTime>,
}

/// A template that was read, and from which version of its file.
pub(super) struct Cached {
    pub(super) template: Arc<dyn Render>,
    stamp: Stamp,
}

/// The template at `src`, read anew if its file is another one than before.
pub(super) fn template(
    cached: Option<Cached>,
    src: &Path,
    templates: &dyn Templates,
) -> Result<Cached, String> {
    let stamp = stamp(src);
    match cached.filter(|cached| stamp.is_some() && cached.stamp == stamp) {
        Some(cached) => Ok(cached),
        None => Ok(Cached { template: templates.load(src)?, stamp }),
    }
}

/// How a template's file is told from another version of itself.
type Stamp = Option<(u64, u64, SystemTime)>;

impl Slot {
    pub(super) fn new(resource: Resource, group: usize, wait: Wait) -> Slot {
        Slot {
            group,
            wait: resource.wait.unwrap_or(wait),
            debounce: Debounce::default(),
            retry: None,
            failures: 0,
            failure: None,
            history: History::default(),
            unconfirmed: false,
            view: Arc::default(),
            paths: resource.paths().collect(),
            cached: None,
            said: None,
            resource: Arc::new(resource),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.resource.name
    }

    /// Takes over what concerns it; whether anything does.
    pub(super) fn hear(&mut self, changes: &[(String, Option<String>)]) -> bool {
        let mut concerned = false;
        for (path, value) in changes.iter().filter(|(path, _)| covers(&self.paths, path)) {
            let seen = seen(&self.resource.prefix, path);
            // Nobody else holds the view between two renders, so this copies nothing.
            let view = Arc::make_mut(&mut self.view);
            concerned |= match value {
                Some(value) => view.set(&seen, value),
                None => view.remove(&seen),
            };
        }
        concerned
    }

    /// When it is to be rendered.
    pub(super) fn due(&self) -> Option<Instant> {
        let changed = self.debounce.due(self.wait);
        changed.into_iter().chain(self.retry.map(|due| due.at)).min()
    }

    /// Its keys.
    pub(super) fn view(&self) -> Arc<Keys> {
        Arc::clone(&self.view)
    }

    /// It is as it should be.
    pub(super) fn succeeded(&mut self) {
        self.history.last_success = Some(SystemTime::now());
        self.history.failing_since = None;
        self.failures = 0;
        self.failure = None;
        self.retry = None;
        self.unconfirmed = false;
        if self.said.take().is_some() {
            tracing::info!("{}: is as it should be again", self.name());
        }
    }

    /// It is not; tried again at `next`.
    pub(super) fn failed(&mut self, why: String, next: Due) {
        self.failures = self.failures.saturating_add(1);
        self.history.failing_since.get_or_insert_with(SystemTime::now);
        self.retry = Some(next);
        self.unconfirmed = false;
        if is_news(&mut self.said, &why) {
            tracing::error!("{}: {why}", self.name());
        }
        self.failure = Some(why);
    }
}

/// Whether `why` is another message than the one said last, which it then becomes. Numbers do not make it another one:
/// those of processes and staged files change with every try.
pub(super) fn is_news(said: &mut Option<String>, why: &str) -> bool {
    let core: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
    let news = said.as_deref() != Some(core.as_str());
    *said = Some(core);
    news
}

fn covers(paths: &[String], changed: &str) -> bool {
    paths.iter().any(|path| {
        path == "/"
            || changed
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The name of a key to the template: without the prefix.
fn seen(prefix: &str, path: &str) -> String {
    if prefix == "/" { path.to_owned() } else { canonical(path.strip_prefix(prefix).unwrap_or(path)) }
}

fn stamp(src: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = src.metadata().ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_concerned_by_its_own_keys() {
        let paths = ["/p/a".to_owned(), "/p/b".to_owned()];
        for (path, expected) in
            [("/p/a", true), ("/p/a/x", true), ("/p/a2", false), ("/p", false), ("/q/a", false)]
        {
            assert_eq!(covers(&paths, path), expected, "{path}");
        }
        assert!(covers(&["/".to_owned()], "/anything"));
        assert_eq!(seen("/p", "/p/a/x"), "/a/x");
        assert_eq!(seen("/", "/a"), "/a");
    }

    #[test]
    fn a_message_that_differs_in_numbers_is_said_once() {
        let mut said = None;
        assert!(is_news(&mut said, "try 1 of process 17"));
        assert!(!is_news(&mut said, "try 2 of process 18"));
        assert!(is_news(&mut said, "something else"));
    }
}
