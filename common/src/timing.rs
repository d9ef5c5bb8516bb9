//! Skew_Time and Master_Down_Interval (RFC 9568 §6.1, RFC 3768 §6.1) in integer nanoseconds.

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
}
