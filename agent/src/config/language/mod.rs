//! keepalived's language above its keywords: parameters (`$NAME=VALUE`), conditional lines (`@ID`), sequences (`~SEQ`)
//! and lists (`~LST`). Lines go in as they stand in a file and come out as the lexer takes them, one at a time, since
//! each may change what the next one means. How much comes out is bounded, however little goes in.
//!
//! What keepalived's manual leaves open is as keepalived 2.2.7 was seen to do it.

mod condition;
mod expansion;
mod parameter;
mod predefined;
mod sequence;
mod substitute;
mod text;
mod unresolved;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::diagnostic::Findings;
use super::model::Location;
use condition::Conditions;
use parameter::{Definition, Row};
use unresolved::Unresolved;

pub(super) use expansion::Expansion;
pub(super) use text::Text;

/// Lines that may come out of values and sequences.
const MAX_LINES: u64 = 1 << 18;
/// Bytes that they may have together.
const MAX_BYTES: usize = 16 << 20;
/// One for a process: a reload is not to make another configuration of the same file.
static SEED: LazyLock<u64> = LazyLock::new(|| fastrand::u64(..));

/// What is known at one point of a configuration.
pub(super) struct Language {
    /// Whose lines count.
    id: String,
    parameters: HashMap<Arc<str>, Arc<Definition>>,
    random: fastrand::Rng,
    conditions: Conditions,
    unresolved: Unresolved,
    lines_left: u64,
    bytes_left: usize,
    /// There were too many, and nothing is expanded any more.
    is_exhausted: bool,
}

impl Language {
    /// The beginning of a configuration, of which the lines for `id` count.
    pub(super) fn new(id: String) -> Language {
        Language {
            id,
            parameters: HashMap::new(),
            random: fastrand::Rng::with_seed(*SEED),
            conditions: Conditions::default(),
            unresolved: Unresolved::default(),
            lines_left: MAX_LINES,
            bytes_left: MAX_BYTES,
            is_exhausted: false,
        }
    }

    /// `random_seed`
    pub(super) fn seed(&mut self, seed: u64) {
        self.random = fastrand::Rng::with_seed(seed);
    }

    /// Reports what only the end of the configuration shows.
    pub(super) fn finish(self, findings: &mut Findings) {
        self.unresolved.report(&self.parameters, findings);
        self.conditions.report(&self.id, findings);
    }

    /// Counts lines that come out; false if there are too many, which is reported once.
    fn spend_lines(&mut self, lines: u64, at: &Location, findings: &mut Findings) -> bool {
        let left = self.lines_left.checked_sub(lines);
        self.lines_left = left.unwrap_or(self.lines_left);
        left.is_some() || self.exhausted(&format!("{MAX_LINES} lines"), at, findings)
    }

    /// Counts bytes that come out; false if there are too many, which is reported once.
    fn spend_bytes(&mut self, bytes: usize, at: &Location, findings: &mut Findings) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(self.bytes_left);
        left.is_some() || self.exhausted(&format!("{MAX_BYTES} bytes"), at, findings)
    }

    fn exhausted(&mut self, than: &str, at: &Location, findings: &mut Findings) -> bool {
        if !std::mem::replace(&mut self.is_exhausted, true) {
            findings
                .error(at, format!("values and sequences make more than {than}"))
                .help("shorten the sequence, or the values");
        }
        false
    }

    fn set(&mut self, name: &str, value: String, at: Location) {
        let row = Row { text: value, at: at.clone(), continues: false };
        self.define(Definition { name: name.into(), at, rows: vec![row], counts: true });
    }

    fn define(&mut self, definition: Definition) {
        self.parameters.insert(Arc::clone(&definition.name), Arc::new(definition));
    }
}

/// The parts of `text` between the commas that are in no braces.
pub(super) fn between_commas(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}
