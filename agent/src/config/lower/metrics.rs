//! Values that go with a route: `mtu` and the like.

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;
use crate::config::model::Metric;

use super::numbers;
use super::words::{Line, number};

/// A kind of value: its word, the kernel's number (`RTAX_…`), whether `lock` may come before the value, and what the
/// value is.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    name: &'static str,
    number: u16,
    lockable: bool,
    value: Value,
}

#[derive(Clone, Copy)]
enum Value {
    /// A number up to this one.
    UpTo(u32),
    /// A time, in so many parts of a millisecond.
    Time(u32),
    /// The word `ecn`, for a bit.
    Feature,
}

const FEATURE_ECN: u32 = 1;

const fn kind(name: &'static str, number: u16, lockable: bool, value: Value) -> Kind {
    Kind { name, number, lockable, value }
}

const KINDS: [Kind; 15] = [
    kind("mtu", 2, true, Value::UpTo(u32::MAX)),
    kind("window", 3, false, Value::UpTo(u32::MAX)),
    kind("rtt", 4, true, Value::Time(8)),
    kind("rttvar", 5, true, Value::Time(4)),
    kind("ssthresh", 6, true, Value::UpTo(u32::MAX)),
    kind("cwnd", 7, true, Value::UpTo(u32::MAX)),
    kind("advmss", 8, true, Value::UpTo(u32::MAX)),
    kind("reordering", 9, true, Value::UpTo(u32::MAX)),
    kind("hoplimit", 10, false, Value::UpTo(255)),
    kind("initcwnd", 11, false, Value::UpTo(u32::MAX)),
    kind("features", 12, false, Value::Feature),
    kind("rto_min", 13, true, Value::Time(1)),
    kind("initrwnd", 14, false, Value::UpTo(u32::MAX)),
    kind("quickack", 15, false, Value::UpTo(1)),
    kind("fastopen_no_cookie", 17, false, Value::UpTo(1)),
];

/// The kind of that name.
pub(super) fn named(name: &str) -> Option<Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

impl Kind {
    /// What follows the name.
    pub(super) fn read(self, word: &Word, line: &mut Line<'_>, findings: &mut Findings) -> Option<Metric> {
        let locked = self.lockable && line.take("lock");
        let value = line.value(word, findings)?;
        let value = match self.value {
            Value::UpTo(most) => number(value, most, findings)?,
            Value::Time(parts) => time(value, parts, findings)?,
            Value::Feature if value.text == "ecn" => FEATURE_ECN,
            Value::Feature => {
                findings.error(&value.at, format!("{} is no feature but `ecn`", quoted(&value.text)));
                return None;
            }
        };
        Some(Metric { number: self.number, value, locked })
    }
}

/// Milliseconds, or seconds with an `s`, in the kernel's units.
fn time(word: &Word, per_millisecond: u32, findings: &mut Findings) -> Option<u32> {
    let text = word.text.as_str();
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1000),
        (None, None) => (text, 1),
    };
    let time = numbers::number(digits)
        .and_then(|number| number.checked_mul(unit))
        .and_then(|milliseconds| milliseconds.checked_mul(per_millisecond));
    if time.is_none() {
        findings
            .error(&word.at, format!("{} is no time", quoted(text)))
            .help("milliseconds, or seconds as in `2s`");
    }
    time
}
