//! Lines for some hosts only: `@ID` and `@^ID`.

use std::collections::BTreeSet;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::Location;

/// Names that a message lists.
const SHOWN: usize = 8;

/// What the conditions of a configuration name.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Where the first one is that demands a name.
    first: Option<Location>,
    /// The first of these names.
    names: BTreeSet<String>,
    /// One of them was ours.
    met: bool,
}

impl Conditions {
    /// Whether a line that begins with `word` counts for `id`.
    pub(super) fn hold(&mut self, word: &str, id: &str, at: &Location, findings: &mut Findings) -> bool {
        let name = word.strip_prefix('@').unwrap_or(word);
        let (name, negative) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        if name.is_empty() {
            findings
                .strict(at, format!("{} names no host", quoted(word)))
                .help("write it as in `@node1 priority 100`");
            return negative;
        }
        let same = name == id;
        if !negative {
            self.met |= same;
            self.first.get_or_insert_with(|| at.clone());
            if self.names.len() < SHOWN {
                self.names.insert(name.to_owned());
            }
        }
        same != negative
    }

    /// Says so if nothing is for `id`: then the host's name is most likely not what the author took for it.
    pub(super) fn report(&self, id: &str, findings: &mut Findings) {
        let Some(at) = self.first.as_ref().filter(|_| !self.met) else { return };
        let names = self.names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        findings
            .warning(at, format!("no line is for {}, there are some for {names}", quoted(id)))
            .help("say which one this node is with `--config-id`");
    }
}
