//! The guard against an upstream that a render would leave without servers.

use super::conf::{Statement, parse};

/// Says which `upstream` block of `text` has fewer than `least` servers, if any has. A server marked `down` is none.
pub fn guard(text: &str, least: u32) -> Result<(), TooFew> {
    let mut open: Option<(String, u32)> = None;
    let mut depth = 0_u32;
    for statement in parse(text.as_bytes()) {
        match statement {
            Statement::Open(words) => {
                depth += 1;
                if open.is_none() && words.first().is_some_and(|word| word.is("upstream")) {
                    open = Some((words.get(1).map(super::conf::Word::text).unwrap_or_default(), 0));
                    depth = 0;
                }
            }
            Statement::Directive(words, _) => {
                let server = words.first().is_some_and(|word| word.is("server"));
                if let (Some((_, count)), true) =
                    (&mut open, server && !words.iter().any(|word| word.is("down")))
                {
                    *count += 1;
                }
            }
            Statement::Close if depth > 0 => depth -= 1,
            Statement::Close => judge(open.take(), least)?,
        }
    }
    judge(open, least)
}

fn judge(upstream: Option<(String, u32)>, least: u32) -> Result<(), TooFew> {
    match upstream {
        Some((name, count)) if count < least => {
            Err(TooFew { name: name.escape_debug().to_string(), count, least })
        }
        _ => Ok(()),
    }
}

/// An upstream that would be left with too few servers.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "upstream `{name}` would have {count} servers, and min_upstreams is {least}: the last good file stays"
)]
pub struct TooFew {
    name: String,
    count: u32,
    least: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_counted_per_upstream() {
        let text = "upstream a { server 1; server 2 backup; server 3 down; }\nserver { listen 80; }\nupstream b { zone z 1m; }";
        assert_eq!(guard(text, 0), Ok(()));
        let error = guard(text, 1).expect_err("b is empty").to_string();
        assert!(error.starts_with("upstream `b` would have 0 servers, and min_upstreams is 1"), "{error}");
        assert!(
            guard(text, 3)
                .expect_err("a has two")
                .to_string()
                .starts_with("upstream `a` would have 2 servers")
        );
        assert!(guard("upstream c { # server 1;\n", 1).is_err(), "also one that does not end");
        assert_eq!(guard("http { upstream d { server 1; } }", 1), Ok(()));
    }
}
