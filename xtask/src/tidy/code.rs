//! Rust text without what is not code, so that rules do not trip over comments, strings and test modules.

/// `text` with comments and the contents of literals blanked and every line kept in its place.
pub(super) fn without_comments_and_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            blank(&mut out, rest, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            blank(&mut out, rest, block_comment(rest))
        } else if let Some(length) = raw_string(rest, &out) {
            blank(&mut out, rest, length)
        } else if first == '"' {
            blank(&mut out, rest, quoted(rest, '"'))
        } else if first == '\'' && is_char(rest) {
            blank(&mut out, rest, quoted(rest, '\''))
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// `text` without modules under `#[cfg(test)]`, which the formatter ends with a `}` in the attribute's column.
pub(super) fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut test_module: Option<usize> = None;
    let mut attribute: Option<usize> = None;
    for line in code.lines() {
        let column = line.len() - line.trim_start().len();
        let word = line.trim();
        match (test_module, attribute) {
            (Some(start), _) => {
                if column == start && word == "}" {
                    test_module = None;
                }
            }
            (None, Some(start)) => {
                if !word.starts_with("#[") {
                    attribute = None;
                    if word.ends_with('{') {
                        test_module = Some(start);
                    }
                }
            }
            (None, None) if word.starts_with("#[cfg(test)]") => attribute = Some(column),
            (None, None) => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Writes the first `length` bytes of `text` as blanks and line ends; returns `length`.
fn blank(out: &mut String, text: &str, length: usize) -> usize {
    let skipped = text.get(..length).unwrap_or(text);
    out.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    skipped.len()
}

/// Length of a block comment, which may nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of a raw string like `r#"…"#` that starts here and not in the middle of a name.
fn raw_string(text: &str, before: &str) -> Option<usize> {
    let in_name = before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !before.ends_with('b');
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    if in_name || !text.get(1 + hashes..)?.starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    Some(text.get(body..)?.find(&end).map_or(text.len(), |at| body + at + end.len()))
}

/// Length of a literal between two `quote`s, with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// A quote opens a character and not a lifetime when a second one closes it.
fn is_char(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    after.next() == Some('\\') || after.next() == Some('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_blank() {
        let cases = [
            ("a(); // b.unwrap()", "a();"),
            ("a(\"x.unwrap() \\\" \"); c", "a(                ); c"),
            ("r#\"a \" b\"# + x", "           + x"),
            ("/* a /* b */ c */ d", "                  d"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("['\"', '\\'', 'x'] + \"y\"", "[   ,     ,    ] +"),
            ("b\"bytes\" br\"raw\"", "b        b"),
            ("\"one\n two\" end", "\n      end"),
        ];
        for (text, expected) in cases {
            let code = without_comments_and_literals(text);
            let trimmed: Vec<&str> = code.lines().map(str::trim_end).collect();
            assert_eq!(trimmed.join("\n"), expected, "{text}");
            assert_eq!(code.lines().count(), text.lines().count());
        }
    }

    #[test]
    fn test_modules_go_and_line_numbers_stay() {
        let text =
            "one\n#[cfg(test)]\nmod tests {\n    fn x() {\n    }\n}\nseven\n#[cfg(test)]\nuse y;\nten\n";
        let left: Vec<String> = without_tests(text).lines().map(str::to_owned).collect();
        let kept: Vec<(usize, &str)> = left
            .iter()
            .enumerate()
            .filter(|(_, l)| !l.is_empty())
            .map(|(n, l)| (n + 1, l.as_str()))
            .collect();
        assert_eq!(kept, [(1, "one"), (7, "seven"), (10, "ten")]);
    }
}
