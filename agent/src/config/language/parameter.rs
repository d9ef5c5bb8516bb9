//! Parameters: how they are defined, and how their uses look.

use std::sync::Arc;

use crate::config::model::Location;

/// Characters of a name.
pub(super) const MAX_NAME: usize = 64;

/// What `$NAME=VALUE` says.
#[derive(Debug)]
pub(super) struct Definition {
    /// The name.
    pub(super) name: Arc<str>,
    /// Where it is given.
    pub(super) at: Location,
    /// The lines of the value, at least one. Values are looked into where they are used.
    pub(super) rows: Vec<Row>,
    /// It is the variable of a sequence: its values need no explanation.
    pub(super) counts: bool,
}

/// A line of a value.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its text, without whitespace around it and without the `\` at its end.
    pub(super) text: String,
    /// Where that begins.
    pub(super) at: Location,
    /// It had one: a definition within the value goes on.
    pub(super) continues: bool,
}

/// The name that `text` defines, and the bytes before the value.
pub(super) fn defined(text: &str) -> Option<(&str, usize)> {
    let (name, _) = text.strip_prefix('$')?.split_once('=')?;
    is_name(name).then_some((name, name.len() + 2))
}

/// Whether `text` can be the name of a parameter.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.chars().all(is_of_name)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A use of a parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// The name.
    pub(super) name: String,
    /// Numbers after the name.
    pub(super) arguments: Vec<String>,
    /// Characters of it after the `$`.
    pub(super) length: usize,
    /// It has braces.
    pub(super) braced: bool,
    /// What stands after it lets it be one.
    pub(super) ends: bool,
}

impl Use {
    /// What `chars`, the characters after a `$`, begin with.
    pub(super) fn read(chars: impl Iterator<Item = char>) -> Option<Use> {
        let mut chars = chars.peekable();
        let braced = chars.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| name.len() <= MAX_NAME && is_of_name(*c)) {
            name.push(c);
        }
        if !is_name(&name) {
            return None;
        }
        if !braced {
            let ends = chars.peek().is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ')'));
            return Some(Use { length: name.len(), name, arguments: Vec::new(), braced, ends });
        }
        let mut rest = String::new();
        while let Some(c) =
            chars.next_if(|c| rest.len() <= MAX_NAME && (c.is_ascii_digit() || matches!(c, ' ' | '\t')))
        {
            rest.push(c);
        }
        if chars.next() != Some('}') || (!rest.is_empty() && !rest.starts_with([' ', '\t'])) {
            return None;
        }
        let length = name.len() + rest.len() + 2;
        let arguments = rest.split_whitespace().map(str::to_owned).collect();
        Some(Use { name, arguments, length, braced, ends: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_have_no_space_before_the_sign() {
        assert_eq!(defined("$A_1=b = c"), Some(("A_1", 5)));
        for text in ["$A =b", "$1=b", "$=b", "A=b", "$A-B=c", "$A", "$ A=b"] {
            assert_eq!(defined(text), None, "{text}");
        }
    }

    #[test]
    fn uses_end_where_keepalived_lets_them() {
        let read = |text: &str| Use::read(text.chars()).map(|it| (it.name, it.length, it.ends));
        let of = |name: &str, length, ends| Some((name.to_owned(), length, ends));
        for text in ["A", "A b", "A\t", "A,b", "A)"] {
            assert_eq!(read(text), of("A", 1, true), "{text}");
        }
        for text in ["A/24", "A$B", "A\"", "A}", "A{", "A.b"] {
            assert_eq!(read(text), of("A", 1, false), "{text}");
        }
        assert_eq!(read("{A}b"), of("A", 3, true));
        for text in ["", " A", "(A)", "1", "{A", "{ A}", "{A B}", "{A-B}", "{1}", "{}"] {
            assert_eq!(read(text), None, "{text}");
        }
        let random = Use::read("{_RANDOM 3  9} x".chars()).unwrap();
        assert_eq!((random.arguments, random.length), (vec!["3".to_owned(), "9".to_owned()], 14));
    }
}
