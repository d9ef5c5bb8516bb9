//! Bytes to statements and braces, one line at a time, as keepalived reads them: a statement ends with its line
//! or at a brace, braces may stick to words, `#` and `!` begin a comment anywhere outside double quotes, and a
//! double-quoted string never spans lines. Single quotes mean something in command lines only.

use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::Findings;
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

/// What a file consists of.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// A line of words.
    Statement(Statement),
    /// `{`
    Open(Location),
    /// `}`
    Close(Location),
}

/// Splits `text`, the content of `file`.
pub(super) fn lex(file: &Arc<PathBuf>, text: &str, findings: &mut Findings) -> Vec<Token> {
    let mut tokens = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in text.lines().zip(1..) {
        LineLexer { file, line: number, tokens: &mut tokens, words: Vec::new(), raw: String::new() }
            .run(line, findings);
    }
    tokens
}

struct LineLexer<'a> {
    file: &'a Arc<PathBuf>,
    line: u32,
    tokens: &'a mut Vec<Token>,
    words: Vec<Word>,
    raw: String,
}

impl LineLexer<'_> {
    fn run(mut self, line: &str, findings: &mut Findings) {
        // The braces of an include are the pattern's, see `include.rs`.
        let braces = !is_include(line);
        // Whether the next character goes on with the last word.
        let mut in_word = false;
        let mut chars = line.chars().zip(1..).peekable();
        while let Some((c, col)) = chars.next() {
            match c {
                '#' | '!' => {
                    let comment = chars.map(|(c, _)| c).collect();
                    self.end_statement(in_word, comment);
                    return;
                }
                '{' | '}' if braces => {
                    self.end_statement(false, String::new());
                    let at = self.at(col);
                    self.tokens.push(if c == '{' { Token::Open(at) } else { Token::Close(at) });
                    in_word = false;
                    continue;
                }
                '"' => {
                    self.begin_word(col);
                    self.raw.push('"');
                    if !self.quoted(&mut chars) {
                        findings.error(&self.at(col), "this quote is not closed on its line");
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
                self.begin_word(col);
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

    fn at(&self, col: u32) -> Location {
        Location { file: Arc::clone(self.file), line: self.line, col }
    }

    fn begin_word(&mut self, col: u32) {
        if self.words.is_empty() {
            self.raw.clear();
        }
        self.words.push(Word { text: String::new(), at: self.at(col) });
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
    use super::*;

    fn words(statement: &Statement) -> impl Iterator<Item = &Word> {
        std::iter::once(&statement.keyword).chain(&statement.args)
    }

    /// The tokens of `text` in short: words joined by `|`, braces as they are.
    fn short(text: &str) -> Vec<String> {
        let mut findings = Findings::new(false);
        lex(&Arc::default(), text, &mut findings)
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
        let tokens = lex(&Arc::default(), "\u{feff}\r\n \té x\r\n", &mut Findings::new(false));
        let [Token::Statement(statement)] = tokens.as_slice() else { panic!("{tokens:?}") };
        let at: Vec<_> = words(statement).map(|word| (word.at.line, word.at.col)).collect();
        assert_eq!(at, [(2, 3), (2, 5)]);
    }

    #[test]
    fn an_open_quote_is_reported_where_it_opens() {
        let mut findings = Findings::new(false);
        lex(&Arc::default(), "\n a \"b", &mut findings);
        let found = findings.into_sorted(&[]);
        assert_eq!(found[0].to_string(), ":2:4: error: this quote is not closed on its line");
    }

    #[test]
    fn parameters_and_include_patterns_keep_their_braces() {
        assert_eq!(short("state ${A B} x"), ["state|${A B}|x"]);
        assert_eq!(short("include a/{b,c}.conf"), ["include|a/{b,c}.conf"]);
    }
}
