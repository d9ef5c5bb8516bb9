//! Braces in the pattern of an include, as in `{a,b{c,d}}.conf`: they stand for several patterns.

use crate::config::language::between_commas;

/// Patterns that one may stand for.
const MAX_PATTERNS: usize = 1024;

/// The patterns that `pattern` stands for, in its order; `None` if there are too many. Braces that are not closed, and
/// `{}`, stand for themselves.
pub(super) fn expand(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    // The next one comes last. What was expanded has no braces before `from` any more.
    let mut open = vec![(pattern.to_owned(), 0)];
    while let Some((pattern, from)) = open.pop() {
        let Some((start, end)) = pair(&pattern, from) else {
            done.push(pattern);
            continue;
        };
        let (Some(before), Some(within), Some(after)) =
            (pattern.get(..start), pattern.get(start + 1..end), pattern.get(end + 1..))
        else {
            return None;
        };
        let choices: Vec<&str> = between_commas(within).collect();
        if done.len() + open.len() + choices.len() > MAX_PATTERNS {
            return None;
        }
        open.extend(choices.iter().rev().map(|choice| (format!("{before}{choice}{after}"), start)));
    }
    Some(done)
}

/// The first pair of braces from the byte `from` on, `{}` excepted.
fn pair(pattern: &str, from: usize) -> Option<(usize, usize)> {
    let mut starts = Vec::new();
    let mut first = None;
    for (at, byte) in pattern.bytes().enumerate().skip(from) {
        match byte {
            b'{' => starts.push(at),
            b'}' => {
                let Some(start) = starts.pop() else { continue };
                if at - start > 1 && first.is_none_or(|(known, _)| start < known) {
                    first = Some((start, at));
                }
                // No pair that begins before can still be found.
                if starts.is_empty() && first.is_some() {
                    break;
                }
            }
            _ => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> String {
        expand(pattern).map_or_else(|| "too many".to_owned(), |patterns| patterns.join(" "))
    }

    #[test]
    fn braces_stand_for_each_of_their_names() {
        for (pattern, expected) in [
            ("a", "a"),
            ("d/{a,b}", "d/a d/b"),
            ("d/{,e/}g", "d/g d/e/g"),
            ("{{a,b},c}.x", "a.x b.x c.x"),
            ("{a,b}{c,d}", "ac ad bc bd"),
            ("{foo/{,cat,dog},bar}", "foo/ foo/cat foo/dog bar"),
            ("{a}", "a"),
            ("a{}b", "a{}b"),
            ("a{b", "a{b"),
            ("a}b", "a}b"),
            ("{a{b,c}", "{ab {ac"),
        ] {
            assert_eq!(expanded(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        assert_eq!(expand(&"{a,b}".repeat(9)).map(|patterns| patterns.len()), Some(512));
        assert_eq!(expanded(&"{a,b}".repeat(64)), "too many");
        assert_eq!(expanded(&format!("{{{}}}", ",".repeat(5000))), "too many");
        assert_eq!(expand(&"{".repeat(10_000)).map(|patterns| patterns.len()), Some(1));
    }
}
