//! Numbers that iproute2 knows by names: routing tables, protocols, scopes, realms, types of service.
//!
//! Its files say what each name of this machine means; they are read once per word that is no number.

use std::fs;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;

/// Where iproute2 has them; the first folder counts.
const FOLDERS: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];
/// The longest such file that is read.
const MAX_FILE: u64 = 256 * 1024;

/// A kind of number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    name: &'static str,
    file: &'static str,
    most: u32,
    builtin: &'static [(&'static str, u32)],
}

pub(super) const TABLE: Kind = Kind {
    name: "routing table",
    file: "rt_tables",
    most: u32::MAX,
    builtin: &[("default", 253), ("main", 254), ("local", 255)],
};
pub(super) const PROTOCOL: Kind = Kind {
    name: "routing protocol",
    file: "rt_protos",
    most: 255,
    builtin: &[("kernel", 2), ("boot", 3), ("static", 4), ("bird", 12), ("dhcp", 16), ("keepalived", 18)],
};
pub(super) const SCOPE: Kind = Kind {
    name: "scope",
    file: "rt_scopes",
    most: 255,
    builtin: &[("global", 0), ("universe", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)],
};
pub(super) const TOS: Kind =
    Kind { name: "type of service", file: "rt_dsfield", most: 255, builtin: &[("default", 0)] };
pub(super) const REALM: Kind =
    Kind { name: "realm", file: "rt_realms", most: 0xffff, builtin: &[("cosmos", 0)] };
pub(super) const GROUP: Kind =
    Kind { name: "group of interfaces", file: "group", most: u32::MAX, builtin: &[("default", 0)] };

/// The number that a word stands for.
pub(super) fn of(kind: Kind, word: &Word, findings: &mut Findings) -> Option<u32> {
    let text = word.text.as_str();
    let known = kind.builtin.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    let number =
        known.or_else(|| number(text)).or_else(|| named(kind, text)).filter(|number| *number <= kind.most);
    if number.is_none() {
        findings
            .error(&word.at, format!("{} is no {}", quoted(text), kind.name))
            .help(format!("a number up to {}, or a name of {}/{}", kind.most, FOLDERS[0], kind.file));
    }
    number
}

/// Decimal, or hexadecimal after `0x`. A leading zero is iproute2's sign for octal, which nobody means.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Some(_) | None => None,
    }
}

fn named(kind: Kind, wanted: &str) -> Option<u32> {
    let paths = FOLDERS.iter().map(|folder| format!("{folder}/{}", kind.file));
    let small = |path: &String| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
    let text = fs::read_to_string(paths.into_iter().find(small)?).ok()?;
    find(&text, wanted)
}

/// The number of a name in a file of lines `NUMBER NAME`.
fn find(text: &str, wanted: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let value = number(words.next()?)?;
        (words.next()? == wanted).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_as_iproute2_does() {
        let file = "# reserved\n255\tlocal\n 0x20 web # ours\nnonsense\n7\n";
        assert_eq!((find(file, "local"), find(file, "web"), find(file, "7")), (Some(255), Some(32), None));
        assert_eq!(
            (number("0x1F"), number("12"), number("-1"), number("0x"), number("+1")),
            (Some(31), Some(12), None, None, None)
        );
    }
}
