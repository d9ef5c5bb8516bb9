//! Reads a Handlebars template before the crate does. The crate parses and renders by recursion with no bound and reports
//! an unclosed block as a syntax error at the end of the file, so nesting is bounded and pairing is checked here. What
//! other files a template takes in is found on the way.

use super::super::error::Fault;
use super::super::limits::Exceeded;

/// Blocks inside each other, `else if`s counted.
const MOST_BLOCKS: usize = 40;
/// Parentheses, brackets and braces inside each other within one tag.
const MOST_PARENS: usize = 16;
/// Bytes of one tag. The crate's parser tries several readings of a tag.
const MOST_TAG: usize = 4096;

/// Something that a template takes in: `{{> name}}` or `include "name"`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) name: String,
    pub(super) line: u32,
}

/// An error and its line.
type Checked<T> = Result<T, (u32, Fault)>;

/// Checks a text and finds what it takes in.
pub(super) fn check(text: &str) -> Checked<Vec<Taken>> {
    let mut scan = Scan { rest: text, line: 1, blocks: Vec::new(), taken: Vec::new(), inline: Vec::new() };
    while let Some(at) = scan.rest.find("{{") {
        let escapes = scan.rest[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        scan.skip(at);
        // One backslash takes the meaning away, two stand for one.
        if escapes == 1 {
            scan.skip(2);
        } else {
            scan.tag()?;
        }
    }
    if let Some(open) = scan.blocks.last() {
        let why =
            format!("{} without its `{{{{/{}}}}}`", super::quoted(&format!("#{}", open.name)), open.name);
        return Err((open.line, Fault::Syntax(why)));
    }
    let Scan { inline, mut taken, .. } = scan;
    taken.retain(|taken| !inline.contains(&taken.name));
    Ok(taken)
}

struct Open {
    name: String,
    line: u32,
    /// Itself and its `else if`s.
    arms: usize,
    /// Its plain `else` came.
    closed: bool,
    /// `else` may come.
    branches: bool,
}

struct Scan<'t> {
    rest: &'t str,
    line: u32,
    blocks: Vec<Open>,
    taken: Vec<Taken>,
    /// Partials that the text itself defines.
    inline: Vec<String>,
}

