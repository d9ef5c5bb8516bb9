//! nginx's configuration language, as far as directives, blocks and the words in them. nginx itself judges whether they
//! mean anything; this reads whatever there is, in one pass and without recursion.

use std::ops::Range;

/// A word as nginx takes it, without quotes and escapes, and where it stands with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    pub(super) span: Range<usize>,
}

impl Word {
    /// As text, with what is none replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether it is this word.
    pub(super) fn is(&self, text: &str) -> bool {
        self.bytes == text.as_bytes()
    }
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Words and a semicolon, which the span includes.
    Directive(Vec<Word>, Range<usize>),
    /// Words and an opening brace.
    Open(Vec<Word>),
    /// A closing brace.
    Close,
}

/// Reads all statements of `text`.
pub(super) fn parse(text: &[u8]) -> Vec<Statement> {
    let mut reader = Reader { text, at: 0 };
    let mut statements = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    while let Some(c) = reader.skip_blanks() {
        match c {
            b';' => {
                reader.at += 1;
                let start = words.first().map_or(reader.at - 1, |word| word.span.start);
                statements.push(Statement::Directive(std::mem::take(&mut words), start..reader.at));
            }
            b'{' => {
                reader.at += 1;
                // Code of another language, whose braces and quotes are not nginx's.
                if words.first().is_some_and(|word| word.bytes.ends_with(b"_by_lua_block")) {
                    words.clear();
                    reader.skip_lua();
                } else {
                    statements.push(Statement::Open(std::mem::take(&mut words)));
                }
            }
            b'}' => {
                reader.at += 1;
                words.clear();
                statements.push(Statement::Close);
            }
            b'"' | b'\'' => words.push(reader.quoted(c)),
            _ => words.push(reader.bare()),
        }
    }
    statements
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next byte that is neither white space nor in a comment.
    fn skip_blanks(&mut self) -> Option<u8> {
        loop {
            match self.peek()? {
                c if c.is_ascii_whitespace() => self.at += 1,
                b'#' => self.skip_line(),
                c => return Some(c),
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != b'\n') {
            self.at += 1;
        }
    }

    fn quoted(&mut self, quote: u8) -> Word {
        let start = self.at;
        let mut bytes = Vec::new();
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                b'\\' => self.escape(&mut bytes),
                c if c == quote => break,
                c => bytes.push(c),
            }
        }
        Word { bytes, span: start..self.at }
    }

    fn bare(&mut self) -> Word {
        let start = self.at;
        let mut bytes = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                b';' => break,
                // `${name}` is a variable within a word; any other brace opens a block.
                b'{' if bytes.last() != Some(&b'$') => break,
                c if c.is_ascii_whitespace() => break,
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut bytes);
                    continue;
                }
                c => bytes.push(c),
            }
            self.at += 1;
        }
        Word { bytes, span: start..self.at }
    }

    /// What follows a backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) {
        let Some(c) = self.peek() else { return };
        self.at += 1;
        match c {
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b'"' | b'\'' | b'\\' => bytes.push(c),
            other => bytes.extend([b'\\', other]),
        }
    }

    /// To behind the brace that ends a block of Lua.
    fn skip_lua(&mut self) {
        let mut depth = 1;
        while let Some(c) = self.peek() {
            match c {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'"' | b'\'' => {
                    self.quoted(c);
                    continue;
                }
                b'-' if self.text.get(self.at + 1) == Some(&b'-') => {
                    self.skip_line();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let words = |words: &[Word]| words.iter().map(Word::text).collect::<Vec<_>>().join("|");
        parse(text.as_bytes())
            .iter()
            .map(|statement| match statement {
                Statement::Directive(all, span) => {
                    format!("{} @{}", words(all), text.get(span.clone()).unwrap_or("?"))
                }
                Statement::Open(all) => format!("{} {{", words(all)),
                Statement::Close => "}".to_owned(),
            })
            .collect()
    }

    #[test]
    fn quotes_comments_variables_and_lua_are_told_apart() {
        let text = "# no; {\nuser www;\nhttp { set $x ${a}b; log_format x '{\"a\": \"}\"}' ;\n\
                    a_by_lua_block { local s = \"}\" -- }\n if x then {} end }\n include \"a b/*.conf\"; }";
        let expected = [
            "user|www @user www;",
            "http {",
            "set|$x|${a}b @set $x ${a}b;",
            "log_format|x|{\"a\": \"}\"} @log_format x '{\"a\": \"}\"}' ;",
            "include|a b/*.conf @include \"a b/*.conf\";",
            "}",
        ];
        assert_eq!(shown(text), expected);
    }

    proptest! {
        #[test]
        fn anything_is_read_to_its_end(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            for statement in parse(&text) {
                if let Statement::Directive(_, span) = statement {
                    prop_assert!(span.end <= text.len() && span.start < span.end);
                }
            }
        }
    }
}
