//! Regular expressions, in Go's dialect.

use regex::{Regex, RegexBuilder};

use super::super::error::Fault;
use super::super::limits::Exceeded;
use super::super::value::Value;
use super::{Call, Function, plain};

/// Bytes of a text that an expression is run on: the time that takes grows with both.
const MOST_TEXT: usize = 1 << 20;
/// Bytes of an expression.
const MOST_PATTERN: usize = 4 << 10;
/// Parentheses inside each other.
const MOST_NESTING: u32 = 50;

pub(super) const FUNCTIONS: &[Function] = &[
    plain("regexMatch", 2, 2, |call| {
        let (regex, text) = prepared(call)?;
        Ok(Value::Bool(regex.is_match(text)))
    }),
    plain("regexFind", 2, 2, |call| {
        let (regex, text) = prepared(call)?;
        let found = regex.find(text).map_or("", |found| found.as_str()).to_owned();
        call.made(found)
    }),
    plain("regexReplaceAll", 3, 3, replace_all),
];

/// The expression and the text that it is run on, both within bounds.
fn prepared<'c>(call: &mut Call<'c, '_>) -> Result<(Regex, &'c str), Fault> {
    let (pattern, text) = (call.text(0)?, call.text(1)?);
    if text.len() > MOST_TEXT {
        return Err(Exceeded::Value(MOST_TEXT).into());
    }
    if pattern.len() > MOST_PATTERN {
        return Err(call.fail(format!("a regular expression may have {MOST_PATTERN} bytes")));
    }
    let function = call.function;
    let size = call.session.meter.limits.regex;
    // Compiling is work, and so is each step of a match.
    call.session.meter.steps(1000 + pattern.len() + text.len() / 16)?;
    let regex = call.session.regex(pattern, |pattern| {
        let build = RegexBuilder::new(&translated(pattern))
            .size_limit(size)
            .dfa_size_limit(size)
            .nest_limit(MOST_NESTING)
            .build();
        build.map_err(|error| match error {
            regex::Error::CompiledTooBig(size) => {
                function.fail(format!("the regular expression is larger than {size} bytes when compiled"))
            }
            error => {
                let last = error.to_string();
                let why = last.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                function.fail(format!("{}: {why}", super::super::quoted(pattern)))
            }
        })
    })?;
    Ok((regex, text))
}

fn replace_all(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (regex, text) = prepared(call)?;
    let replacement = call.text(2)?;
    let mut sink = call.sink();
    let mut end = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        sink.str(&text[end..whole.start()])?;
        let mut expanded = String::new();
        captures.expand(replacement, &mut expanded);
        sink.str(&expanded)?;
        end = whole.end();
    }
    sink.str(&text[end..])?;
    call.made(sink.text)
}

/// Go's dialect in the crate's: `\d`, `\w`, `\s` and `\b` are about ASCII, brackets do not nest, `\Q…\E` quotes.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let Some(escaped) = rest.chars().next() else {
                    out.push('\\');
                    break;
                };
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'd' => out.push_str("[0-9]"),
                    'D' => out.push_str("[^0-9]"),
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    's' => out.push_str("[\\t\\n\\f\\r ]"),
                    'S' => out.push_str("[^\\t\\n\\f\\r ]"),
                    'b' if !in_class => out.push_str("(?-u:\\b)"),
                    'B' if !in_class => out.push_str("(?-u:\\B)"),
                    'Q' if !in_class => {
                        let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                        out.push_str(&regex::escape(literal));
                        rest = after;
                    }
                    other => out.extend(['\\', other]),
                }
            }
            '[' if in_class && !rest.starts_with(':') => out.push_str("\\["),
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                // A bracket that comes first is one of the class.
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            // `[:alpha:]` within a class.
            '[' => match rest.split_once(":]") {
                Some((name, after)) => {
                    out.extend(["[", name, ":]"]);
                    rest = after;
                }
                None => out.push_str("\\["),
            },
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Set operations of the crate that Go does not know.
            '&' | '~' if in_class => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        for (pattern, text, matches) in [
            ("^\\d+$", "12", true),
            ("^\\d+$", "१२", false),
            ("^\\w$", "é", false),
            ("^[\\d.]+$", "1.2", true),
            ("^[^\\d]$", "x", true),
            ("^[[a]+$", "[a", true),
            ("^[]a]+$", "]a", true),
            ("^[[:alpha:]]+$", "ab", true),
            ("^[a&&b]+$", "&", true),
            ("\\Qa.b\\E", "axb", false),
            ("\\Qa.b\\E", "a.b", true),
            ("\\bfoo\\b", "a foo b", true),
            ("(?i)ABC", "abc", true),
        ] {
            assert_eq!(Regex::new(&translated(pattern)).unwrap().is_match(text), matches, "{pattern} {text}");
        }
    }
}
