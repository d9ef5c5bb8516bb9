//! Command lines: keepalived's quoting, and whether a line needs a shell.
//!
//! keepalived takes a line apart twice: first the statement, whose second word is the command line, then the
//! command line itself. It never runs a shell, so `[[ -f x ]] && exit 0` is to it a program named `[[`. Here such a
//! line runs under a shell, which is what its author meant.

use std::path::Path;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;
use crate::config::model::{Command, How, NotifyScript, User};
use crate::config::tree::Node;

/// Words at the beginning of a line that are the shell's own and no programs.
const BUILTINS: &[&str] = &[
    "!", ".", "[[", "((", "case", "cd", "command", "eval", "exec", "exit", "export", "for", "function", "if",
    "read", "set", "source", "trap", "type", "ulimit", "umask", "until", "wait", "while",
];
/// What `sh` has not.
const BASH_ONLY: &[&str] = &["[[", "((", "&>", "<(", "<<<", "function "];
const BASH: [&str; 2] = ["/bin/bash", "/usr/bin/bash"];

/// The command of a `vrrp_script`: all that follows the keyword.
pub(super) fn script(node: &Node, findings: &mut Findings) -> Option<Command> {
    let words = statement_words(node, findings)?;
    let first = node.args().first()?;
    if let [_, line] = words.as_slice() {
        return command(line, first, findings);
    }
    findings
        .warning(&first.at, "a command with arguments should stand in double quotes")
        .help("keepalived runs its first word and drops the others; vipward runs the whole line");
    let line = node.statement.raw.strip_prefix(&node.keyword().text).unwrap_or_default().trim();
    command(line, first, findings)
}

/// A `notify…` line: a command, and perhaps a user and a group.
pub(super) fn notify(node: &Node, findings: &mut Findings) -> Option<NotifyScript> {
    let words = statement_words(node, findings)?;
    let first = node.args().first()?;
    let mut words = words.into_iter().skip(1);
    let command = command(&words.next()?, first, findings)?;
    let user = words.next().map(|name| User { name, group: words.next(), at: first.at.clone() });
    if words.next().is_some() {
        findings
            .error(&first.at, "after the command come at most a user and a group")
            .help("a command with arguments stands in double quotes");
        return None;
    }
    if let Some(user) = user.as_ref().filter(|user| user.name.starts_with(['-', '/']) || user.name.is_empty())
    {
        findings
            .error(&first.at, format!("{} stands where the user belongs", quoted(&user.name)))
            .help("a command with arguments stands in double quotes");
        return None;
    }
    Some(NotifyScript { command, user, at: node.at().clone() })
}

fn statement_words(node: &Node, findings: &mut Findings) -> Option<Vec<String>> {
    let at = &node.args().first()?.at;
    split(&node.statement.raw).map_err(|message| findings.error(at, message)).ok()
}

fn command(line: &str, word: &Word, findings: &mut Findings) -> Option<Command> {
    let at = word.at.clone();
    if line.contains('\0') {
        findings.error(&at, "a command has no zero bytes");
        return None;
    }
    let how = if let Some(syntax) = shell_syntax(line) {
        let shell = if BASH.iter().any(|path| Path::new(path).exists()) { "bash" } else { "sh" };
        if shell == "sh" && BASH_ONLY.iter().any(|syntax| line.contains(syntax)) {
            findings.error(&at, format!("{} is bash's, and there is no bash here", quoted(syntax)));
            return None;
        }
        findings
            .warning(&at, format!("{} is shell syntax: the command is run by `{shell} -c`", quoted(syntax)))
            .help("keepalived would take it for a program or an argument");
        How::Shell { shell, line: line.to_owned() }
    } else {
        let words = split(line).map_err(|message| findings.error(&at, message)).ok()?;
        if words.first().is_none_or(String::is_empty) {
            findings.error(&at, "this command is empty");
            return None;
        }
        How::Exec(words)
    };
    Some(Command { source: line.to_owned(), how, at })
}

/// Splits at whitespace outside quotes, and takes quotes and backslash escapes away.
fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words: Vec<String> = Vec::new();
    let mut in_word = false;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            in_word = false;
            continue;
        }
        if !in_word {
            words.push(String::new());
            in_word = true;
        }
        let Some(word) = words.last_mut() else { break };
        match c {
            '\\' => word.push(unescape(&mut chars).ok_or("a backslash ends this command")?),
            _ if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            _ => word.push(c),
        }
    }
    if quote.is_some() { Err("a quote in this command is not closed") } else { Ok(words) }
}

