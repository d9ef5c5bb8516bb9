//! Go's package path: `Clean`, `Base`, `Dir` and the patterns of `Match`.

use thiserror::Error;

/// The shortest path that names the same place.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

/// The last part.
pub(super) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

/// All but the last part.
pub(super) fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

/// A pattern that is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the pattern `{0}` is not closed: `[` needs its `]`, and `\\` a character after it")]
pub(super) struct BadPattern(String);

/// A pattern of `Match`: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]` do not, and `\` takes the meaning away.
#[derive(Debug)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Char(char),
    Any,
    Class { not: bool, ranges: Vec<(char, char)> },
    Star,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Pattern, BadPattern> {
        let mut chars = pattern.chars().peekable();
        let mut pieces = Vec::new();
        let bad = || BadPattern(pattern.chars().take(64).collect());
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Star,
                '?' => Piece::Any,
                '\\' => Piece::Char(chars.next().ok_or_else(bad)?),
                '[' => class(&mut chars).ok_or_else(bad)?,
                c => Piece::Char(c),
            });
        }
        Ok(Pattern { pieces })
    }

    /// The folder that everything which matches is in, if the pattern begins with one.
    pub(super) fn folder(&self) -> String {
        let mut literal = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Char(c) => literal.push(*c),
                _ => break,
            }
        }
        let end = literal.rfind('/').unwrap_or(0);
        literal.truncate(end);
        literal
    }

    /// Whether a name matches, all of it.
    pub(super) fn matches(&self, name: &str) -> bool {
        let (mut rest, mut at) = (name, 0);
        // Where the last star stands, and what it has not taken yet.
        let mut star: Option<(usize, &str)> = None;
        loop {
            let piece = self.pieces.get(at);
            if let Some(Piece::Star) = piece {
                at += 1;
                star = Some((at, rest));
                continue;
            }
            let c = rest.chars().next();
            match (piece, c) {
                (None, None) => return true,
                (Some(piece), Some(c)) if piece.takes(c) => {
                    at += 1;
                    rest = &rest[c.len_utf8()..];
                    continue;
                }
                _ => {}
            }
            // The last star takes one character more. An earlier one need not: it could only leave less.
            let Some((after, left)) = star else {
                return false;
            };
            let Some(taken) = left.chars().next().filter(|c| *c != '/') else {
                return false;
            };
            rest = &left[taken.len_utf8()..];
            at = after;
            star = Some((after, rest));
        }
    }
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Piece::Char(own) => *own == c,
            Piece::Any => c != '/',
            Piece::Class { not, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *not
            }
            Piece::Star => false,
        }
    }
}

/// A class, after its `[`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Piece> {
    let not = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Piece::Class { not, ranges });
        }
        let low = bound(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { bound(chars)? } else { low };
        ranges.push((low, high));
    }
}

fn bound(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_in_go() {
        for (path, cleaned) in [
            ("", "."),
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("a/../..", ".."),
            ("/../a", "/a"),
            ("./a/./b/..", "a"),
            ("../../a", "../../a"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
        for (path, dir_of, base_of) in
            [("/a/b", "/a", "b"), ("a", ".", "a"), ("/a/", "/a", "a"), ("", ".", ".")]
        {
            assert_eq!((dir(path).as_str(), base(path)), (dir_of, base_of), "{path}");
        }
    }

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, matches) in [
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a*b*c", "/a1b2b3c", true),
            ("/a*b*c", "/a1b/3c", false),
            ("/?", "/a", true),
            ("/?", "//", false),
            ("/[^a-c]x", "/dx", true),
            ("/[^a-c]x", "/bx", false),
            ("/[\\]]", "/]", true),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("*", "", true),
            ("/*é", "/aé", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(name), matches, "{pattern} {name}");
        }
        for bad in ["[", "[]", "[]a]", "[-]", "[x-]", "[x", "a\\", "[^]", "[a-"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_knows_where_to_look() {
        for (pattern, folder) in
            [("/a/b/*", "/a/b"), ("/a/b*", "/a"), ("/*", ""), ("*", ""), ("/a/\\*/c?", "/a/*")]
        {
            assert_eq!(Pattern::new(pattern).unwrap().folder(), folder);
        }
    }
}
