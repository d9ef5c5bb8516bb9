//! Parameters to their values, in one line. A value is looked into together with what stands around it, as if it had
//! been written there; so a `$NAME` at its end may be ended by what follows.

use std::path::Path;
use std::sync::Arc;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::{Location, Origin};

use super::parameter::{Definition, Use, defined};
use super::predefined::Predefined;
use super::text::{Part, Text};
use super::{Language, sequence};

/// Characters of a line in which something was replaced.
const MAX_LINE: usize = 64 << 10;
/// Values within values.
const MAX_DEPTH: usize = 32;
/// Characters that show whether a line begins with more than a keyword.
const HEAD: usize = 80;
/// From here on a number means a value, and below it a character of the line.
const VALUES: u32 = 1 << 31;

/// What became of a line.
pub(super) enum Outcome<'a> {
    /// There was nothing to replace.
    Same(Text<'a>),
    /// Something was replaced.
    Line {
        /// The line now; none if it was the value of several lines that follows.
        text: Option<Text<'static>>,
        /// Values of several lines that were used at its end, and which of their lines are still to come.
        tails: Vec<Tail>,
        /// It now begins with a condition, a sequence or a definition, and nothing was replaced after that.
        again: bool,
    },
    /// The reason was reported.
    Refused,
}

/// Lines of a value that follow a line.
pub(super) struct Tail {
    /// The value.
    pub(super) definition: Arc<Definition>,
    /// The first of its lines that follows.
    pub(super) from: usize,
    /// Where it is used.
    pub(super) at: Location,
}

/// A character of the line as it is being made.
#[derive(Clone, Copy)]
struct Char {
    c: char,
    /// Its number in the line, or [`VALUES`] and the number of the value that it is from.
    from: u32,
}

/// A value that was put into the line.
struct Value {
    definition: Arc<Definition>,
    /// Where the `$` was that it stands for.
    from: u32,
    at: Location,
}

struct Substitution<'s, 't> {
    language: &'s mut Language,
    findings: &'s mut Findings,
    directory: &'s Path,
    line: &'s Text<'t>,
    values: Vec<Value>,
    /// What is still to be looked at, the next character last.
    input: Vec<Char>,
    output: Vec<Char>,
    /// Nothing but whitespace is in there.
    blank: bool,
    replaced: bool,
    tails: Vec<Tail>,
    again: bool,
}

/// What a use turned out to be.
enum Found {
    Nothing,
    Replaced,
    /// All that there was in the line was a value of several lines.
    Rows,
    Refused,
}

/// Replaces what `line`, of a file in `directory`, uses.
pub(super) fn substitute<'a>(
    line: Text<'a>,
    language: &mut Language,
    directory: &Path,
    findings: &mut Findings,
) -> Outcome<'a> {
    if !line.as_str().contains('$') {
        return Outcome::Same(line);
    }
    let chars = line.as_str().chars().zip(0..).map(|(c, from)| Char { c, from });
    let mut input: Vec<Char> = chars.collect();
    input.reverse();
    let mut work = Substitution {
        language,
        findings,
        directory,
        line: &line,
        values: Vec::new(),
        output: Vec::with_capacity(input.len()),
        input,
        blank: true,
        replaced: false,
        tails: Vec::new(),
        again: false,
    };
    match work.run() {
        Found::Refused => Outcome::Refused,
        Found::Rows => Outcome::Line { text: None, tails: work.tails, again: false },
        Found::Nothing => Outcome::Same(line),
        Found::Replaced => {
            let text = work.text();
            let Substitution { tails, again, .. } = work;
            Outcome::Line { text: Some(text), tails, again }
        }
    }
}

impl Substitution<'_, '_> {
    fn run(&mut self) -> Found {
        let mut in_quotes = false;
        while let Some(char) = self.input.pop() {
            match char.c {
                '"' => in_quotes = !in_quotes,
                '#' | '!' if !in_quotes => {
                    self.rest(Some(char));
                    break;
                }
                // keepalived's parameters cannot be escaped.
                '\\' => {
                    self.push(char);
                    if let Some(escaped) = self.input.pop_if(|next| next.c != '$') {
                        self.push(escaped);
                    }
                    continue;
                }
                '$' => {
                    match self.used(char, in_quotes) {
                        Found::Nothing => self.push(char),
                        Found::Replaced => self.replaced = true,
                        end @ (Found::Rows | Found::Refused) => return end,
                    }
                    if self.replaced && self.blank && self.begins_anew() {
                        self.again = true;
                        self.rest(None);
                    }
                    continue;
                }
                _ => {}
            }
            self.push(char);
        }
        if self.replaced { Found::Replaced } else { Found::Nothing }
    }

    fn push(&mut self, char: Char) {
        self.blank &= char.c.is_whitespace();
        self.output.push(char);
    }

    /// Takes `first` and all that is left as it is.
    fn rest(&mut self, first: Option<Char>) {
        self.output.extend(first.into_iter().chain(self.input.drain(..).rev()));
    }

    /// Whether the line begins with what must be read before anything in it is replaced.
    fn begins_anew(&self) -> bool {
        let chars = self.input.iter().rev().map(|char| char.c).skip_while(|c| c.is_whitespace());
        let head: String = chars.take(HEAD).collect();
        head.starts_with('@') || sequence::head(&head).is_some() || defined(&head).is_some()
    }

