//! The keys that a store holds, as templates see them: absolute paths and text.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// A local copy of a part of a store. A path begins with one slash and does not end with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    of: BTreeMap<Arc<str>, Arc<str>>,
    /// Keys whose value is no text, and why. They have no value, which is not the same as not being there.
    unreadable: BTreeMap<Arc<str>, Arc<str>>,
}

impl Keys {
    /// Sets a value; whether that changed anything.
    pub fn set(&mut self, path: &str, value: &str) -> bool {
        let path = canonical(path);
        self.unreadable.remove(path.as_str());
        match self.of.get_mut(path.as_str()) {
            Some(now) if **now == *value => false,
            Some(now) => {
                *now = value.into();
                true
            }
            None => {
                self.of.insert(path.into(), value.into());
                true
            }
        }
    }

    /// Removes one key; whether it was there.
    pub fn remove(&mut self, path: &str) -> bool {
        let path = canonical(path);
        let was_unreadable = self.unreadable.remove(path.as_str()).is_some();
        self.of.remove(path.as_str()).is_some() || was_unreadable
    }

    /// Says that the store has something at this path that is no text; whether that is news.
    pub fn refuse(&mut self, path: &str, why: &str) -> bool {
        let path = canonical(path);
        let had_value = self.of.remove(path.as_str()).is_some();
        let before = self.unreadable.insert(path.into(), why.into());
        had_value || before.as_deref() != Some(why)
    }

    /// Makes `path` here what `other` has at `at`, without a copy of the value; whether that changed anything.
    pub fn mirror(&mut self, path: &str, other: &Keys, at: &str) -> bool {
        let (path, at) = (canonical(path), canonical(at));
        if let Some((_, why)) = other.unreadable.get_key_value(at.as_str()) {
            return self.refuse(&path, why);
        }
        let Some((name, value)) = other.of.get_key_value(at.as_str()) else { return self.remove(&path) };
        self.unreadable.remove(path.as_str());
        match self.of.get_mut(path.as_str()) {
            Some(now) if *now == *value => false,
            Some(now) => {
                *now = Arc::clone(value);
                true
            }
            None => {
                let name = if path == at { Arc::clone(name) } else { path.into() };
                self.of.insert(name, Arc::clone(value));
                true
            }
        }
    }

    /// What cannot be read at `path` and below it, as (path, why): what needs these keys must fail, naming them.
    pub fn unreadable(&self, path: &str) -> impl Iterator<Item = (&str, &str)> {
        within(&self.unreadable, path)
    }

    /// The value at exactly this path.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.of.get(canonical(path).as_str()).map(AsRef::as_ref)
    }

    /// The key at `path` and all below `path/`, in the order of their paths. `/key` never matches `/key2`.
    pub fn under(&self, path: &str) -> impl Iterator<Item = (&str, &str)> {
        within(&self.of, path)
    }

    /// Every key, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of.iter().map(|(path, value)| (path.as_ref(), value.as_ref()))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// The entry at `path` and those below it.
fn within<'a>(
    map: &'a BTreeMap<Arc<str>, Arc<str>>,
    path: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let at = canonical(path);
    let own = map.get_key_value(at.as_str());
    let inside = if at == "/" { at } else { at + "/" };
    let below = map.range::<str, _>((Bound::Excluded(inside.as_str()), Bound::Unbounded));
    let below = below.take_while(move |(path, _)| path.starts_with(&inside));
    own.into_iter().chain(below).map(|(path, value)| (path.as_ref(), value.as_ref()))
}

/// `path` with one slash in front, none at the end and none doubled, as confd joins its prefixes and keys. `..` and `.`
/// stay what they are: a store's keys are names, not places in a file system.
pub fn canonical(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    for part in path.split('/').filter(|part| !part.is_empty()) {
        out.push('/');
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_and_what_is_below_it_and_not_what_begins_like_it() {
        let mut keys = Keys::default();
        for path in ["/a", "/a/x", "/a/y/z", "/a2", "/a-b", "b"] {
            keys.set(path, path);
        }
        let under = |path| keys.under(path).map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(under("/a"), ["/a", "/a/x", "/a/y/z"]);
        assert_eq!(under("a/"), ["/a", "/a/x", "/a/y/z"]);
        assert_eq!(under("/a/y"), ["/a/y/z"]);
        assert_eq!(under("/"), ["/a", "/a-b", "/a/x", "/a/y/z", "/a2", "/b"]);
        assert_eq!(keys.get("//b/"), Some("b"));
    }

    #[test]
    fn what_is_no_text_is_named_and_takes_nothing_else_down() {
        let mut keys = Keys::default();
        keys.set("/a/x", "1");
        keys.set("/a/y", "2");
        assert!(keys.refuse("/a/x", "not UTF-8"));
        assert!(!keys.refuse("/a/x", "not UTF-8"));
        assert_eq!(keys.get("/a/x"), None);
        assert_eq!(keys.get("/a/y"), Some("2"));
        assert_eq!(keys.unreadable("/a").collect::<Vec<_>>(), [("/a/x", "not UTF-8")]);
        assert_eq!(keys.unreadable("/b").count(), 0);
        assert!(keys.set("/a/x", "3"));
        assert_eq!(keys.unreadable("/").count(), 0);
        keys.refuse("/a/x", "not UTF-8");
        assert!(keys.remove("/a/x"));
        assert_eq!(keys.unreadable("/").count(), 0);
    }

    #[test]
    fn a_mirror_has_what_the_other_one_has() {
        let (mut keys, mut mirror) = (Keys::default(), Keys::default());
        keys.set("/p/a", "1");
        assert!(mirror.mirror("/a", &keys, "/p/a"));
        assert!(!mirror.mirror("/a", &keys, "/p/a"));
        assert_eq!(mirror.get("/a"), Some("1"));
        keys.refuse("/p/a", "not UTF-8");
        assert!(mirror.mirror("/a", &keys, "/p/a"));
        assert_eq!((mirror.get("/a"), mirror.unreadable("/").next()), (None, Some(("/a", "not UTF-8"))));
        keys.set("/p/a", "1");
        assert!(mirror.mirror("/a", &keys, "/p/a"));
        keys.remove("/p/a");
        assert!(mirror.mirror("/a", &keys, "/p/a"));
        assert_eq!(mirror, Keys::default());
    }

    #[test]
    fn a_change_is_told_from_none() {
        let mut keys = Keys::default();
        assert!(keys.set("/a", "1"));
        assert!(!keys.set("/a", "1"));
        assert!(keys.set("/a", "2"));
        assert!(keys.remove("/a"));
        assert!(!keys.remove("/a"));
        assert!(keys.is_empty());
    }
}
