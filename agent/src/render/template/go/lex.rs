//! Text to tokens, as Go's package text/template/parse cuts it: with trim markers that must have a blank beside them,
//! comments that fill their action, and blanks that count.

use super::super::error::Fault;
use super::token::{Keyword, Kind, Token};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const COMMENT: &str = "/*";
const COMMENT_END: &str = "*/";
/// What Go's trim markers take away.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Gives the tokens of a text one by one.
pub(super) struct Lexer<'s> {
    text: &'s str,
    at: usize,
    line: u32,
    inside: bool,
    /// Open parentheses of this action.
    parens: u32,
    /// The text that follows loses its leading blanks.
    trim: bool,
}

/// An error and its line.
pub(super) type Lexed<'s> = Result<Token<'s>, (u32, Fault)>;

impl<'s> Lexer<'s> {
    pub(super) fn new(text: &'s str) -> Lexer<'s> {
        Lexer { text, at: 0, line: 1, inside: false, parens: 0, trim: false }
    }

    /// The next token; [`Kind::End`] again and again at the end.
    pub(super) fn token(&mut self) -> Lexed<'s> {
        loop {
            let token = if self.inside { Some(self.action()?) } else { self.outside()? };
            if let Some(token) = token {
                return Ok(token);
            }
        }
    }

    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    /// The token of the next `length` bytes.
    fn take(&mut self, kind: Kind, length: usize) -> Token<'s> {
        let text = &self.rest()[..length];
        let token = Token { kind, text, line: self.line };
        self.skip(length);
        token
    }

    fn skip(&mut self, length: usize) {
        let passed = &self.rest()[..length];
        self.line += u32::try_from(passed.matches('\n').count()).unwrap_or(0);
        self.at += length;
    }

    fn fail<T>(&self, why: impl Into<String>) -> Result<T, (u32, Fault)> {
        Err((self.line, Fault::Syntax(why.into())))
    }

    /// Text up to the next action, or that action's beginning, or nothing if a comment was passed over.
    fn outside(&mut self) -> Result<Option<Token<'s>>, (u32, Fault)> {
        if std::mem::take(&mut self.trim) {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches(BLANKS).len());
        }
        let rest = self.rest();
        let Some(left) = rest.find(LEFT) else {
            let kind = if rest.is_empty() { Kind::End } else { Kind::Text };
            return Ok(Some(self.take(kind, rest.len())));
        };
        let trims = has_left_marker(&rest[left + LEFT.len()..]);
        if left > 0 {
            let text = if trims { rest[..left].trim_end_matches(BLANKS) } else { &rest[..left] };
            let token = Token { kind: Kind::Text, text, line: self.line };
            self.skip(left);
            return Ok((!text.is_empty()).then_some(token));
        }
        // One blank stands between a trim marker and a comment.
        let marker = LEFT.len() + if trims { 2 } else { 0 };
        if rest[marker..].starts_with(COMMENT) {
            self.skip(marker);
            self.comment()?;
            return Ok(None);
        }
        let token = self.take(Kind::Left, LEFT.len());
        if trims {
            self.skip(2);
        }
        self.inside = true;
        self.parens = 0;
        Ok(Some(token))
    }

    /// Passes over a comment and the end of its action.
    fn comment(&mut self) -> Result<(), (u32, Fault)> {
        let rest = self.rest();
        let Some(end) = rest[COMMENT.len()..].find(COMMENT_END) else {
            return self.fail("a comment without its `*/`");
        };
        let line = self.line;
        self.skip(COMMENT.len() + end + COMMENT_END.len());
        match self.right() {
            Some((length, trims)) => {
                self.skip(length);
                self.trim = trims;
                Ok(())
            }
            None => Err((
                line,
                Fault::Syntax("a comment must end right before `}}`: nothing may follow it".to_owned()),
            )),
        }
    }

    /// The length of an action's end if it is here, and whether it trims.
    fn right(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with(RIGHT) {
            return Some((RIGHT.len(), false));
        }
        let marked = rest.strip_prefix(BLANKS)?.strip_prefix('-')?;
        marked.starts_with(RIGHT).then_some((2 + RIGHT.len(), true))
    }

    fn action(&mut self) -> Lexed<'s> {
        if let Some((length, trims)) = self.right() {
            if self.parens > 0 {
                return self.fail("a `(` without its `)`");
            }
            self.inside = false;
            self.trim = trims;
            // The marker's blank is no token of its own.
            if trims {
                self.skip(2);
            }
            return Ok(self.take(Kind::Right, length - if trims { 2 } else { 0 }));
        }
        let rest = self.rest();
        let mut chars = rest.chars();
        let Some(c) = chars.next() else {
            return self.fail("an action without its `}}`");
        };
        let after = chars.next();
        match c {
            c if BLANKS.contains(&c) => Ok(self.space()),
            '=' => Ok(self.take(Kind::Assign, 1)),
            ':' if after == Some('=') => Ok(self.take(Kind::Declare, 2)),
            ':' => self.fail("`:` is no part of an action; `:=` declares a variable"),
            '|' => Ok(self.take(Kind::Pipe, 1)),
            ',' => Ok(self.take(Kind::Comma, 1)),
            '"' => self.quoted('"', Kind::String),
            '\'' => self.quoted('\'', Kind::Char),
            '`' => match rest[1..].find('`') {
                Some(end) => Ok(self.take(Kind::RawString, end + 2)),
                None => self.fail("a raw string without its closing backquote"),
            },
            '$' => self.name(Kind::Variable, 1),
            '.' if !after.is_some_and(|c| c.is_ascii_digit()) => self.dot(),
            '.' | '+' | '-' | '0'..='9' => self.number(),
            c if is_name(c) => self.word(),
            '(' => {
                self.parens += 1;
                Ok(self.take(Kind::OpenParen, 1))
            }
            ')' if self.parens > 0 => {
                self.parens -= 1;
                Ok(self.take(Kind::CloseParen, 1))
            }
            ')' => self.fail("a `)` without its `(`"),
            c => self.fail(format!("{} is no part of an action", super::quoted(&c.to_string()))),
        }
    }

    /// Blanks; the last one belongs to a trim marker that follows.
    fn space(&mut self) -> Token<'s> {
        let rest = self.rest();
        let mut length = rest.len() - rest.trim_start_matches(BLANKS).len();
        if rest[length..].starts_with("-}}") {
            length -= 1;
        }
        self.take(Kind::Space, length)
    }

    fn quoted(&mut self, quote: char, kind: Kind) -> Lexed<'s> {
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => return Ok(self.take(kind, at + 1)),
                _ => {}
            }
        }
        self.fail(format!("a {quote} without its closing {quote} on the same line"))
    }

    fn dot(&mut self) -> Lexed<'s> {
        let rest = self.rest();
        if ends_word(&rest[1..]) {
            return Ok(self.take(Kind::Dot, 1));
        }
        self.name(Kind::Field, 1)
    }

    /// A name after `begin` bytes of its own sign.
    fn name(&mut self, kind: Kind, begin: usize) -> Lexed<'s> {
        let rest = self.rest();
        let length = rest[begin..].find(|c| !is_name(c)).map_or(rest.len(), |end| begin + end);
        if !ends_word(&rest[length..]) {
            return self.fail(format!("{} is no part of a name", first(&rest[length..])));
        }
        Ok(self.take(kind, length))
    }

    fn word(&mut self) -> Lexed<'s> {
        let token = self.name(Kind::Identifier, 0)?;
        let kind = match token.text {
            "true" | "false" => Kind::Bool,
            word => Keyword::from_word(word).map_or(Kind::Identifier, Kind::Keyword),
        };
        Ok(Token { kind, ..token })
    }

    fn number(&mut self) -> Lexed<'s> {
        let rest = self.rest();
        if let Some(length) = super::number::scan(rest) {
            return Ok(self.take(Kind::Number, length));
        }
        let end = rest.find(|c: char| !is_name(c) && !"+-._".contains(c)).unwrap_or(rest.len());
        self.fail(format!("{} is not a number", super::quoted(&rest[..end.max(1)])))
    }
}

/// Whether a trim marker stands here: a minus and a blank.
fn has_left_marker(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANKS))
}

/// Letters, digits and the underscore.
pub(super) fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether a name or a dot may end before this.
fn ends_word(rest: &str) -> bool {
    match rest.chars().next() {
        None => true,
        Some(c) => BLANKS.contains(&c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '(' | '}'),
    }
}

fn first(rest: &str) -> String {
    super::quoted(&rest.chars().next().map(String::from).unwrap_or_default())
}
