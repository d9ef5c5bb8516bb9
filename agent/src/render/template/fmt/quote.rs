//! Go's quoted strings and characters.

/// Whether Go takes a character for printable: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(in super::super) fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{a0}' | '\u{ad}' => false,
        // What Debug leaves as it is, but for spaces and what joins to the character before.
        c => !c.is_whitespace() && (c.escape_debug().len() == 1 || is_mark(c)),
    }
}

/// Marks, which Debug escapes because they stand for nothing alone, and Go prints.
fn is_mark(c: char) -> bool {
    let quoted = format!("{:?}", String::from_iter(['a', c]));
    quoted.chars().nth(2) == Some(c)
}

/// `text` in double quotes.
pub(super) fn double(text: &str, ascii: bool) -> String {
    quoted(text.chars(), '"', ascii)
}

/// `c` in single quotes.
pub(super) fn single(c: char, ascii: bool) -> String {
    quoted(std::iter::once(c), '\'', ascii)
}

/// `text` in backquotes, if it can stand there.
pub(super) fn back(text: &str) -> Option<String> {
    let fits = |c: char| !matches!(c, '`' | '\u{feff}' | '\u{7f}') && (c == '\t' || c >= ' ');
    text.chars().all(fits).then(|| format!("`{text}`"))
}

fn quoted(chars: impl Iterator<Item = char>, quote: char, ascii: bool) -> String {
    let mut out = String::from(quote);
    for c in chars {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if (c.is_ascii() || !ascii) && is_printable(c) => out.push(c),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\0'..='\x1f' | '\x7f' => escape(&mut out, 'x', 2, c),
            c if (c as u32) < 0x1_0000 => escape(&mut out, 'u', 4, c),
            c => escape(&mut out, 'U', 8, c),
        }
    }
    out.push(quote);
    out
}

fn escape(out: &mut String, kind: char, digits: usize, c: char) {
    out.extend(['\\', kind]);
    out.extend([format!("{:0digits$x}", c as u32)]);
}
