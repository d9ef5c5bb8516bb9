//! The words of Go's template language.

/// A token and the line on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    /// Its text as written.
    pub(super) text: &'s str,
    pub(super) line: u32,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text between actions, trimmed as their markers say.
    Text,
    /// `{{`
    Left,
    /// `}}`
    Right,
    /// Blanks within an action, which separate arguments.
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// `|`
    Pipe,
    /// `,`
    Comma,
    /// `(`
    OpenParen,
    /// `)`
    CloseParen,
    /// `"…"`
    String,
    /// `` `…` ``
    RawString,
    /// `'c'`
    Char,
    /// A number.
    Number,
    /// `true` or `false`
    Bool,
    /// `.`
    Dot,
    /// `.name`
    Field,
    /// `$` or `$name`
    Variable,
    /// A function's name.
    Identifier,
    /// One of the language's own words.
    Keyword(Keyword),
    /// The end of the file.
    End,
}

/// The language's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Keyword {
    /// The keyword that a word is.
    pub(super) fn from_word(word: &str) -> Option<Keyword> {
        Some(match word {
            "block" => Keyword::Block,
            "break" => Keyword::Break,
            "continue" => Keyword::Continue,
            "define" => Keyword::Define,
            "else" => Keyword::Else,
            "end" => Keyword::End,
            "if" => Keyword::If,
            "nil" => Keyword::Nil,
            "range" => Keyword::Range,
            "template" => Keyword::Template,
            "with" => Keyword::With,
            _ => return None,
        })
    }
}

impl Token<'_> {
    /// The token in a message.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            Kind::End => "the end of the file".to_owned(),
            Kind::Left => "`{{`".to_owned(),
            Kind::Right => "`}}`".to_owned(),
            Kind::Space => "a blank".to_owned(),
            Kind::Text => "text".to_owned(),
            _ => super::quoted(self.text),
        }
    }
}
