//! Reads a configuration and what it includes into one sequence of tokens: an include stands for the text of the
//! files that match, in the middle of a block too. Loops, depth, number and size of files are bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Findings, quoted};
use super::lex::{Statement, Token, lex};
use super::model::Location;

/// Files within files.
const MAX_DEPTH: usize = 16;
/// Files of one configuration.
const MAX_FILES: usize = 1024;
/// Bytes of one configuration, all files together.
const MAX_BYTES: u64 = 32 << 20;

/// A configuration with its includes in place.
pub(super) struct Source {
    /// Everything.
    pub(super) tokens: Vec<Token>,
    /// The files in the order in which they were opened, the main file first.
    pub(super) files: Vec<Arc<PathBuf>>,
}

/// Reads the file at `path` and what it includes.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Source {
    let mut reader = Reader::new(findings);
    let at = Location { file: Arc::new(path.to_owned()), line: 1, col: 1 };
    reader.open(path, &at);
    reader.source
}

/// Takes `text` for the content of `path`, and reads what it includes.
pub(super) fn read_str(path: &Path, text: &str, findings: &mut Findings) -> Source {
    let mut reader = Reader::new(findings);
    reader.splice(path, text);
    reader.source
}

struct Reader<'f> {
    findings: &'f mut Findings,
    source: Source,
    /// Files that are being read, by their real paths: an include of one of them is a loop.
    open: Vec<PathBuf>,
    bytes_left: u64,
}

impl Reader<'_> {
    fn new(findings: &mut Findings) -> Reader<'_> {
        let source = Source { tokens: Vec::new(), files: Vec::new() };
        Reader { findings, source, open: Vec::new(), bytes_left: MAX_BYTES }
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
        for token in lex(&file, text, self.findings) {
            match token {
                Token::Statement(statement) => match Include::of(&statement) {
                    Some(include) => self.include(&include, directory),
                    None => self.source.tokens.push(Token::Statement(statement)),
                },
                brace => self.source.tokens.push(brace),
            }
        }
    }

    fn include(&mut self, include: &Include, directory: &Path) {
        let Include { at, pattern, .. } = include;
        let shown = quoted(pattern);
        if pattern.is_empty() {
            self.findings.error(at, "`include` needs the name of a file");
            return;
        }
        if pattern.contains('{') {
            self.findings.strict(at, format!("braces in an include, as in {shown}, are not supported yet"));
            return;
        }
        // Joining leaves an absolute pattern alone. The directory's own name is no pattern.
        let directory = PathBuf::from(glob::Pattern::escape(&directory.to_string_lossy()));
        let full = directory.join(pattern);
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let matches = match glob::glob_with(&full.to_string_lossy(), options) {
            Ok(matches) => matches,
            Err(error) => {
                self.findings.error(at, format!("{shown} is not a pattern: {}", error.msg));
                return;
            }
        };
        let mut found = false;
        for path in matches.take(MAX_FILES) {
            match path {
                Ok(path) => {
                    found = true;
                    self.open(&path, at);
                }
                Err(error) => {
                    let shown = quoted(&error.path().display().to_string());
                    self.findings.error(at, format!("{shown} cannot be read: {}", error.error()));
                }
            }
        }
        if !found {
            include.report_missing(self.findings);
        }
    }
}

/// An `include` statement or one of its variants.
struct Include {
    at: Location,
    pattern: String,
    /// The variant demands a match for a name without wildcards.
    match_demanded: bool,
    /// The variant demands a match for a pattern too.
    wildcard_demanded: bool,
}

impl Include {
    fn of(statement: &Statement) -> Option<Include> {
        let keyword = &statement.keyword;
        let (match_demanded, wildcard_demanded) = match keyword.text.as_str() {
            "include" | "includer" | "includeb" => (false, false),
            "includem" => (true, false),
            "includew" | "includea" => (true, true),
            _ => return None,
        };
        let pattern = statement.args.first().map_or_else(String::new, |word| word.text.clone());
        Some(Include { at: keyword.at.clone(), pattern, match_demanded, wildcard_demanded })
    }

    fn report_missing(&self, findings: &mut Findings) {
        let message = format!("no file matches {}", quoted(&self.pattern));
        let wildcard = self.pattern.contains(['*', '?', '[']);
        if (wildcard && self.wildcard_demanded) || (!wildcard && self.match_demanded) {
            findings.error(&self.at, message);
        } else if !wildcard {
            findings.warning(&self.at, message).help("keepalived goes on without it, and so does vipward");
        }
    }
}