/// The character that stands after a backslash, by keepalived's list of escapes.
fn unescape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let digits = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, radix: u32, most: usize| {
        let mut value = None;
        for _ in 0..most {
            let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
            chars.next();
            value = Some((value.unwrap_or(0) * radix + digit) & 0xff);
        }
        value.and_then(char::from_u32)
    };
    if let Some(octal) = digits(chars, 8, 3) {
        return Some(octal);
    }
    Some(match chars.next()? {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => digits(chars, 16, usize::MAX).unwrap_or('x'),
        'c' => chars.next().and_then(|c| char::from_u32(u32::from(c) & 0x1f)).unwrap_or('c'),
        c => c,
    })
}

/// The first thing in `line` that only a shell understands.
fn shell_syntax(line: &str) -> Option<&str> {
    let first = line.split_whitespace().next()?;
    if BUILTINS.contains(&first) || is_assignment(first) {
        return Some(first);
    }
    let mut quote = None;
    // In the word of a URL, `?`, `&` and the like are the URL's.
    let mut url = false;
    let mut word_begins = true;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let word_ends = next.is_none_or(char::is_whitespace);
        if word_begins {
            let rest = line.get(at..).unwrap_or_default();
            url = rest.split(char::is_whitespace).next().is_some_and(|word| word.contains("://"));
        }
        let meant_for_shell = match (quote, c) {
            (None | Some('"'), '\\') => {
                chars.next();
                false
            }
            (None | Some('"'), '`') | (None, '|' | '<' | '>' | '(' | ')') => true,
            (None | Some('"'), '$') => {
                next.is_some_and(|c| c.is_ascii_alphanumeric() || "_({?!#@*-".contains(c))
            }
            (Some(open), _) => {
                if c == open {
                    quote = None;
                }
                false
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                false
            }
            (None, '&' | ';') => !url || word_ends || next == Some(c),
            (None, '*' | '?') => !url,
            (None, '[') => !url && !word_ends,
            (None, '~') => word_begins,
            (None, _) => false,
        };
        if meant_for_shell {
            let doubled = next == Some(c) || (c == '$' && next == Some('('));
            return line.get(at..at + c.len_utf8() + usize::from(doubled));
        }
        word_begins = quote.is_none() && c.is_whitespace();
    }
    None
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_the_manual_page_says() {
        assert_eq!(split("abcd\" efg h jkl \"mnop"), Ok(vec!["abcd efg h jkl mnop".to_owned()]));
        let three = ["abcd", "efg h jkl", "mnop"].map(str::to_owned).to_vec();
        assert_eq!(split("abcd \"efg h jkl\" mnop"), Ok(three));
    }

    #[test]
    fn escapes() {
        let expected = ["\"'\\", "\tA\x08", "A\x01\x1b"].map(str::to_owned).to_vec();
        assert_eq!(split(r#"\"\'\\ \t\101\b "\x41\cA\E""#), Ok(expected));
        assert!(split("a\\").is_err());
        assert!(split("it's").is_err());
    }

    #[test]
    fn shell_syntax_is_seen() {
        for (line, syntax) in [
            ("[[ -f /run/nginx.pid ]] && exit 0 || exit 1", "[["),
            ("pidof nginx || exit 1", "||"),
            ("/usr/bin/curl -s http://127.0.0.1/?a=1&b=2 && true", "&&"),
            ("ps -C nginx --no-header | wc -l", "|"),
            ("test $(pidof nginx)", "$("),
            ("kill -0 `cat /run/nginx.pid`", "`"),
            ("/check >/dev/null 2>&1", ">"),
            ("ls /run/nginx*.pid", "*"),
            ("PATH=/bin check", "PATH=/bin"),
            ("~/check", "~"),
            ("echo \"$HOME\"", "$"),
        ] {
            assert_eq!(shell_syntax(line), Some(syntax), "{line}");
        }
    }

    #[test]
    fn plain_commands_are_plain() {
        for line in [
            "/usr/bin/killall -0 haproxy",
            "[ -f /run/nginx.pid ]",
            "/usr/bin/curl -sf http://127.0.0.1/health?full=1&x=2",
            "/usr/bin/curl http://[::1]:80/",
            "/bin/check 'a | b; $c'",
            "/bin/pgrep -f \"nginx: master\"",
            "/bin/pgrep nginx$",
            "/bin/check --name=x",
        ] {
            assert_eq!(shell_syntax(line), None, "{line}");
        }
    }
}
