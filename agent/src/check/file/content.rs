//! What a tracked file holds: a number, as keepalived reads it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

/// Bytes of a file that are read: a number has less.
const MAX_BYTES: u64 = 127;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// This number, within 32 bits.
    Number(i64),
    /// Something else.
    NoNumber,
    /// More than 32 bits.
    OutOfRange,
}

/// Reads the file. It is never waited for, should it be a FIFO.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(number(&String::from_utf8_lossy(&bytes)))
}

/// The number at the beginning of `text`, as keepalived reads it: decimal, `0x…` or octal after a 0, and whatever
/// follows it means nothing. An empty file holds 0.
fn number(text: &str) -> Content {
    let text = text.trim_start();
    let (negative, digits) = match text.split_at_checked(1) {
        Some(("-", rest)) => (true, rest),
        Some(("+", rest)) => (false, rest),
        _ => (false, text),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let hexadecimal = hexadecimal.filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (radix, digits) = match hexadecimal {
        Some(rest) => (16, rest),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let digits = digits.get(..length).unwrap_or_default();
    if digits.is_empty() {
        return if text.is_empty() { Content::Number(0) } else { Content::NoNumber };
    }
    let Ok(value) = i64::from_str_radix(digits, radix) else { return Content::OutOfRange };
    let value = if negative { -value } else { value };
    if i32::try_from(value).is_ok() { Content::Number(value) } else { Content::OutOfRange }
}

#[cfg(test)]
mod tests {
    use super::Content::{NoNumber, Number, OutOfRange};
    use super::*;

    #[test]
    fn numbers_are_read_as_keepalived_reads_them() {
        for (text, expected) in [
            ("5", Number(5)),
            (" -20\n", Number(-20)),
            ("+7 apples", Number(7)),
            ("0x10", Number(16)),
            ("0x", Number(0)),
            ("010", Number(8)),
            ("09", Number(0)),
            ("", Number(0)),
            ("\n", Number(0)),
            ("2147483647", Number(2_147_483_647)),
            ("-2147483648", Number(-2_147_483_648)),
            ("2147483648", OutOfRange),
            ("99999999999999999999", OutOfRange),
            ("apples", NoNumber),
            ("-", NoNumber),
            ("\u{fffd}", NoNumber),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}
