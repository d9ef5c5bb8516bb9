//! The lines of a file one by one, and before the next of them what the last one expanded to.

use std::iter::{Peekable, Zip};
use std::ops::RangeFrom;
use std::path::{Path, PathBuf};
use std::str::Lines;
use std::sync::Arc;

use crate::config::diagnostic::Findings;
use crate::config::model::{Location, Origin};

use super::Language;
use super::parameter::{Definition, Row, defined};
use super::sequence::{self, Sequence};
use super::substitute::{Outcome, Tail, substitute};
use super::text::{self, Text};

/// Values and sequences that are being read within each other.
const MAX_DEPTH: usize = 32;

/// The lines of a file, and of what is expanded in it.
pub(in crate::config) struct Expansion<'a> {
    directory: &'a Path,
    /// The file at the bottom, what is being expanded on top.
    frames: Vec<Frame<'a>>,
}

enum Frame<'a> {
    File { file: Arc<PathBuf>, lines: Peekable<Zip<Lines<'a>, RangeFrom<u32>>> },
    Value { definition: Arc<Definition>, next: usize, used: Location },
    Repeat { sequence: Sequence, rest: Text<'static> },
}

/// A line, and whether it ended with `\`.
type Raw<'a> = (Text<'a>, bool);

impl<'a> Expansion<'a> {
    /// Of `text`, the content of `file` in `directory`.
    pub(in crate::config) fn new(file: &Arc<PathBuf>, directory: &'a Path, text: &'a str) -> Expansion<'a> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().zip(1..).peekable();
        Expansion { directory, frames: vec![Frame::File { file: Arc::clone(file), lines }] }
    }

    /// The next line for the lexer.
    pub(in crate::config) fn next(
        &mut self,
        language: &mut Language,
        findings: &mut Findings,
    ) -> Option<Text<'a>> {
        while let Some(frame) = self.frames.last_mut() {
            let raw = match frame {
                Frame::Repeat { sequence, rest } => sequence.next().map(|values| {
                    let mut text = rest.clone();
                    for (name, value) in sequence.names.iter().zip(values) {
                        let (shown, shown_value): (Arc<str>, Arc<str>) =
                            (name.as_str().into(), value.as_str().into());
                        text = text.through(|| Origin::With(Arc::clone(&shown), Arc::clone(&shown_value)));
                        language.set(name, value, rest.start());
                    }
                    (text, false)
                }),
                frame => frame.row(),
            };
            let Some((text, continues)) = raw else {
                self.frames.pop();
                continue;
            };
            if self.frames.len() > 1 && !self.afford(&text, language, findings) {
                continue;
            }
            if let Some(text) = self.read(text, continues, language, findings) {
                return Some(text);
            }
        }
        None
    }

    /// Counts a line that is expanded; without a budget nothing more of the kind is read.
    fn afford(&mut self, text: &Text<'_>, language: &mut Language, findings: &mut Findings) -> bool {
        let at = text.start();
        let affordable = language.spend_lines(1, &at, findings)
            && language.spend_bytes(text.as_str().len(), &at, findings);
        if !affordable {
            self.frames.truncate(1);
        }
        affordable
    }

    /// What the lexer is to have of a line, if anything.
    fn read(
        &mut self,
        line: Text<'a>,
        continues: bool,
        language: &mut Language,
        findings: &mut Findings,
    ) -> Option<Text<'a>> {
        let mut line = line;
        let mut ignored = false;
        let mut expanded = false;
        loop {
            // Most lines have nothing of all this.
            match line.as_str().trim_start().as_bytes().first() {
                Some(b'@') => {
                    line = line.after(0);
                    let word = line.as_str().split_whitespace().next().unwrap_or_default().to_owned();
                    ignored |= !language.conditions.hold(&word, &language.id, &line.start(), findings);
                    line = line.after(word.len());
                    continue;
                }
                Some(b'~') => {
                    line = line.after(0);
                    if let Some((kind, length)) = sequence::head(line.as_str()) {
                        if !ignored {
                            let at = line.start();
                            self.repeat(kind, line.after(length), &at, language, findings);
                        }
                        return None;
                    }
                }
                Some(b'$') => {
                    line = line.after(0);
                    if let Some((name, length)) = defined(line.as_str()) {
                        let (name, at) = (Arc::from(name), line.start());
                        let definition = self.definition(name, at, line.after(length), continues);
                        if !ignored {
                            language.define(definition);
                        }
                        return None;
                    }
                }
                _ => {}
            }
            if ignored {
                return None;
            }
            if expanded {
                return Some(line);
            }
            match substitute(line, language, self.directory, findings) {
                Outcome::Same(line) => return Some(line),
                Outcome::Refused => return None,
                Outcome::Line { text, tails, again } => {
                    for tail in tails {
                        self.follow(tail, language, findings);
                    }
                    line = text?;
                    expanded = !again;
                }
            }
        }
    }

    /// The definition of `name` whose value begins with `value`.
    fn definition(&mut self, name: Arc<str>, at: Location, value: Text<'a>, continues: bool) -> Definition {
        let mut rows = Vec::new();
        let mut open = 0;
        // A name alone has its value in the lines below.
        let first = row(value, continues);
        // Within a value every line but the last one ends with `\`.
        let is_within = matches!(self.frames.last(), Some(Frame::Value { .. }));
        let mut more = continues && (first.text.is_empty() || !is_within);
        if !(more && first.text.is_empty()) {
            open += balance(&first.text);
            rows.push(first);
        }
        while more {
            let Some((text, continues)) =
                self.frames.last_mut().and_then(|frame| frame.row_in_value(open > 0))
            else {
                break;
            };
            more = continues;
            let row = row(text, continues);
            open += balance(&row.text);
            rows.push(row);
        }
        if rows.is_empty() {
            rows.push(Row { text: String::new(), at: at.clone(), continues: false });
        }
        Definition { name, at, rows, counts: false }
    }

    fn repeat(
        &mut self,
        kind: sequence::Kind,
        line: Text<'a>,
        at: &Location,
        language: &mut Language,
        findings: &mut Findings,
    ) {
        let end = match sequence::arguments(line.as_str()) {
            Ok(end) => end,
            Err(error) => return refuse(&error, at, findings),
        };
        let mut arguments = line.clone().before(end);
        // The values of a list are looked into where they are used, as those of parameters.
        if kind != sequence::Kind::List {
            arguments = match substitute(arguments, language, self.directory, findings) {
                Outcome::Same(text) => text,
                Outcome::Line { text: Some(text), tails, .. } if tails.is_empty() => text,
                Outcome::Line { .. } => {
                    findings.error(at, "a value of several lines is no argument of a sequence");
                    return;
                }
                Outcome::Refused => return,
            };
        }
        match Sequence::read(kind, arguments.as_str()) {
            Ok(sequence) => {
                let rest = line.after(end + 1).into_owned();
                // Told before the first of too many lines is read.
                let affordable = sequence.left() <= language.lines_left
                    || language.spend_lines(sequence.left(), at, findings);
                if affordable && self.has_room(at, findings) {
                    self.frames.push(Frame::Repeat { sequence, rest });
                }
            }
            Err(error) => refuse(&error, at, findings),
        }
    }

    /// Has the lines of a value follow.
    fn follow(&mut self, tail: Tail, language: &mut Language, findings: &mut Findings) {
        let Tail { definition, from, at } = tail;
        let is_open = |frame: &Frame<'_>| matches!(frame, Frame::Value { definition: open, .. } if Arc::ptr_eq(open, &definition));
        if self.frames.iter().any(is_open) {
            let (name, defined) = (&definition.name, definition.at.place());
            findings
                .error(&at, format!("the value of `${name}` contains itself, see {defined}"))
                .help("values are looked into where they are used: give the new one a name of its own");
        } else if !language.is_exhausted && self.has_room(&at, findings) {
            self.frames.push(Frame::Value { definition, next: from, used: at });
        }
    }

    fn has_room(&self, at: &Location, findings: &mut Findings) -> bool {
        let room = self.frames.len() <= MAX_DEPTH;
        if !room {
            findings.error(at, format!("more than {MAX_DEPTH} values and sequences within each other"));
        }
        room
    }
}

