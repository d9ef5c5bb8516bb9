//! Skew_Time and Master_Down_Interval (RFC 9568 §6.1, RFC 3768 §6.1), and the length of a lease, in integer
//! nanoseconds.

/// Nanoseconds in a second.
pub const NANOS_PER_SEC: u64 = 1_000_000_000;
/// Nanoseconds in a centisecond, the unit of a version 3 interval.
pub const NANOS_PER_CENTI: u64 = 10_000_000;
/// Master_Down_Interval counts this many advert intervals unless `down_timer_adverts` says otherwise.
pub const DOWN_TIMER_ADVERTS: u8 = 3;

/// Version 3 Skew_Time: `(256 − priority) × interval / 256` (RFC 9568 §6.1).
#[inline(always)]
#[must_use]
pub const fn skew_v3(priority: u8, interval_ns: u64) -> u64 {
    (256 - priority as u64) * interval_ns / 256
}

/// Version 2 Skew_Time: `(256 − priority) / 256` seconds, whatever the interval (RFC 3768 §6.1).
#[inline(always)]
#[must_use]
pub const fn skew_v2(priority: u8) -> u64 {
    (256 - priority as u64) * NANOS_PER_SEC / 256
}

/// Skew_Time of the given protocol version.
#[inline(always)]
#[must_use]
pub const fn skew(version: u8, priority: u8, interval_ns: u64) -> u64 {
    if version == 2 { skew_v2(priority) } else { skew_v3(priority, interval_ns) }
}

/// Master_Down_Interval: `adverts × interval + Skew_Time`, where the RFCs' `adverts` is 3.
#[inline(always)]
#[must_use]
pub const fn master_down(version: u8, priority: u8, interval_ns: u64, adverts: u8) -> u64 {
    adverts as u64 * interval_ns + skew(version, priority, interval_ns)
}

/// By how much the clocks of two hosts may differ in rate, in parts per million: each off by 500, which is what
/// the kernel's own frequency correction can do.
pub const CLOCK_RATE_PPM: u64 = 1_000;
/// Most that a lease is shortened by for what the clocks do not explain.
pub const LEASE_TOLERANCE: u64 = 10_000_000;
/// The same as a part of the interval, for short ones.
pub const LEASE_TOLERANCE_DIVISOR: u64 = 8;

/// How long after a master has begun to send an advert it may answer for the addresses: less than any backup waits
/// after it has received that advert, whatever its priority.
///
/// A backup waits for `down_adverts × interval + Skew_Time`, 3 of them unless its configuration says otherwise, and
/// Skew_Time may be next to nothing. Hence the fewer of 3 and `down_adverts` intervals, less
///
/// * [`CLOCK_RATE_PPM`] of them, for our clock may be the slower one;
/// * a tolerance, the lesser of [`LEASE_TOLERANCE`] and one [`LEASE_TOLERANCE_DIVISOR`]th of an interval: the lease is
///   judged when a packet comes in, and the answer leaves a little later.
///
/// An advert that is late on its way only makes the backup wait longer.
///
/// A single advert leaves no room between the next advert and the backup's timer: with `down_adverts` of 1 the lease
/// is as for 2, and does not exclude a second master.
#[inline(always)]
#[must_use]
pub const fn lease_length(interval_ns: u64, down_adverts: u8) -> u64 {
    let adverts = match down_adverts {
        0..=2 => 2,
        _ => DOWN_TIMER_ADVERTS,
    };
    let wait = adverts as u64 * interval_ns;
    let part = interval_ns / LEASE_TOLERANCE_DIVISOR;
    let tolerance = if part < LEASE_TOLERANCE { part } else { LEASE_TOLERANCE };
    wait - wait * CLOCK_RATE_PPM / 1_000_000 - tolerance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_rfc_9568() {
        assert_eq!(skew_v3(100, NANOS_PER_SEC), 609_375_000);
        assert_eq!(master_down(3, 100, NANOS_PER_SEC, 3), 3_609_375_000);
    }

    #[test]
    fn version_2_skew_does_not_scale_with_the_interval() {
        assert_eq!(master_down(2, 254, 10 * NANOS_PER_SEC, 3), 30_007_812_500);
    }

    #[test]
    fn longest_interval_and_most_adverts_fit() {
        assert_eq!(
            master_down(3, 1, 4095 * NANOS_PER_CENTI, 255),
            4095 * NANOS_PER_CENTI * 255 + 40_790_039_062
        );
    }

    #[test]
    fn a_lease_is_shorter_than_any_backup_waits() {
        // Three seconds, less 3 ms for the clocks and 10 ms of tolerance.
        assert_eq!(lease_length(NANOS_PER_SEC, 3), 2_987_000_000);
        // Thirty milliseconds, less 30 µs and 1.25 ms.
        assert_eq!(lease_length(NANOS_PER_CENTI, 3), 28_720_000);
        assert_eq!(lease_length(NANOS_PER_SEC, 2), 1_988_000_000);
        assert_eq!(lease_length(NANOS_PER_SEC, 7), lease_length(NANOS_PER_SEC, 3));
        for centis in [1, 2, 7, 100, 4095] {
            for (adverts, version) in [(2, 3), (3, 3), (5, 3), (3, 2)] {
                let interval = centis * NANOS_PER_CENTI;
                let lease = lease_length(interval, adverts);
                let fastest = master_down(version, 254, interval, adverts);
                // The master's clock runs slow by 500 ppm and the backup's fast by as much.
                assert!(lease * 1_000_500 / 999_500 < fastest, "{centis} cs, {adverts} adverts");
                assert!(lease > (u64::from(adverts.min(3)) - 1) * interval, "a lease outlasts its renewal");
            }
        }
    }
}