impl Scan<'_> {
    fn skip(&mut self, length: usize) {
        self.line += u32::try_from(self.rest[..length].matches('\n').count()).unwrap_or(0);
        self.rest = &self.rest[length..];
    }

    fn fail<T>(&self, why: impl Into<String>) -> Checked<T> {
        Err((self.line, Fault::Syntax(why.into())))
    }

    /// Reads what begins with `{{`.
    fn tag(&mut self) -> Checked<()> {
        if self.rest.starts_with("{{{{") {
            return self.raw_block();
        }
        if self.rest.starts_with("{{!--") {
            return self.pass_over("--}}", "a comment without its `--}}`");
        }
        if self.rest.starts_with("{{!") {
            return self.pass_over("}}", "a comment without its `}}`");
        }
        let end = self.tag_end()?;
        let inside = self.rest[2..end].trim_matches(['~', '{', '}']).trim();
        let length = end + 2;
        self.word(inside)?;
        self.skip(length);
        // The third brace of `{{{…}}}`.
        if self.rest.starts_with('}') && inside.is_empty() {
            self.skip(1);
        }
        Ok(())
    }

    fn pass_over(&mut self, end: &str, missing: &str) -> Checked<()> {
        match self.rest.find(end) {
            Some(at) => {
                self.skip(at + end.len());
                Ok(())
            }
            None => self.fail(missing),
        }
    }

    /// `{{{{raw}}}}…{{{{/raw}}}}`, whose text is text.
    fn raw_block(&mut self) -> Checked<()> {
        let name = self.rest[4..].split("}}}}").next().unwrap_or_default().trim();
        if name != "raw" {
            return self.fail("four braces begin a raw block, `{{{{raw}}}}`, and nothing else");
        }
        self.pass_over("{{{{/raw}}}}", "`{{{{raw}}}}` without its `{{{{/raw}}}}`")
    }

    /// Where the braces are that close the tag, outside of strings.
    fn tag_end(&self) -> Checked<usize> {
        let mut depth = 0usize;
        let mut quote = None;
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(2) {
            if at > MOST_TAG {
                return self.fail(format!("a tag may have {MOST_TAG} bytes"));
            }
            match (quote, c) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), c) => quote = (c != open).then_some(open),
                (None, '"' | '\'') => quote = Some(c),
                (None, '}') if self.rest[at..].starts_with("}}") => return Ok(at),
                (None, '(' | '[' | '{') => {
                    depth += 1;
                    if depth > MOST_PARENS {
                        let most = u32::try_from(MOST_PARENS).unwrap_or(u32::MAX);
                        return Err((self.line, Exceeded::Nesting(most).into()));
                    }
                }
                (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.fail("a tag without its `}}`")
    }

    /// What stands between the braces, trimmed.
    fn word(&mut self, inside: &str) -> Checked<()> {
        if inside.is_empty() {
            return self.fail("a tag without anything in it");
        }
        let (sign, after) = inside.split_at(inside.chars().next().map_or(0, char::len_utf8));
        let after = after.trim_start();
        match sign {
            "#" => {
                let (kind, words) = match after.chars().next() {
                    Some(kind @ ('>' | '*')) => (kind, after[1..].trim_start()),
                    _ => ('#', after),
                };
                self.open(kind, words)?;
                self.included(words);
            }
            ">" => self.partial(after)?,
            "/" => self.close(after)?,
            "*" => return self.fail("there are no decorators but `{{#*inline \"name\"}}…{{/inline}}`"),
            "^" => self.branch(after)?,
            _ => {
                if let Some(condition) = inside.strip_prefix("else")
                    && !condition.starts_with(|c: char| c.is_alphanumeric() || "-_.$:/".contains(c))
                {
                    self.branch(condition.trim())?;
                }
                self.included(inside);
            }
        }
        Ok(())
    }

    fn open(&mut self, kind: char, words: &str) -> Checked<()> {
        let name = words.split_whitespace().next().unwrap_or_default().to_owned();
        match kind {
            // The crate keeps what such a block renders in memory, without a bound.
            '>' => return self.fail("partials with a block, `{{#> …}}`, are not supported; write `{{> …}}`"),
            '*' if name != "inline" => return self.fail("the only decorator is `inline`"),
            '*' => {
                let inline = string_after(words, "inline").unwrap_or_default();
                self.inline.push(inline);
            }
            _ => {}
        }
        self.blocks.push(Open { name, line: self.line, arms: 1, closed: false, branches: kind != '*' });
        self.bounded()
    }

    fn bounded(&self) -> Checked<()> {
        if self.blocks.iter().map(|block| block.arms).sum::<usize>() > MOST_BLOCKS {
            let most = u32::try_from(MOST_BLOCKS).unwrap_or(u32::MAX);
            return Err((self.line, Exceeded::Nesting(most).into()));
        }
        Ok(())
    }

    fn branch(&mut self, condition: &str) -> Checked<()> {
        let line = self.line;
        match self.blocks.last_mut() {
            Some(block) if block.branches && !block.closed => {
                block.arms += usize::from(!condition.is_empty());
                block.closed = condition.is_empty();
                self.bounded()
            }
            Some(block) => Err((
                line,
                Fault::Syntax(format!("no `else` can come here in {}", super::quoted(&block.name))),
            )),
            None => Err((line, Fault::Syntax("`else` outside of a block".to_owned()))),
        }
    }

    fn close(&mut self, name: &str) -> Checked<()> {
        match self.blocks.pop() {
            Some(open) if open.name == name => Ok(()),
            Some(open) => self.fail(format!(
                "`{{{{/{name}}}}}` where `{{{{/{}}}}}` should come, for the block of line {}",
                open.name, open.line
            )),
            None => self.fail(format!("`{{{{/{name}}}}}` without a block that it ends")),
        }
    }

    fn partial(&mut self, words: &str) -> Checked<()> {
        let name = words.split_whitespace().next().unwrap_or_default();
        if name.starts_with('(') {
            return self
                .fail("a partial's name must be written out: it is read when the template is compiled");
        }
        let name = name.trim_matches(['\'', '"', '[', ']']);
        if name.is_empty() {
            return self.fail("`>` needs the name of a partial");
        }
        self.taken.push(Taken { name: name.to_owned(), line: self.line });
        Ok(())
    }

    /// Finds `include "name"` in a tag.
    fn included(&mut self, words: &str) {
        let mut rest = words;
        while let Some(at) = rest.find("include") {
            rest = &rest[at..];
            if let Some(name) = string_after(rest, "include") {
                self.taken.push(Taken { name, line: self.line });
            }
            rest = &rest["include".len()..];
        }
    }
}

/// The string that follows a word.
fn string_after(words: &str, word: &str) -> Option<String> {
    let rest = words.strip_prefix(word)?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split(quote).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_pair_and_partials_are_found() {
        let text = "\\{{#if}}{{!-- {{#if}} --}}{{#if \"}}\"}}\n{{> a/b}}{{else if (include 'c')}}{{> d}}{{/if}}\
                    {{#*inline \"e\"}}{{/inline}}{{> e}}{{{x}}}{{{{raw}}}}{{#if}}{{{{/raw}}}}";
        let taken = check(text).unwrap();
        let names: Vec<(&str, u32)> = taken.iter().map(|taken| (taken.name.as_str(), taken.line)).collect();
        assert_eq!(names, [("a/b", 2), ("c", 2), ("d", 2)]);
    }

    #[test]
    fn what_does_not_pair_is_named_where_it_began() {
        for (text, line) in [
            ("\n{{#if a}}\n\n", 2),
            ("\n\n{{/if}}", 3),
            ("{{#if a}}\n{{/each}}", 2),
            ("{{else}}", 1),
            ("{{#if a}}{{else}}\n{{else}}{{/if}}", 2),
            ("{{a", 1),
            ("{{}}", 1),
            ("{{!-- a }}", 1),
            ("{{#*x}}{{/x}}", 1),
            ("{{> (x)}}", 1),
            ("{{#> x}}{{/x}}", 1),
            ("{{{{x}}}}", 1),
        ] {
            assert_eq!(check(text).unwrap_err().0, line, "{text}");
        }
        assert!(check(&"{{#if a}}".repeat(50)).is_err());
        assert!(check(&format!("{{{{a {}}}}}", "(".repeat(50))).is_err());
    }
}
