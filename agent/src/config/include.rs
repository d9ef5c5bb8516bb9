//! Reads a configuration and what it includes into one sequence of tokens: an include stands for the text of the
//! files that match, in the middle of a block too. Loops, depth, number and size of files are bounded.

mod braces;
mod checks;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Findings, quoted};
use super::language::{Expansion, Language};
use super::lex::{Statement, Token, lex};
use super::model::Location;
use checks::Checks;

/// Files within files.
const MAX_DEPTH: usize = 16;
/// Files of one configuration.
const MAX_FILES: usize = 1024;
/// Bytes of one configuration, all files together.
const MAX_BYTES: u64 = 32 << 20;

/// Bytes of a pattern, as of a path.
const MAX_PATTERN: usize = 4096;

/// A configuration with its includes in place.
pub(super) struct Source {
    /// Everything.
    pub(super) tokens: Vec<Token>,
    /// The files in the order in which they were opened, the main file first.
    pub(super) files: Vec<Arc<PathBuf>>,
}

/// Reads the file at `path` and what it includes, for the host `id`.
pub(super) fn read(path: &Path, id: String, findings: &mut Findings) -> Source {
    let mut reader = Reader::new(id, findings);
    let at = Location::new(&Arc::new(path.to_owned()), 1, 1);
    reader.open(path, &at);
    reader.finish()
}

/// Takes `text` for the content of `path`, and reads what it includes, for the host `id`.
pub(super) fn read_str(path: &Path, text: &str, id: String, findings: &mut Findings) -> Source {
    let mut reader = Reader::new(id, findings);
    reader.splice(path, text);
    reader.finish()
}

struct Reader<'f> {
    findings: &'f mut Findings,
    source: Source,
    /// What earlier lines defined, of all files.
    language: Language,
    /// What is demanded of the includes of the file that is being read.
    checks: Checks,
    /// Files that are being read, by their real paths: an include of one of them is a loop.
    open: Vec<PathBuf>,
    bytes_left: u64,
}

