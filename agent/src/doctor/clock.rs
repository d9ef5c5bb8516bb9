//! The clock. Elections need its rate and not its time: intervals are measured by CLOCK_MONOTONIC on each node alone.

use nix::libc;

use super::finding::Finding;

const CHECK: &str = "clock";
/// What the lease allows for on either side, in parts per million: ARCHITECTURE.md, "The inequality".
const ALLOWED_PPM: f64 = 500.0;
/// `STA_UNSYNC`.
const UNSYNCHRONISED: i32 = 0x40;
/// Microseconds in a tick when nothing corrects it, at the kernel's user-visible rate of a hundred ticks a second.
const NOMINAL_TICK: f64 = 10_000.0;
/// The kernel's frequency has 16 bits behind the point.
const FREQUENCY_SCALE: f64 = 65_536.0;

/// What the kernel says of its clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// By how much it is made faster (or slower, when negative), in parts per million.
    pub(super) correction_ppm: f64,
    /// Something keeps its time right.
    pub(super) synchronised: bool,
}

/// Asks the kernel; `None` where it does not tell.
pub(super) fn look() -> Option<Seen> {
    // SAFETY: integers and arrays of them, for which zero is a value; with modes 0 nothing is set.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into a live timex of ours.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    if answer < 0 {
        return None;
    }
    Some(of(state.freq, state.tick, state.status))
}

#[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
fn of(frequency: libc::c_long, tick: libc::c_long, status: i32) -> Seen {
    let tick_ppm = (tick as f64 - NOMINAL_TICK) * 1e6 / NOMINAL_TICK;
    Seen {
        correction_ppm: frequency as f64 / FREQUENCY_SCALE + tick_ppm,
        synchronised: status & UNSYNCHRONISED == 0,
    }
}

/// What to make of it.
pub(super) fn check(seen: Option<Seen>) -> Vec<Finding> {
    let Some(Seen { correction_ppm, synchronised }) = seen else {
        return vec![Finding::note(CHECK, "the kernel does not say how its clock is corrected")];
    };
    if correction_ppm.abs() > ALLOWED_PPM {
        return vec![Finding::warning(
            CHECK,
            format!(
                "its rate is corrected by {correction_ppm:+.0} ppm, more than the {ALLOWED_PPM:.0} ppm that a lease \
                 allows for: a master and a backup may serve together for a moment"
            ),
            "wait until the time daemon is done, or bound its slewing (chrony: maxslewrate 500)",
        )];
    }
    let time = if synchronised { "synchronised" } else { "not synchronised" };
    let message = format!(
        "{time}, corrected by {correction_ppm:+.1} ppm; elections depend on its rate alone, its time is for logs"
    );
    vec![if synchronised { Finding::fine(CHECK, message) } else { Finding::note(CHECK, message) }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn the_rate_matters_and_the_time_does_not() {
        let fine = check(Some(of(20 << 16, 10_000, 0)));
        assert_eq!(fine[0].severity, Severity::Fine);
        assert!(fine[0].message.contains("+20.0 ppm"), "{fine:?}");
        assert_eq!(check(Some(of(0, 10_000, UNSYNCHRONISED)))[0].severity, Severity::Note);
        assert_eq!(check(None)[0].severity, Severity::Note);
        for (frequency, tick) in [(501 << 16, 10_000), (-(501 << 16), 10_000), (0, 10_006), (0, 9_000)] {
            let wrong = check(Some(of(frequency, tick, 0)));
            assert_eq!(wrong[0].severity, Severity::Warning, "{frequency} {tick}");
        }
    }

    #[test]
    fn the_kernel_tells() {
        assert!(look().is_some_and(|seen| seen.correction_ppm.is_finite()));
    }
}
