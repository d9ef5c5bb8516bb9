//! Lines to statements and braces, as keepalived reads them: a statement ends with its line
//! or at a brace, braces may stick to words, `#` and `!` begin a comment anywhere outside double quotes, and a
//! double-quoted string never spans lines. Single quotes mean something in command lines only.

use super::diagnostic::Findings;
use super::language::Text;
use super::model::Location;

/// A word of a statement.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// Its text, without double quotes around it.
    pub(super) text: String,
    /// Where it begins.
    pub(super) at: Location,
}

/// The words of one line, or of the part of a line up to a brace.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// The first word.
    pub(super) keyword: Word,
    /// The words after it.
    pub(super) args: Vec<Word>,
    /// Its text as written, from the first word on and without the comment: command lines have their own quoting.
    pub(super) raw: String,
    /// The comment began within the last word, which is rarely meant in a password.
    pub(super) cut_by_comment: bool,
    /// The comment after it.
    pub(super) comment: String,
}

/// What a line consists of.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// A line of words.
    Statement(Statement),
    /// `{`
    Open(Location),
    /// `}`
    Close(Location),
}

/// Splits `line`, and adds what it consists of to `tokens`.
pub(super) fn lex(line: &Text<'_>, tokens: &mut Vec<Token>, findings: &mut Findings) {
    LineLexer { line, tokens, words: Vec::new(), raw: String::new() }.run(findings);
}

struct LineLexer<'a> {
    line: &'a Text<'a>,
    tokens: &'a mut Vec<Token>,
    words: Vec<Word>,
    raw: String,
}

impl LineLexer<'_> {
    fn run(mut self, findings: &mut Findings) {
        let line = self.line.as_str();
        // The braces of an include are the pattern's, see `include.rs`.
        let braces = !is_include(line);
        // Whether the next character goes on with the last word.
        let mut in_word = false;
        let mut chars = line.chars().zip(0..).peekable();
        while let Some((c, index)) = chars.next() {
            match c {
                '#' | '!' => {
                    let comment = chars.map(|(c, _)| c).collect();
                    self.end_statement(in_word, comment);
                    return;
                }
                '{' | '}' if braces => {
                    self.end_statement(false, String::new());
                    let at = self.line.locate(index);
                    self.tokens.push(if c == '{' { Token::Open(at) } else { Token::Close(at) });
                    in_word = false;
                    continue;
                }
                '"' => {
                    self.begin_word(index);
                    self.raw.push('"');
                    if !self.quoted(&mut chars) {
                        findings.error(&self.line.locate(index), "this quote is not closed on its line");
                    }
                    in_word = false;
                    continue;
                }
                c if c.is_whitespace() => {
                    self.raw.push(c);
                    in_word = false;
                    continue;
                }
                _ => {}
            }
            if !in_word {
                self.begin_word(index);
                in_word = true;
            }
            match (c, chars.peek().copied()) {
                // The escape is the lexer's own and not part of the word.
                ('\\', Some((escaped @ ('#' | '!'), _))) => {
                    chars.next();
                    self.push(escaped);
                }
                ('\\', Some((escaped, _))) if !escaped.is_whitespace() => {
                    chars.next();
                    self.push(c);
                    self.push(escaped);
                }
                ('$', Some(('{', _))) => {
                    self.push(c);
                    for (c, _) in chars.by_ref() {
                        self.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
                _ => self.push(c),
            }
        }
        self.end_statement(false, String::new());
    }

    /// Takes the characters up to the closing double quote; false if there is none.
    fn quoted(&mut self, chars: &mut impl Iterator<Item = (char, u32)>) -> bool {
        while let Some((c, _)) = chars.next() {
            if c == '"' {
                self.raw.push('"');
                return true;
            }
            self.push(c);
            if c == '\\'
                && let Some((escaped, _)) = chars.next()
            {
                self.push(escaped);
            }
        }
        false
    }

    fn begin_word(&mut self, index: u32) {
        if self.words.is_empty() {
            self.raw.clear();
        }
        self.words.push(Word { text: String::new(), at: self.line.locate(index) });
    }

    fn push(&mut self, c: char) {
        self.raw.push(c);
        if let Some(word) = self.words.last_mut() {
            word.text.push(c);
        }
    }

    fn end_statement(&mut self, cut_by_comment: bool, comment: String) {
        let mut words = std::mem::take(&mut self.words).into_iter();
        let raw = std::mem::take(&mut self.raw).trim_end().to_owned();
        if let Some(keyword) = words.next() {
            self.tokens.push(Token::Statement(Statement {
                keyword,
                args: words.collect(),
                raw,
                cut_by_comment,
                comment,
            }));
        }
    }
}

/// Whether `line` is an `include` or one of its variants.
fn is_include(line: &str) -> bool {
    let keyword = line.split_whitespace().next().unwrap_or_default();
    keyword.strip_prefix("include").is_some_and(|variant| ["", "r", "m", "w", "b", "a"].contains(&variant))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The tokens of a file with these lines.
    fn lex_all(text: &str, findings: &mut Findings) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            lex(&Text::new(line, Location::new(&Arc::default(), number, 1)), &mut tokens, findings);
        }
        tokens
    }

    fn words(statement: &Statement) -> impl Iterator<Item = &Word> {
        std::iter::once(&statement.keyword).chain(&statement.args)
    }

    /// The tokens of `text` in short: words joined by `|`, braces as they are.
    fn short(text: &str) -> Vec<String> {
        let mut findings = Findings::new(false);
        lex_all(text, &mut findings)
            .into_iter()
            .map(|token| match token {
                Token::Statement(s) => words(&s).map(|word| word.text.as_str()).collect::<Vec<_>>().join("|"),
                Token::Open(_) => "{".to_owned(),
                Token::Close(_) => "}".to_owned(),
            })
            .collect()
    }

    #[test]
    fn braces_end_statements_wherever_they_stick() {
        assert_eq!(short("vrrp_instance VI{state MASTER}"), ["vrrp_instance|VI", "{", "state|MASTER", "}"]);
        assert_eq!(short("a {\n}b"), ["a", "{", "}", "b"]);
    }

    #[test]
    fn comments_begin_anywhere_outside_quotes() {
        assert_eq!(short("a b#c\n  ! x\nd \"e # f\" g ! h"), ["a|b", "d|e # f|g"]);
        assert_eq!(short(r"auth_pass a\#b\!c"), ["auth_pass|a#b!c"]);
    }

    #[test]
    fn quotes_split_words_and_protect_braces() {
        assert_eq!(short(r#"x"y { z"w ''"#), ["x|y { z|w|''"]);
        assert_eq!(short(r#"script "say \"hi\" {}" "#), [r#"script|say \"hi\" {}"#]);
    }

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let tokens = lex_all("\r\n \té x\r\n", &mut Findings::new(false));
        let [Token::Statement(statement)] = tokens.as_slice() else { panic!("{tokens:?}") };
        let at: Vec<_> = words(statement).map(|word| (word.at.line, word.at.col)).collect();
        assert_eq!(at, [(2, 3), (2, 5)]);
    }

    #[test]
    fn an_open_quote_is_reported_where_it_opens() {
        let mut findings = Findings::new(false);
        lex_all("\n a \"b", &mut findings);
        let found = findings.into_sorted(&[]);
        assert_eq!(found[0].to_string(), ":2:4: error: this quote is not closed on its line");
    }

    #[test]
    fn parameters_and_include_patterns_keep_their_braces() {
        assert_eq!(short("state ${A B} x"), ["state|${A B}|x"]);
        assert_eq!(short("include a/{b,c}.conf"), ["include|a/{b,c}.conf"]);
    }
}