impl<'a> Frame<'a> {
    /// The next line.
    fn row(&mut self) -> Option<Raw<'a>> {
        match self {
            Frame::File { file, lines } => {
                let (line, number) = lines.next()?;
                Some((Text::new(line, Location::new(file, number, 1)), text::continued(line).is_some()))
            }
            Frame::Value { definition, next, used } => {
                let row = definition.rows.get(*next)?;
                *next += 1;
                let via = used.through(Origin::Use(
                    Arc::clone(&definition.name),
                    Arc::clone(&used.file),
                    used.line,
                ));
                let at = Location { via: via.via, ..row.at.clone() };
                Some((Text::new(row.text.clone(), at), row.continues))
            }
            Frame::Repeat { .. } => None,
        }
    }

    /// The next line of a value. It ends before an empty line, unless a brace in it is open, as in an example of
    /// keepalived's manual. Comments do not end it.
    fn row_in_value(&mut self, open: bool) -> Option<Raw<'a>> {
        if let Frame::File { lines, .. } = self {
            while let Some((line, _)) = lines.peek() {
                let line = line.trim_start();
                let comment = line.starts_with(['#', '!']);
                if !comment && (!line.is_empty() || !open) {
                    break;
                }
                lines.next();
            }
            lines.peek().filter(|(line, _)| !line.trim().is_empty())?;
        }
        self.row()
    }
}

fn row(text: Text<'_>, continues: bool) -> Row {
    let text = text.after(0);
    let mut value = text.as_str();
    if continues {
        value = text::continued(value).unwrap_or(value);
    }
    Row { text: text::without_comment(value).trim_end().to_owned(), at: text.start(), continues }
}

/// Braces that open in `text`, less those that close.
fn balance(text: &str) -> i64 {
    text.chars().fold(0, |sum, c| match c {
        '{' => sum + 1,
        '}' => sum - 1,
        _ => sum,
    })
}

fn refuse(error: &sequence::Error, at: &Location, findings: &mut Findings) {
    findings.error(at, format!("this sequence cannot be read: {error}"));
}
