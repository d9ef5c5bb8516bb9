//! Waiting for conditions, with a deadline: the only way in which tests wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(3);

/// Waits until `condition` holds. The error names what was awaited.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    value(what, limit, || condition().then_some(()))
}

/// Waits until `look` finds a value.
pub fn value<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} in vain for {what}");
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_holds_is_named() {
        let error = until("the moon", Duration::from_millis(10), || false).unwrap_err();
        assert_eq!(error.to_string(), "waited 10ms in vain for the moon");
    }

    #[test]
    fn a_value_is_handed_on() {
        let mut calls = 0;
        let found = value("three calls", Duration::from_secs(5), || {
            calls += 1;
            (calls == 3).then_some(calls)
        });
        assert_eq!(found.unwrap(), 3);
    }
}
