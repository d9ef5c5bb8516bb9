//! Which keys are followed.

use crate::render::keys::canonical;

/// The prefixes that are watched: canonical, sorted, none within another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefixes(Vec<String>);

impl Prefixes {
    pub(crate) fn new<S: AsRef<str>>(prefixes: &[S]) -> Prefixes {
        let mut all: Vec<String> = prefixes.iter().map(|prefix| canonical(prefix.as_ref())).collect();
        all.sort();
        all.dedup();
        let covered = |path: &str| all.iter().any(|other| other != path && within(path, other));
        Prefixes(all.iter().filter(|path| !covered(path)).cloned().collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a canonical path is one of ours.
    pub(super) fn covers(&self, path: &str) -> bool {
        self.iter().any(|prefix| within(path, prefix))
    }
}

/// Whether `path` is `prefix` or below it.
pub(super) fn within(path: &str, prefix: &str) -> bool {
    prefix == "/" || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_within_another_is_dropped() {
        let of = |prefixes: &[&str]| Prefixes::new(prefixes).iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(&["/a/b", "a", "/a2", "/c/d", "/c/d/"]), ["/a", "/a2", "/c/d"]);
        assert_eq!(of(&["/a", "/"]), ["/"]);
        let prefixes = Prefixes::new(&["/a", "/b/c"]);
        assert!(prefixes.covers("/a") && prefixes.covers("/a/x") && prefixes.covers("/b/c"));
        assert!(!prefixes.covers("/a2") && !prefixes.covers("/b"));
    }
}
