//! What connects a store with the engine: one tree of keys, what changed in it since the engine looked, and whether the
//! store is within reach.
//!
//! Nothing queues up: however many writes there are between two looks, a key is told of once, with its last value.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use super::keys::{Keys, canonical};

/// Whether what is known of the store is what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It was not read yet.
    #[default]
    Waiting,
    /// What is known is what it holds, but for changes under way.
    Current,
    /// It is out of reach.
    Stale {
        /// For how long.
        since: SystemTime,
        /// Why, in words for a person.
        why: String,
    },
}

/// The shared tree. Stores write to it, one engine reads.
#[derive(Debug, Default)]
pub struct Feed {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    keys: Keys,
    changed: BTreeSet<String>,
    health: Health,
    /// Whether the tree was ever whole. Before that nothing may be rendered from it.
    read: bool,
}

/// What there is to know since the last look.
#[derive(Debug)]
pub(super) struct News {
    /// Keys and what they hold now; `None` for one that is gone.
    pub(super) changes: Vec<(String, Option<String>)>,
    pub(super) health: Health,
    pub(super) read: bool,
}

impl Feed {
    /// Takes over a full reading of the store. Only what differs counts as changed.
    pub fn replace(&self, keys: Keys) {
        let mut state = self.lock();
        let State { keys: old, changed, .. } = &mut *state;
        changed.extend(
            keys.iter().filter(|(path, value)| old.get(path) != Some(value)).map(|(path, _)| path.to_owned()),
        );
        changed
            .extend(old.iter().filter(|(path, _)| keys.get(path).is_none()).map(|(path, _)| path.to_owned()));
        state.keys = keys;
        state.read = true;
        state.health = Health::Current;
        drop(state);
        self.news.notify_one();
    }

    /// Takes over single changes; `None` removes a key.
    pub fn change<'k>(&self, changes: impl IntoIterator<Item = (&'k str, Option<&'k str>)>) {
        let mut state = self.lock();
        for (path, value) in changes {
            let differs = match value {
                Some(value) => state.keys.set(path, value),
                None => state.keys.remove(path),
            };
            if differs {
                state.changed.insert(canonical(path));
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// The store is within reach, and nothing changed meanwhile.
    pub fn reached(&self) {
        let mut state = self.lock();
        if state.read {
            state.health = Health::Current;
        }
        drop(state);
        self.news.notify_one();
    }

    /// The store is out of reach. The first moment counts, the last reason is kept.
    pub fn failed(&self, why: &str) {
        let mut state = self.lock();
        let since = match &state.health {
            Health::Stale { since, .. } => *since,
            _ => SystemTime::now(),
        };
        state.health = Health::Stale { since, why: why.to_owned() };
        drop(state);
        self.news.notify_one();
    }

    /// Makes everything news, for an engine that begins.
    pub(super) fn tell_all(&self) {
        let mut state = self.lock();
        let all: Vec<String> = state.keys.iter().map(|(path, _)| path.to_owned()).collect();
        state.changed.extend(all);
        drop(state);
        self.news.notify_one();
    }

    /// Waits for news.
    pub(super) async fn wait(&self) {
        self.news.notified().await;
    }

    /// Takes what there is.
    pub(super) fn take(&self) -> News {
        let mut state = self.lock();
        // What came before the first full reading is kept for then.
        let told = if state.read { std::mem::take(&mut state.changed) } else { BTreeSet::new() };
        let changes = told
            .into_iter()
            .map(|path| {
                let value = state.keys.get(&path).map(str::to_owned);
                (path, value)
            })
            .collect();
        News { changes, health: state.health.clone(), read: state.read }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_of_once_with_its_last_value() {
        let feed = Feed::default();
        feed.change([("/b", Some("1"))]);
        let early = feed.take();
        assert!(!early.read && early.changes.is_empty(), "not before the first full reading");
        let mut keys = Keys::default();
        keys.set("/a", "1");
        keys.set("/b", "1");
        feed.replace(keys.clone());
        for value in ["2", "3", "4"] {
            feed.change([("a", Some(value)), ("/b", Some("1"))]);
        }
        let news = feed.take();
        assert!(news.read);
        assert_eq!(news.changes, [("/a".into(), Some("4".into())), ("/b".into(), Some("1".into()))]);
        keys.remove("/b");
        feed.replace(keys);
        assert_eq!(feed.take().changes, [("/a".into(), Some("1".into())), ("/b".into(), None)]);
        assert!(feed.take().changes.is_empty());
        feed.tell_all();
        assert_eq!(feed.take().changes.len(), 1);
    }

    #[test]
    fn a_store_out_of_reach_is_so_since_the_first_failure() {
        let feed = Feed::default();
        feed.reached();
        assert_eq!(feed.take().health, Health::Waiting, "nothing was read yet");
        feed.failed("refused");
        let Health::Stale { since: first, .. } = feed.take().health else { panic!("not stale") };
        feed.failed("timed out");
        assert_eq!(feed.take().health, Health::Stale { since: first, why: "timed out".into() });
        feed.replace(Keys::default());
        assert_eq!(feed.take().health, Health::Current);
    }
}
