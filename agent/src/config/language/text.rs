//! A line between the file and the lexer: its text, and where each part of that comes from.

use std::borrow::Cow;

use crate::config::model::{Location, Origin};

/// A line, as read or with something expanded in it.
#[derive(Clone, Debug)]
pub(in crate::config) struct Text<'a> {
    content: Cow<'a, str>,
    /// Where the first character is.
    at: Location,
    /// Parts that are elsewhere than the text before them, by their first character.
    parts: Vec<Part>,
}

/// A part of a [`Text`], up to the next one.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Characters before it.
    pub(super) start: u32,
    /// Where it is.
    pub(super) at: Location,
    /// All of it is at one place, where a parameter is used.
    pub(super) fixed: bool,
}

impl Part {
    fn locate(&self, index: u32) -> Location {
        let ahead = if self.fixed { 0 } else { index - self.start };
        Location { col: self.at.col + ahead, ..self.at.clone() }
    }
}

impl<'a> Text<'a> {
    /// A piece of a file that begins at `at`.
    pub(in crate::config) fn new(text: impl Into<Cow<'a, str>>, at: Location) -> Text<'a> {
        Text { content: text.into(), at, parts: Vec::new() }
    }

    /// What was made of a line. The first of `parts` begins with the text.
    pub(super) fn of_parts(text: String, at: Location, parts: Vec<Part>) -> Text<'a> {
        Text { content: text.into(), at, parts }
    }

    /// The text.
    pub(in crate::config) fn as_str(&self) -> &str {
        &self.content
    }

    /// Where its first character is.
    pub(in crate::config) fn start(&self) -> Location {
        self.locate(0)
    }

    /// Where the character is that has `index` others before it.
    pub(in crate::config) fn locate(&self, index: u32) -> Location {
        let before = self.parts.partition_point(|part| part.start <= index);
        match before.checked_sub(1).and_then(|last| self.parts.get(last)) {
            Some(part) => part.locate(index),
            None => Location { col: self.at.col + index, ..self.at.clone() },
        }
    }

    /// The part of the character that has `index` others before it: its number, and whether it is at one place.
    pub(super) fn part(&self, index: u32) -> (usize, bool) {
        let before = self.parts.partition_point(|part| part.start <= index);
        let part = before.checked_sub(1).and_then(|last| self.parts.get(last));
        (before, part.is_some_and(|part| part.fixed))
    }

    /// What follows its first `bytes` bytes and the whitespace after these.
    pub(super) fn after(mut self, bytes: usize) -> Text<'a> {
        let rest = self.content.get(bytes..).unwrap_or_default();
        let cut = self.content.len() - rest.trim_start().len();
        if cut == 0 {
            return self;
        }
        let gone = self.content.get(..cut).unwrap_or_default().chars().count();
        let gone = u32::try_from(gone).unwrap_or(u32::MAX);
        let at = self.locate(gone);
        let before = self.parts.partition_point(|part| part.start <= gone);
        let mut parts = self.parts.split_off(before.saturating_sub(1));
        for part in &mut parts {
            if part.start < gone {
                *part = Part { start: 0, at: at.clone(), fixed: part.fixed };
            } else {
                part.start -= gone;
            }
        }
        let text = match self.content {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(cut..).unwrap_or_default()),
            Cow::Owned(mut text) => {
                text.drain(..cut);
                Cow::Owned(text)
            }
        };
        Text { content: text, at, parts }
    }

    /// Its first `bytes` bytes.
    pub(super) fn before(mut self, bytes: usize) -> Text<'a> {
        match &mut self.content {
            Cow::Borrowed(text) => *text = text.get(..bytes).unwrap_or(text),
            Cow::Owned(text) if text.is_char_boundary(bytes) => text.truncate(bytes),
            Cow::Owned(_) => {}
        }
        self
    }

    /// The same, reached by one step more.
    pub(super) fn through(&self, origin: impl Fn() -> Origin) -> Text<'static> {
        let part = |part: &Part| Part { at: part.at.through(origin()), ..part.clone() };
        Text {
            content: Cow::Owned(self.content.clone().into_owned()),
            at: self.at.through(origin()),
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// The same, of its own.
    pub(super) fn into_owned(self) -> Text<'static> {
        Text { content: Cow::Owned(self.content.into_owned()), at: self.at, parts: self.parts }
    }
}

/// `text` up to its comment, as the lexer sees that.
pub(super) fn without_comment(text: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    let end = text.char_indices().find(|(_, c)| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match c {
            '"' => quoted = !quoted,
            '\\' => escaped = true,
            '#' | '!' => return !quoted,
            _ => {}
        }
        false
    });
    end.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// `text` without the `\` at its end, if it has one: then it goes on in the next line.
pub(super) fn continued(text: &str) -> Option<&str> {
    text.trim_end().strip_suffix('\\')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn places_survive_what_is_cut_off() {
        let text = Text::new("é  b $x", Location::new(&Arc::default(), 3, 5));
        assert_eq!(text.locate(3).col, 8);
        let text = text.after("é".len());
        assert_eq!((text.as_str(), text.start().col, text.locate(2).col), ("b $x", 8, 10));

        let at = Location::new(&Arc::default(), 3, 1);
        let part = |start, col, fixed| Part { start, at: Location { col, ..at.clone() }, fixed };
        let text = Text::of_parts(
            "ab cd ef".to_owned(),
            at.clone(),
            vec![part(0, 1, false), part(3, 4, true), part(6, 9, false)],
        );
        let cols = |text: &Text<'_>| -> Vec<u32> {
            (0..8).map(|index| text.locate(index).col).take(text.as_str().len()).collect()
        };
        assert_eq!(cols(&text), [1, 2, 3, 4, 4, 4, 9, 10]);
        assert_eq!(cols(&text.clone().after(1)), [2, 3, 4, 4, 4, 9, 10]);
        assert_eq!(cols(&text.clone().after(4)), [4, 4, 9, 10]);
        assert_eq!(cols(&text.after(7)), [10]);
    }

    #[test]
    fn comments_end_a_value_outside_quotes() {
        assert_eq!(without_comment("a \"b # c\" d # e"), "a \"b # c\" d ");
        assert_eq!(without_comment(r"a\#b ! c"), r"a\#b ");
        assert_eq!(without_comment("a b"), "a b");
    }
}