    /// Looks at what follows a `$`.
    fn used(&mut self, dollar: Char, in_quotes: bool) -> Found {
        let Some(used) = Use::read(self.input.iter().rev().map(|char| char.c)) else { return Found::Nothing };
        let definition = self.language.parameters.get(used.name.as_str()).cloned();
        if definition.is_none() && !Predefined::has(&used.name) {
            if used.ends {
                let at = self.at(dollar.from);
                self.language.unresolved.note(&used.name, &at, used.braced && !in_quotes);
            }
            return Found::Nothing;
        }
        let at = self.at(dollar.from);
        if !used.ends {
            let name = &used.name;
            self.findings
                .warning(
                    &at,
                    format!(
                        "`${name}` is not replaced here, for there is neither space, comma nor `)` after it"
                    ),
                )
                .help(format!("write `${{{name}}}`"));
            return Found::Nothing;
        }
        self.input.truncate(self.input.len().saturating_sub(used.length));
        match definition {
            Some(definition) => self.put(&definition, dollar.from, at),
            None => self.put_predefined(&used, dollar, &at, in_quotes),
        }
    }

    fn put(&mut self, definition: &Arc<Definition>, from: u32, at: Location) -> Found {
        let name = &definition.name;
        let mut within = from;
        for depth in 0.. {
            let Some(value) = self.value(within) else { break };
            if depth >= MAX_DEPTH {
                self.findings.error(&at, format!("more than {MAX_DEPTH} values within each other"));
                return Found::Refused;
            }
            if Arc::ptr_eq(&value.definition, definition) {
                self.findings
                    .error(
                        &at,
                        format!("the value of `${name}` contains itself, see {}", definition.at.place()),
                    )
                    .help("values are looked into where they are used: give the new one a name of its own");
                return Found::Refused;
            }
            within = value.from;
        }
        let [first, others @ ..] = definition.rows.as_slice() else { return Found::Replaced };
        if !others.is_empty() {
            let mut rest = self.input.iter().rev().map(|char| char.c).skip_while(|c| c.is_whitespace());
            if !matches!(rest.next(), None | Some('#' | '!')) {
                let defined = definition.at.place();
                self.findings
                    .strict(
                        &at,
                        format!("`${name}` has several lines, see {defined}, and something follows it here"),
                    )
                    .help("begin a new line after it");
                return Found::Refused;
            }
            let from = usize::from(!self.blank);
            self.tails.push(Tail { definition: Arc::clone(definition), from, at: at.clone() });
            if self.blank {
                return Found::Rows;
            }
        }
        if !self.has_room(first.text.len(), &at) {
            return Found::Refused;
        }
        let at = if definition.counts {
            at
        } else {
            let given = &definition.at;
            at.through(Origin::Value(Arc::clone(name), Arc::clone(&given.file), given.line))
        };
        let Some(from_value) = u32::try_from(self.values.len()).ok().map(|number| VALUES + number) else {
            return Found::Refused;
        };
        let chars = first.text.chars().rev().map(|c| Char { c, from: from_value });
        self.input.extend(chars);
        self.values.push(Value { definition: Arc::clone(definition), from, at });
        Found::Replaced
    }

    fn put_predefined(&mut self, used: &Use, dollar: Char, at: &Location, in_quotes: bool) -> Found {
        let value = Predefined {
            directory: self.directory,
            id: &self.language.id,
            random: &mut self.language.random,
        };
        match value.of(used) {
            Ok(text) => {
                if !self.has_room(text.len(), at) {
                    return Found::Refused;
                }
                for c in text.chars() {
                    // It is not to begin a comment.
                    if matches!(c, '#' | '!') && !in_quotes {
                        self.push(Char { c: '\\', ..dollar });
                    }
                    self.push(Char { c, ..dollar });
                }
                Found::Replaced
            }
            Err(error) => {
                self.findings.error(at, format!("{}: {error}", quoted(&format!("${}", used.name))));
                Found::Refused
            }
        }
    }

    /// Whether a value of so many `bytes` may be put in.
    fn has_room(&mut self, bytes: usize, at: &Location) -> bool {
        if self.input.len() + self.output.len() + bytes > MAX_LINE {
            self.findings
                .error(at, format!("with its parameters this line is longer than {MAX_LINE} characters"))
                .help("divide it, or give the parameter a value of several lines");
            return false;
        }
        self.language.spend_bytes(bytes, at, self.findings)
    }

    /// The value that a character is from.
    fn value(&self, from: u32) -> Option<&Value> {
        self.values.get(usize::try_from(from.checked_sub(VALUES)?).ok()?)
    }

    fn at(&self, from: u32) -> Location {
        self.value(from).map_or_else(|| self.line.locate(from), |value| value.at.clone())
    }

    fn text(&self) -> Text<'static> {
        let mut parts: Vec<Part> = Vec::new();
        let mut last = None;
        for (char, start) in self.output.iter().zip(0..) {
            let value = self.value(char.from);
            let (part, fixed) = if value.is_some() { (0, true) } else { self.line.part(char.from) };
            // What was put in has the place of its `$`, and so has all that is at one place.
            let step = if fixed || value.is_some() { 0 } else { char.from.wrapping_sub(start) };
            let key = (value.map(|_| char.from), part, fixed, step);
            if last != Some(key) {
                last = Some(key);
                parts.push(Part { start, at: self.at(char.from), fixed });
            }
        }
        let text = self.output.iter().map(|char| char.c).collect();
        Text::of_parts(text, self.line.start(), parts)
    }
}
