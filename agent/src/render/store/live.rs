//! The local tree that a store is followed into, shared between one writer and any number of readers.
//!
//! The tree is changed in place under a lock, and only the paths that changed are told, so one event costs the same
//! with ten keys as with a hundred thousand. A reader that is slow finds all changes since it last looked merged into
//! one; what waits for it is bounded.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Instant;

use tokio::sync::{Notify, watch};

use super::health::Health;
use crate::render::keys::{Keys, canonical};

/// Changed paths kept for a reader; with more than that everything counts as changed.
const MANY: usize = 10_000;

/// A store's keys as they are now. Clones share them.
#[derive(Clone, Debug)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tree: RwLock<Tree>,
    readers: Mutex<Vec<Weak<Reader>>>,
    health: watch::Sender<Health>,
}

#[derive(Debug, Default)]
struct Tree {
    keys: Keys,
    revision: u64,
}

#[derive(Debug, Default)]
struct Reader {
    pending: Mutex<Option<Change>>,
    news: Notify,
}

/// What changed since a reader last looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which keys.
    pub paths: Changed,
    /// The store's revision (etcd), index (etcd v2, consul), or a count of changes.
    pub revision: u64,
    /// When the first of the changes arrived.
    pub since: Instant,
}

/// Which keys changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Too many to list.
    All,
    /// These, removed ones too.
    Paths(BTreeSet<Arc<str>>),
}

impl Changed {
    /// Whether a key at `path` or below it changed.
    pub fn touches(&self, path: &str) -> bool {
        let Changed::Paths(paths) = self else { return true };
        let at = canonical(path);
        let inside = if at == "/" { at.clone() } else { format!("{at}/") };
        paths.contains(at.as_str())
            || paths
                .range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded))
                .next()
                .is_some_and(|path| path.starts_with(&inside))
    }
}

impl Default for Live {
    fn default() -> Live {
        let shared = Shared {
            tree: RwLock::default(),
            readers: Mutex::default(),
            health: watch::Sender::new(Health::Starting),
        };
        Live { shared: Arc::new(shared) }
    }
}

impl Live {
    /// The keys as they are now. Nothing is published while this is held, so do not hold it across an await.
    pub fn keys(&self) -> View<'_> {
        View(self.read())
    }

    /// Revision of the last change.
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// How it stands with the store.
    pub fn health(&self) -> Health {
        self.shared.health.borrow().clone()
    }

    /// Follows the health.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// Follows the changes from now on; what is there already is not told.
    pub fn subscribe(&self) -> Changes {
        let reader = Arc::new(Reader::default());
        let _still = self.read();
        let mut readers = lock(&self.shared.readers);
        readers.retain(|reader| reader.strong_count() > 0);
        readers.push(Arc::downgrade(&reader));
        Changes { reader }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tree> {
        self.shared.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tree> {
        self.shared.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the health. The keys are whole before it says so for the first time.
    pub fn set_health(&self, health: Health) {
        self.shared.health.send_replace(health);
    }

    /// Puts `keys` in the place of what is there and tells what differs.
    pub fn replace(&self, keys: Keys, revision: u64) {
        let mut tree = self.write();
        let changed = differences(&tree.keys, &keys);
        tree.keys = keys;
        tree.revision = revision;
        // Before anybody can see the keys, so that whoever has seen them is not told of them once more.
        self.publish(&changed, revision);
        drop(tree);
    }

    /// Changes keys in place and tells what that changed.
    pub fn update(&self, revision: u64, change: impl FnOnce(&mut Batch<'_>)) {
        let mut tree = self.write();
        let mut batch = Batch { keys: &mut tree.keys, changed: Vec::new() };
        change(&mut batch);
        let changed = batch.changed;
        tree.revision = revision;
        // Before anybody can see the keys, so that whoever has seen them is not told of them once more.
        self.publish(&changed, revision);
        drop(tree);
    }

    fn publish(&self, changed: &[Arc<str>], revision: u64) {
        if changed.is_empty() {
            return;
        }
        let now = Instant::now();
        lock(&self.shared.readers).retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            let mut pending = lock(&reader.pending);
            let entry = pending.get_or_insert_with(|| Change {
                paths: Changed::Paths(BTreeSet::new()),
                revision,
                since: now,
            });
            entry.revision = revision;
            if let Changed::Paths(paths) = &mut entry.paths {
                paths.extend(changed.iter().cloned());
                if paths.len() > MANY {
                    entry.paths = Changed::All;
                }
            }
            drop(pending);
            reader.news.notify_one();
            true
        });
    }
}

/// The keys, held still.
#[derive(Debug)]
pub struct View<'a>(RwLockReadGuard<'a, Tree>);

impl std::ops::Deref for View<'_> {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        &self.0.keys
    }
}

/// A reader's place in the stream of changes.
#[derive(Debug)]
pub struct Changes {
    reader: Arc<Reader>,
}

impl Changes {
    /// Waits for the next change. Cancel safe: nothing is lost when this is dropped before it is ready.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.take() {
                return change;
            }
            self.reader.news.notified().await;
        }
    }

    /// What has changed since, without waiting.
    pub fn take(&mut self) -> Option<Change> {
        lock(&self.reader.pending).take()
    }
}

/// Several changes that readers see as one.
#[derive(Debug)]
pub struct Batch<'a> {
    keys: &'a mut Keys,
    changed: Vec<Arc<str>>,
}

