//! One resource in the engine: its keys as its template sees them, and what became of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::debounce::Debounce;
use super::{Due, Render, RenderError, Templates};
use crate::render::apply::secrecy;
use crate::render::keys::{Keys, canonical};
use crate::render::resource::{Resource, Wait};
use crate::render::store::Changed;

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
    pub(super) failure: Option<RenderError>,
    pub(super) history: History,
    /// It was written, and whether the service takes that is not known yet.
    pub(super) unconfirmed: bool,
    /// What its file holds, and so what is said of it, is not for everybody.
    pub(super) private: bool,
    /// The keys of the resource, without its prefix; their values are those of the one tree.
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
    /// What that was, if everybody may see it.
    pub(super) last_diff: Option<String>,
    pub(super) failing_since: Option<SystemTime>,
    pub(super) pending_since: Option<SystemTime>,
}

/// A template that was read, and from which versions of its files.
pub(super) struct Cached {
    pub(super) template: Arc<dyn Render>,
    /// When its files began to be read.
    begun: SystemTime,
    files: Vec<(PathBuf, Stamp)>,
}

impl Cached {
    /// Whether its files are what they were.
    fn is_current(&self) -> bool {
        self.files.iter().all(|(file, known)| known.is_some() && stamp(file) == *known)
    }

    /// Notes the files that rendering took in.
    pub(super) fn note_files(&mut self) {
        for file in self.template.files() {
            if self.files.iter().all(|(known, _)| *known != file) {
                // The clock of files is coarse. One that may have changed since it was read is read again next time.
                let settled = |(_, _, changed): &(u64, u64, SystemTime)| *changed + FILE_CLOCK < self.begun;
                let stamp = stamp(&file).filter(settled);
                self.files.push((file, stamp));
            }
        }
    }
}

/// Two changes of a file within this time may bear the same time.
const FILE_CLOCK: Duration = Duration::from_millis(20);

/// The template at `src`, read anew if one of its files is another one than before.
pub(super) fn template(
    cached: Option<Cached>,
    src: &Path,
    templates: &dyn Templates,
) -> Result<Cached, String> {
    if let Some(cached) = cached.filter(Cached::is_current) {
        return Ok(cached);
    }
    let begun = SystemTime::now();
    let mut cached = Cached { template: templates.load(src)?, begun, files: Vec::new() };
    cached.note_files();
    Ok(cached)
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
            private: secrecy::is_private(&resource),
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
    pub(super) fn hear(&mut self, changed: &Changed, keys: &Keys) -> bool {
        let Changed::Paths(changed) = changed else { return self.look(keys) };
        let mut concerned = false;
        for path in changed.iter().filter(|path| covers(&self.paths, path)) {
            let seen = seen(&self.resource.prefix, path);
            // Nobody else holds the view between two renders, so this copies nothing.
            concerned |= Arc::make_mut(&mut self.view).mirror(&seen, keys, path);
        }
        concerned
    }

    /// Looks at all its keys; whether anything is not as it was.
    fn look(&mut self, keys: &Keys) -> bool {
        let mut view = Keys::default();
        for path in &self.paths {
            for (path, _) in keys.under(path).chain(keys.unreadable(path)) {
                view.mirror(&seen(&self.resource.prefix, path), keys, path);
            }
        }
        let differs = *self.view != view;
        self.view = Arc::new(view);
        differs
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
        // What came meanwhile is to be rendered yet.
        if !self.debounce.is_dirty() {
            self.history.pending_since = None;
        }
        self.failures = 0;
        self.failure = None;
        self.retry = None;
        self.unconfirmed = false;
        if self.said.take().is_some() {
            tracing::info!("{}: is as it should be again", self.name());
        }
    }

    /// It is not; tried again at `next`.
    pub(super) fn failed(&mut self, why: RenderError, next: Due) {
        self.failures = self.failures.saturating_add(1);
        self.history.failing_since.get_or_insert_with(SystemTime::now);
        self.retry = Some(next);
        self.unconfirmed = false;
        if is_news(&mut self.said, &why.to_string()) {
            match &why {
                RenderError::Waiting { .. } => tracing::warn!("{}: {why}", self.name()),
                RenderError::Failed(_) => tracing::error!("{}: {why}", self.name()),
            }
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
