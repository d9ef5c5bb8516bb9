//! Where something was written, and by what way it came into the configuration.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::diagnostic::quoted;

/// Steps of a way that are shown, from the nearest on.
const SHOWN: usize = 4;

/// Where something was written. All locations are equal, so that moving a block within its file, or a comment
/// above it, is no change to a reload.
#[derive(Clone)]
pub struct Location {
    /// The file, as it was named when it was opened.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// How it came into the configuration, if by more than being written here.
    pub via: Option<Arc<Via>>,
}

/// A step between what was written and what is read: the expansion of a parameter or a sequence.
#[derive(Debug)]
pub struct Via {
    /// What was expanded.
    pub origin: Origin,
    /// The step before.
    pub outer: Option<Arc<Via>>,
}

/// What was expanded.
#[derive(Debug)]
pub enum Origin {
    /// It comes from the value of a parameter that is used here, defined there.
    Value(Arc<str>, Arc<PathBuf>, u32),
    /// It stands in the value of a parameter, which is used there.
    Use(Arc<str>, Arc<PathBuf>, u32),
    /// It was read with this value of a parameter.
    With(Arc<str>, Arc<str>),
}

impl Location {
    /// A place in a file.
    pub fn new(file: &Arc<PathBuf>, line: u32, col: u32) -> Location {
        Location { file: Arc::clone(file), line, col, via: None }
    }

    /// The same place, reached by one step more.
    pub(in crate::config) fn through(&self, origin: Origin) -> Location {
        Location { via: Some(Arc::new(Via { origin, outer: self.via.clone() })), ..self.clone() }
    }

    /// `FILE:LINE:COL` and nothing else, as editors read it.
    pub fn place(&self) -> impl fmt::Display {
        format!("{}:{}:{}", self.file.display(), self.line, self.col)
    }

    /// How it came into the configuration, in brackets with a space before them; nothing if it was written here.
    pub fn way(&self) -> impl fmt::Display {
        let mut step = self.via.as_deref();
        let mut shown = Vec::new();
        while let (Some(via), true) = (step, shown.len() < SHOWN) {
            shown.push(self.step(&via.origin));
            step = via.outer.as_deref();
        }
        if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) }
    }

    fn step(&self, origin: &Origin) -> String {
        let line = |file: &Arc<PathBuf>, line: &u32| {
            if *file == self.file { format!("line {line}") } else { format!("{}:{line}", file.display()) }
        };
        match origin {
            Origin::Value(name, file, number) => format!("`${name}` is defined in {}", line(file, number)),
            Origin::Use(name, file, number) => format!("`${name}` is used in {}", line(file, number)),
            Origin::With(name, value) => format!("`${name}` is {}", quoted(value)),
        }
    }
}

impl PartialEq for Location {
    fn eq(&self, _: &Location) -> bool {
        true
    }
}

impl Eq for Location {}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place(), self.way())
    }
}