impl Batch<'_> {
    /// Sets a value as the store gave it; one that is no text is noted as such.
    pub fn put(&mut self, path: &str, value: &[u8]) {
        if set(self.keys, path, value) {
            self.changed.push(canonical(path).into());
        }
    }

    /// Says that what is there is no text.
    pub(super) fn refuse(&mut self, path: &str, why: &str) {
        if self.keys.refuse(path, why) {
            self.changed.push(canonical(path).into());
        }
    }

    /// Removes a key.
    pub fn delete(&mut self, path: &str) {
        if self.keys.remove(path) {
            self.changed.push(canonical(path).into());
        }
    }

    /// Deletes the key and all below it.
    pub(super) fn delete_tree(&mut self, path: &str) {
        let gone: Vec<String> = self
            .keys
            .under(path)
            .chain(self.keys.unreadable(path))
            .map(|(path, _)| path.to_owned())
            .collect();
        for path in gone {
            self.delete(&path);
        }
    }

    /// The keys as they are after the changes so far.
    pub(super) fn keys(&self) -> &Keys {
        self.keys
    }
}

/// Sets a value as a store gave it; whether that changed anything.
pub(super) fn set(keys: &mut Keys, path: &str, value: &[u8]) -> bool {
    match std::str::from_utf8(value) {
        Ok(text) => keys.set(path, text),
        Err(error) => {
            keys.refuse(path, &format!("the value is not UTF-8 from byte {} on", error.valid_up_to()))
        }
    }
}

/// Paths whose value, or lack of one, is not the same in both.
fn differences(before: &Keys, after: &Keys) -> Vec<Arc<str>> {
    let mut changed = Vec::new();
    merge(before.iter(), after.iter(), &mut changed);
    merge(before.unreadable("/"), after.unreadable("/"), &mut changed);
    changed
}

fn merge<'a>(
    before: impl Iterator<Item = (&'a str, &'a str)>,
    after: impl Iterator<Item = (&'a str, &'a str)>,
    changed: &mut Vec<Arc<str>>,
) {
    let (mut before, mut after) = (before.peekable(), after.peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let old = if order.is_le() { before.next() } else { None };
        let new = if order.is_ge() { after.next() } else { None };
        if old != new {
            changed.extend(old.or(new).map(|(path, _)| path.into()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[(&str, &str)]) -> Keys {
        let mut keys = Keys::default();
        for (path, value) in of {
            keys.set(path, value);
        }
        keys
    }

    fn paths(change: &Change) -> Vec<&str> {
        match &change.paths {
            Changed::All => panic!("all"),
            Changed::Paths(paths) => paths.iter().map(AsRef::as_ref).collect(),
        }
    }

    #[test]
    fn only_differences_are_told_and_merged_for_a_slow_reader() {
        let live = Live::default();
        live.replace(keys(&[("/a", "1"), ("/b", "2"), ("/c", "3")]), 5);
        let mut changes = live.subscribe();
        assert_eq!(changes.take(), None);
        live.replace(keys(&[("/b", "2"), ("/c", "4"), ("/d", "5")]), 6);
        live.update(7, |batch| {
            batch.put("/b", b"2");
            batch.put("e/", b"6");
            batch.delete("/none");
        });
        let change = changes.take().unwrap();
        assert_eq!(paths(&change), ["/a", "/c", "/d", "/e"]);
        assert_eq!(change.revision, 7);
        assert_eq!(live.keys().get("/e"), Some("6"));
        assert_eq!(changes.take(), None);
        live.update(8, |batch| batch.put("/b", b"2"));
        assert_eq!(changes.take(), None);
        assert_eq!(live.revision(), 8);
    }

    #[test]
    fn a_value_that_is_no_text_is_a_change_and_a_cause() {
        let live = Live::default();
        let mut changes = live.subscribe();
        live.update(1, |batch| batch.put("/a/x", b"ok"));
        live.update(2, |batch| batch.put("/a/x", b"o\xff"));
        assert_eq!(paths(&changes.take().unwrap()), ["/a/x"]);
        let why =
            live.keys().unreadable("/a").map(|(path, why)| format!("{path}: {why}")).collect::<Vec<_>>();
        assert_eq!(why, ["/a/x: the value is not UTF-8 from byte 1 on"]);
        live.update(3, |batch| batch.delete_tree("/a"));
        assert_eq!(paths(&changes.take().unwrap()), ["/a/x"]);
    }

    #[test]
    fn a_change_touches_what_is_above_it() {
        let changed = Changed::Paths(["/a/b".into(), "/c2".into()].into());
        assert!(
            changed.touches("/a") && changed.touches("a/b") && changed.touches("/") && changed.touches("/c2")
        );
        assert!(!changed.touches("/a/b/c") && !changed.touches("/c") && !changed.touches("/b"));
        assert!(Changed::All.touches("/x"));
    }

    #[test]
    fn what_waits_for_a_reader_is_bounded() {
        let live = Live::default();
        let mut changes = live.subscribe();
        live.update(1, |batch| (0..=MANY).for_each(|i| batch.put(&format!("/k/{i}"), b"")));
        assert_eq!(changes.take().unwrap().paths, Changed::All);
    }

    #[tokio::test]
    async fn a_reader_is_woken() {
        let live = Live::default();
        let mut changes = live.subscribe();
        let writer = live.clone();
        let task = tokio::spawn(async move { writer.update(1, |batch| batch.put("/a", b"")) });
        assert_eq!(paths(&changes.next().await), ["/a"]);
        task.await.unwrap();
    }
}
