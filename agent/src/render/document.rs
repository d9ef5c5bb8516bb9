//! A TOML file of ours: read with bounds, and every message with its place in the file.

use std::fs::OpenOptions;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::libc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::diagnostic::{Diagnostic, Severity, did_you_mean, quoted};
use crate::config::model::Location;

/// Far more than a person writes, and a bound on what a wrong path can cost.
const MAX_BYTES: u64 = 1 << 20;

/// The text of a file, with what is needed to name places in it.
#[derive(Debug)]
pub(super) struct Document {
    file: Arc<PathBuf>,
    text: String,
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The system refused it.
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    /// A folder, a pipe or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// Larger than anybody writes.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl Document {
    /// Reads `path`. A pipe in its place cannot make this wait.
    pub(super) fn read(path: &Path) -> Result<Document, ReadError> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(ReadError::NotAFile);
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ReadError::TooLarge);
        }
        let text = String::from_utf8(bytes).map_err(|_| ReadError::NotText)?;
        Ok(Document { file: Arc::new(path.to_owned()), text })
    }

    /// The whole table, or the first mistake in it.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, Diagnostic> {
        DeTable::parse(&self.text).map_err(|error| {
            let message = error.message().lines().next().unwrap_or_default().to_owned();
            self.error(error.span().unwrap_or(0..0), message)
        })
    }

    /// An error at `span`.
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.finding(Severity::Error, span, message)
    }

    /// Something that does no harm and that somebody should look at.
    pub(super) fn warning(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.finding(Severity::Warning, span, message)
    }

    fn finding(&self, severity: Severity, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity, at: self.at(span.start), message: message.into(), help: None }
    }

    fn at(&self, offset: usize) -> Location {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let col = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Location::new(&self.file, number(line), number(col))
    }
}

/// A finding about a file as a whole.
pub(super) fn whole_file(path: &Path, message: impl Into<String>) -> Diagnostic {
    let at = Location::new(&Arc::new(path.to_owned()), 1, 1);
    Diagnostic { severity: Severity::Error, at, message: message.into(), help: None }
}

/// A table whose values are taken out by name and type; what is wrong with them is collected.
pub(super) struct Fields<'d> {
    document: &'d Document,
    table: &'d DeTable<'d>,
    /// What is wrong so far.
    pub(super) findings: Vec<Diagnostic>,
}

impl<'d> Fields<'d> {
    /// Over `table`, in which only the names `known` may stand.
    pub(super) fn new(document: &'d Document, table: &'d DeTable<'d>, known: &[&'static str]) -> Fields<'d> {
        let mut findings = Vec::new();
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let mut finding = document.error(key.span(), format!("unknown key {}", quoted(name)));
                finding.help = did_you_mean(name, known.iter().copied());
                findings.push(finding);
            }
        }
        Fields { document, table, findings }
    }

    /// Notes an error at `span`.
    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.findings.push(self.document.error(span, message));
    }

    /// The value of `name` and where it is.
    pub(super) fn value(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.get(name)
    }

    /// A string.
    pub(super) fn text(&mut self, name: &str) -> Option<Spanned<String>> {
        let value = self.value(name)?;
        if let Some(text) = value.get_ref().as_str() {
            return Some(Spanned::new(value.span(), text.to_owned()));
        }
        self.wrong_type(name, value, "a string");
        None
    }

    /// A list of strings, or a single one.
    pub(super) fn list(&mut self, name: &str) -> Option<Vec<Spanned<String>>> {
        let value = self.value(name)?;
        let one = [value.clone()];
        let items = value.get_ref().as_array().map_or(&one[..], |array| array.as_ref());
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Spanned::new(item.span(), text.to_owned())),
                None => self.wrong_type(name, item, "a list of strings"),
            }
        }
        Some(texts)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(name, value, "true or false");
        }
        found
    }

    /// A whole number.
    pub(super) fn integer(&mut self, name: &str) -> Option<Spanned<i64>> {
        let value = self.value(name)?;
        let number = value.get_ref().as_integer();
        let found = number.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        if found.is_none() {
            self.wrong_type(name, value, "a whole number");
        }
        found.map(|found| Spanned::new(value.span(), found))
    }

    fn wrong_type(&mut self, name: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let message = format!("`{name}` must be {wanted}, not a {}", value.get_ref().type_str());
        self.error(value.span(), message);
    }
}
