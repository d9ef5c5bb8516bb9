//! What one rendering has at hand, in either syntax.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::includes::Includes;
use super::limits::Meter;
use super::{Context, Keys};

/// Regular expressions that a rendering keeps compiled.
const REGEXES: usize = 64;

/// One rendering.
pub(super) struct Session<'s> {
    pub(super) keys: &'s Keys,
    pub(super) context: &'s Context,
    pub(super) includes: &'s Includes,
    pub(super) meter: Meter,
    /// Included files around the present place, the innermost last.
    pub(super) files: Vec<Arc<str>>,
    regexes: BTreeMap<Arc<str>, Regex>,
}

impl<'s> Session<'s> {
    pub(super) fn new(keys: &'s Keys, context: &'s Context, includes: &'s Includes) -> Session<'s> {
        let meter = Meter::start(context.limits);
        Session { keys, context, includes, meter, files: Vec::new(), regexes: BTreeMap::new() }
    }

    /// A compiled regular expression; `compile` makes it when it comes up for the first time.
    pub(super) fn regex<E>(
        &mut self,
        pattern: &Arc<str>,
        compile: impl FnOnce(&str) -> Result<Regex, E>,
    ) -> Result<Regex, E> {
        if let Some(known) = self.regexes.get(pattern) {
            return Ok(known.clone());
        }
        let regex = compile(pattern)?;
        if self.regexes.len() >= REGEXES {
            self.regexes.clear();
        }
        self.regexes.insert(pattern.clone(), regex.clone());
        Ok(regex)
    }
}
