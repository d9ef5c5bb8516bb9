//! Values that need more than a type: durations, permissions, users.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nix::unistd::{Group, User};

/// Longer waits and timeouts than this are a mistake.
const MAX_DURATION: Duration = Duration::from_hours(24);
/// A single duration means this many times itself as the upper bound.
const DEFAULT_FACTOR: u32 = 4;

/// A debounce: wait for quiet, but not for ever. Written `MIN:MAX`, as in `50ms:1s`, or `MIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long nothing must have changed, and how long the first change after quiet waits at most.
    pub min: Duration,
    /// How long a change waits at most while others follow.
    pub max: Duration,
}

impl Default for Wait {
    fn default() -> Wait {
        Wait { min: Duration::from_millis(50), max: Duration::from_secs(1) }
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Wait, String> {
        let (min, max) = if let Some((min, max)) = text.split_once(':') {
            (duration(min)?, duration(max)?)
        } else {
            let min = duration(text)?;
            (min, min * DEFAULT_FACTOR)
        };
        if max < min {
            return Err(format!("the upper bound of the wait `{text}` is below its minimum"));
        }
        Ok(Wait { min, max })
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", humantime::format_duration(self.min), humantime::format_duration(self.max))
    }
}

/// `50ms`, `1s`, `2m`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let parsed = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => humantime::parse_duration(text).map_err(|error| {
            format!("`{}` is no duration ({error}); write 50ms, 10s or 2m", text.escape_debug())
        })?,
    };
    if parsed > MAX_DURATION {
        return Err(format!("`{text}` is longer than a day"));
    }
    Ok(parsed)
}

/// Permissions: octal digits, whether they begin with a zero or not.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| {
        format!("`{}` are no permissions: write octal digits as in \"0644\"", text.escape_debug())
    })
}

pub(super) fn user(name: &str) -> Result<u32, String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(format!("there is no user `{}`", name.escape_debug())),
        Err(error) => Err(format!("cannot look up user `{}`: {error}", name.escape_debug())),
    }
}

pub(super) fn group(name: &str) -> Result<u32, String> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!("there is no group `{}`", name.escape_debug())),
        Err(error) => Err(format!("cannot look up group `{}`: {error}", name.escape_debug())),
    }
}
