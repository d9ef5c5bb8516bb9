//! Words to values. Each function reports what is wrong with a word and then gives `None`.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;
use crate::config::model::{User, Version};
use crate::config::tree::Node;

/// Longest name of an interface, and of an address label, in bytes (Linux' IFNAMSIZ less the terminating zero).
const MAX_INTERFACE: usize = 15;
/// keepalived counts microseconds.
const MICROS: u64 = 1_000_000;

/// A whole number within `range`.
pub(super) fn number<T>(word: &Word, range: RangeInclusive<T>, findings: &mut Findings) -> Option<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    let value = word.text.trim().parse::<i64>().ok().and_then(|value| T::try_from(value).ok());
    let value = value.filter(|value| range.contains(value));
    if value.is_none() {
        let message =
            format!("{} is no whole number from {} to {}", quoted(&word.text), range.start(), range.end());
        findings.error(&word.at, message);
    }
    value
}

/// Seconds with an optional fraction, down to the microsecond.
pub(super) fn seconds(
    word: &Word,
    range: RangeInclusive<Duration>,
    findings: &mut Findings,
) -> Option<Duration> {
    let value = parse_seconds(word.text.trim()).filter(|value| range.contains(value));
    if value.is_none() {
        let (least, most) = (range.start().as_secs_f64(), range.end().as_secs_f64());
        findings.error(
            &word.at,
            format!("{} is no number of seconds from {least} to {most}", quoted(&word.text)),
        );
    }
    value
}

/// Integer arithmetic all the way: 0.07 s is 70 ms and nothing else.
fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || fraction.len() > 6
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    Some(Duration::from_micros(whole.checked_mul(MICROS)?.checked_add(micros)?))
}

/// Whole seconds within `range`.
pub(super) fn whole_seconds(
    word: &Word,
    range: RangeInclusive<u64>,
    findings: &mut Findings,
) -> Option<Duration> {
    number(word, range, findings).map(Duration::from_secs)
}

/// A count of which keepalived takes 0 for 1.
pub(super) fn count(word: &Word, most: u32, findings: &mut Findings) -> Option<u32> {
    let value = number(word, 0..=most, findings)?;
    if value == 0 {
        findings.warning(&word.at, "0 is taken for 1, as in keepalived");
    }
    Some(value.max(1))
}

/// Yes or no after a keyword, yes when nothing is there.
pub(super) fn flag(node: &Node, findings: &mut Findings) -> Option<bool> {
    let Some(word) = node.args().first() else { return Some(true) };
    match word.text.as_str() {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        other => {
            findings.error(&word.at, format!("{} is neither yes nor no", quoted(other)));
            None
        }
    }
}

/// An address without a prefix length.
pub(super) fn address(word: &Word, findings: &mut Findings) -> Option<IpAddr> {
    let address = word.text.parse().ok();
    if address.is_none() {
        findings
            .error(&word.at, format!("{} is no IP address", quoted(&word.text)))
            .maybe_help(|| word.text.contains('/').then(|| "no prefix length is wanted here".to_owned()));
    }
    address
}

/// The name of an interface, by the kernel's rules.
pub(super) fn interface(word: &Word, findings: &mut Findings) -> Option<String> {
    let name = word.text.as_str();
    let fine = !name.is_empty()
        && name.len() <= MAX_INTERFACE
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
    if !fine {
        findings.error(&word.at, format!("{} is no name of an interface", quoted(name)));
    }
    fine.then(|| name.to_owned())
}

/// The label of an address: as an interface's name, and colons are its point.
pub(super) fn label(word: &Word, findings: &mut Findings) -> Option<String> {
    let name = word.text.as_str();
    let fine = !name.is_empty() && name.len() <= MAX_INTERFACE && !name.contains(char::is_control);
    if !fine {
        findings.error(&word.at, format!("a label has 1 to {MAX_INTERFACE} bytes, unlike {}", quoted(name)));
    }
    fine.then(|| name.to_owned())
}

/// `2` or `3`.
pub(super) fn version(word: &Word, findings: &mut Findings) -> Option<Version> {
    match word.text.as_str() {
        "2" => Some(Version::V2),
        "3" => Some(Version::V3),
        other => {
            findings.error(&word.at, format!("VRRP has versions 2 and 3, but not {}", quoted(other)));
            None
        }
    }
}

/// A user and perhaps a group, already known to be one or two words.
pub(super) fn user(words: &[Word]) -> Option<User> {
    let name = words.first()?;
    let group = words.get(1).map(|word| word.text.clone());
    Some(User { name: name.text.clone(), group, at: name.at.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        assert_eq!(parse_seconds("0.07"), Some(Duration::from_millis(70)));
        assert_eq!(parse_seconds(".5"), Some(Duration::from_millis(500)));
        assert_eq!(parse_seconds("40.95"), Some(Duration::from_millis(40_950)));
        assert_eq!(parse_seconds("3"), Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", ".", "1s", "-1", "1,5", "1e3", "0.1234567", "inf", "99999999999999999999"] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }
}
