//! Moments in CLOCK_MONOTONIC, the clock that vipward's own timestamps use, so that both can be compared.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Nanoseconds within which two clocks count as read at the same time.
const CLOSE_ENOUGH: u64 = 2_000;
/// Attempts at reading them so.
const ATTEMPTS: u32 = 5;

/// Nanoseconds of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        Moment(read(ClockId::CLOCK_MONOTONIC))
    }

    /// The kernel stamps packets with CLOCK_REALTIME only; this is the same moment on our clock.
    pub fn from_realtime(stamp: TimeSpec) -> Moment {
        // Both clocks are read now, so a step of the wall clock matters only if it falls within the packet's way.
        // Who is put off the CPU between the two readings would be wrong by that time, and reads again.
        let mut best = (u64::MAX, 0, 0);
        for _ in 0..ATTEMPTS {
            let (before, wall, after) = (Moment::now().0, read(ClockId::CLOCK_REALTIME), Moment::now().0);
            best = best.min((after.saturating_sub(before), wall, after));
            if best.0 <= CLOSE_ENOUGH {
                break;
            }
        }
        let (_, wall, now) = best;
        Moment(now.saturating_sub(wall.saturating_sub(nanoseconds(stamp))))
    }

    /// Time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Sleeps until this moment: the pace of a probe, never a way to wait for an effect.
    pub fn sleep_until(self) {
        let until = TimeSpec::from_duration(Duration::from_nanos(self.0));
        while clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until)
            == Err(Errno::EINTR)
        {}
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// A clock that exists on every Linux cannot fail to be read.
fn read(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, nanoseconds)
}

fn nanoseconds(time: TimeSpec) -> u64 {
    u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_the_wall_clock_is_translated() {
        let before = Moment::now();
        let stamp = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        let after = Moment::now();
        let translated = Moment::from_realtime(stamp);
        let slack = Duration::from_micros(200);
        assert!(translated + slack >= before && translated <= after + slack, "{before} {translated} {after}");
    }
}