impl Reader<'_> {
    fn new(id: String, findings: &mut Findings) -> Reader<'_> {
        Reader {
            findings,
            source: Source { tokens: Vec::new(), files: Vec::new() },
            language: Language::new(id),
            checks: Checks::default(),
            open: Vec::new(),
            bytes_left: MAX_BYTES,
        }
    }

    fn finish(self) -> Source {
        self.language.finish(self.findings);
        self.source
    }

    /// Reads one file because of what stands at `at`.
    fn open(&mut self, path: &Path, at: &Location) {
        let shown = quoted(&path.display().to_string());
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.open.contains(&real) {
            self.findings.error(at, format!("{shown} includes itself"));
            return;
        }
        if self.open.len() >= MAX_DEPTH || self.source.files.len() >= MAX_FILES {
            self.findings.error(
                at,
                format!("{shown} is not read: at most {MAX_FILES} files, {MAX_DEPTH} deep, make up a configuration"),
            );
            return;
        }
        match self.content(path) {
            Ok(text) => {
                self.open.push(real);
                self.splice(path, &text);
                self.open.pop();
            }
            Err(error) => {
                // The main file has a place in the order of findings too.
                if self.source.files.is_empty() {
                    self.source.files.push(Arc::clone(&at.file));
                }
                self.findings.error(at, format!("{shown} cannot be read: {error}"));
            }
        }
    }

    fn content(&mut self, path: &Path) -> io::Result<String> {
        // Asked before opening: opening a FIFO would wait for its other end.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(self.bytes_left + 1).read_to_end(&mut bytes)?;
        let Some(left) = self.bytes_left.checked_sub(bytes.len() as u64) else {
            return Err(io::Error::other(format!("a configuration has at most {MAX_BYTES} bytes")));
        };
        self.bytes_left = left;
        // Comments in Latin-1 are common and harmless.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn splice(&mut self, path: &Path, text: &str) {
        let file = Arc::new(path.to_owned());
        self.source.files.push(Arc::clone(&file));
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let absolute = absolute(directory);
        // As in keepalived, no file changes what its includer demands.
        let checks = self.checks;
        let mut expansion = Expansion::new(&file, &absolute, text);
        let mut tokens = Vec::new();
        while let Some(line) = expansion.next(&mut self.language, self.findings) {
            lex(&line, &mut tokens, self.findings);
            for token in tokens.drain(..) {
                match token {
                    Token::Statement(statement) => self.statement(statement, directory),
                    brace => self.source.tokens.push(brace),
                }
            }
        }
        self.checks = checks;
    }

    fn statement(&mut self, statement: Statement, directory: &Path) {
        if let Some(include) = Include::of(&statement, self.checks) {
            return self.include(&include, &statement, directory);
        }
        match (statement.keyword.text.as_str(), statement.args.as_slice()) {
            ("include_check", options) => self.checks.set(options, self.findings),
            // What is no number is refused with the rest of `global_defs`.
            ("random_seed", [seed]) => _ = seed.text.parse().map(|seed| self.language.seed(seed)),
            _ => {}
        }
        self.source.tokens.push(Token::Statement(statement));
    }

    fn include(&mut self, include: &Include, statement: &Statement, directory: &Path) {
        let Include { at, pattern, .. } = include;
        if pattern.is_empty() {
            self.findings.error(at, "`include` needs the name of a file");
            return;
        }
        if let [_, more, ..] = statement.args.as_slice() {
            self.findings
                .error(&more.at, format!("{} is one word too many for an include", quoted(&more.text)))
                .help("each file has a line of its own; names with spaces are in double quotes");
            return;
        }
        let short = pattern.len() <= MAX_PATTERN;
        let Some(patterns) = short.then(|| braces::expand(pattern)).flatten() else {
            let shown = quoted(pattern);
            self.findings.error(at, format!("{shown} is too long, or its braces stand for too many names"));
            return;
        };
        // A pattern that finds nothing is told of if the include as a whole does.
        let mut empty = Vec::new();
        for pattern in &patterns {
            match self.matching(pattern, at, directory) {
                Some(0) => empty.push(pattern.as_str()),
                Some(_) => {}
                None => return,
            }
        }
        include.report_missing(&empty, patterns.len(), self.findings);
    }

    /// Reads the files that match `pattern`, and gives their number; `None` if it is no pattern.
    fn matching(&mut self, pattern: &str, at: &Location, directory: &Path) -> Option<usize> {
        // Joining leaves an absolute pattern alone. The directory's own name is no pattern.
        let directory = PathBuf::from(glob::Pattern::escape(&directory.to_string_lossy()));
        let full = directory.join(pattern);
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let matches = match glob::glob_with(&full.to_string_lossy(), options) {
            Ok(matches) => matches,
            Err(error) => {
                self.findings.error(at, format!("{} is not a pattern: {}", quoted(pattern), error.msg));
                return None;
            }
        };
        let mut found = 0;
        for path in matches.take(MAX_FILES) {
            match path {
                Ok(path) => {
                    found += 1;
                    self.open(&path, at);
                }
                Err(error) => {
                    let shown = quoted(&error.path().display().to_string());
                    self.findings.error(at, format!("{shown} cannot be read: {}", error.error()));
                }
            }
        }
        Some(found)
    }
}

/// `directory` as a parameter names it, which has to mean the same to scripts that run elsewhere.
fn absolute(directory: &Path) -> PathBuf {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    directory
        .canonicalize()
        .or_else(|_| std::path::absolute(directory))
        .unwrap_or_else(|_| directory.to_owned())
}

/// An `include` statement or one of its variants.
struct Include {
    at: Location,
    pattern: String,
    checks: Checks,
}

impl Include {
    fn of(statement: &Statement, checks: Checks) -> Option<Include> {
        let keyword = &statement.keyword;
        let checks = checks.and(Checks::of_variant(&keyword.text)?);
        let pattern = statement.args.first().map_or_else(String::new, |word| word.text.clone());
        Some(Include { at: keyword.at.clone(), pattern, checks })
    }

    /// Says which patterns found nothing, of so many that the braces stand for.
    fn report_missing(&self, empty: &[&str], patterns: usize, findings: &mut Findings) {
        for pattern in empty {
            let message = format!("no file matches {}", quoted(pattern));
            let wildcard = pattern.contains(['*', '?', '[']);
            let one_of_braces = patterns > 1 && self.checks.braces;
            let demanded = if wildcard { self.checks.wildcards } else { self.checks.names };
            if one_of_braces || (demanded && empty.len() == patterns) {
                findings.error(&self.at, message);
            } else if !wildcard {
                findings
                    .warning(&self.at, message)
                    .help("keepalived goes on without it, and so does vipward");
            }
        }
    }
}
