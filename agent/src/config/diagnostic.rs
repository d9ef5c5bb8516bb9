//! What there is to say about a configuration, and where: collected, never printed on the way.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::model::Location;

/// Findings that are kept; more than a person would read, and a bound on what a broken file can cost.
const MAX_FINDINGS: usize = 500;
/// Characters of a word that a message repeats.
const QUOTED_CHARS: usize = 64;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration can run, and somebody should look at this.
    Warning,
    /// The configuration cannot run.
    Error,
}

/// One finding, shown as `FILE:LINE:COL: error|warning: message; help (what was expanded)`.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub at: Location,
    /// What is wrong, in one line without control characters.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}: {severity}: {}", self.at.place(), self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        write!(f, "{}", self.at.way())
    }
}

/// The collector that every stage writes to.
#[derive(Debug, Default)]
pub(super) struct Findings {
    lenient: bool,
    kept: Vec<Diagnostic>,
    /// Warnings among them.
    warnings: usize,
    /// Left out because of [`MAX_FINDINGS`].
    left_out: usize,
    errors: bool,
}

impl Findings {
    /// With `lenient`, what keepalived only warns of is a warning here too.
    pub(super) fn new(lenient: bool) -> Findings {
        Findings { lenient, ..Findings::default() }
    }

    /// The configuration cannot run, lenient or not.
    pub(super) fn error(&mut self, at: &Location, message: impl Into<String>) -> Help<'_> {
        self.push(Severity::Error, at, message.into())
    }

    /// Something that keepalived passes over, and that the author surely did not mean: an error unless lenient.
    pub(super) fn strict(&mut self, at: &Location, message: impl Into<String>) -> Help<'_> {
        let severity = if self.lenient { Severity::Warning } else { Severity::Error };
        self.push(severity, at, message.into())
    }

    /// The configuration can run.
    pub(super) fn warning(&mut self, at: &Location, message: impl Into<String>) -> Help<'_> {
        self.push(Severity::Warning, at, message.into())
    }

    /// Whether [`Findings::strict`] gives warnings.
    pub(super) fn lenient(&self) -> bool {
        self.lenient
    }

    /// Whether the configuration cannot run.
    pub(super) fn has_errors(&self) -> bool {
        self.errors
    }

    fn push(&mut self, severity: Severity, at: &Location, message: String) -> Help<'_> {
        let warning = severity == Severity::Warning;
        self.errors |= !warning;
        if self.kept.len() >= MAX_FINDINGS {
            self.left_out += 1;
            // An error takes the place of a warning: a flood of these must not hide why a file is refused.
            if warning || self.warnings == 0 {
                return Help(None);
            }
            if let Some(last) = self.kept.iter().rposition(|kept| kept.severity == Severity::Warning) {
                self.kept.remove(last);
                self.warnings -= 1;
            }
        }
        self.warnings += usize::from(warning);
        self.kept.push(Diagnostic { severity, at: at.clone(), message, help: None });
        Help(self.kept.last_mut())
    }

    /// All findings, by the order of `files` and then by line and column.
    pub(super) fn into_sorted(mut self, files: &[Arc<PathBuf>]) -> Vec<Diagnostic> {
        let rank = |found: &Diagnostic| files.iter().position(|file| *file == found.at.file);
        // What a group says is said of each of its members, and what a sequence says each time.
        let mut said = HashSet::new();
        self.kept.retain(|found| said.insert((found.at.place().to_string(), found.message.clone())));
        self.kept.sort_by_cached_key(|found| (rank(found), found.at.line, found.at.col));
        if let (Some(last), true) = (self.kept.last().cloned(), self.left_out > 0) {
            let message = format!("{} further findings are not shown", self.left_out);
            self.kept.push(Diagnostic { severity: Severity::Warning, message, help: None, ..last });
        }
        self.kept
    }
}

/// A finding just made, to which advice can be added.
pub(super) struct Help<'f>(Option<&'f mut Diagnostic>);

impl Help<'_> {
    /// Says what to do about it.
    pub(super) fn help(self, text: impl Into<String>) {
        if let Some(diagnostic) = self.0 {
            diagnostic.help = Some(text.into());
        }
    }

    /// [`Help::help`] where there is something to say. It is looked for only if the finding is kept: suggestions take
    /// time, and a file may consist of mistakes.
    pub(super) fn maybe_help(self, text: impl FnOnce() -> Option<String>) {
        if let Some(diagnostic) = self.0 {
            diagnostic.help = text();
        }
    }
}

/// A piece of the file in a message: in backquotes, shortened, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    // `escape_debug` is for literals and escapes quotes as well, which need none here.
    format!("`{}`", shown.replace("\\\"", "\"").replace("\\'", "'"))
}

/// The candidate that `word` most likely stands for, if it is close to any.
pub(super) fn suggest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.chars().count();
    if length > QUOTED_CHARS {
        return None;
    }
    let tolerated = (length / 4).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 4 * tolerated)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, candidate)| candidate)
}

/// [`suggest`] as a help text.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    suggest(word, candidates).map(|meant| format!("did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_no_control_characters_and_keep_quotes() {
        assert_eq!(quoted("a\x1b[31m\"b'"), "`a\\u{1b}[31m\"b'`");
        assert_eq!(quoted(&"x".repeat(65)), format!("`{}…`", "x".repeat(64)));
    }

    #[test]
    fn suggestions_are_close() {
        assert_eq!(suggest("advert_in", ["interface", "advert_int"]), Some("advert_int"));
        assert_eq!(suggest("frobnicate", ["interface", "advert_int"]), None);
    }

    #[test]
    fn a_flood_is_bounded_and_errors_survive_it() {
        let at = Location::new(&Arc::default(), 1, 1);
        let mut findings = Findings::new(false);
        for number in 0..10_000 {
            findings.warning(&at, format!("w{number}"));
        }
        findings.error(&at, "e");
        let sorted = findings.into_sorted(&[]);
        assert_eq!(sorted.len(), MAX_FINDINGS + 1);
        assert!(sorted.iter().any(|found| found.severity == Severity::Error));
    }
}
