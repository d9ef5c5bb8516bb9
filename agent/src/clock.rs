//! The only clock of elections and data paths: CLOCK_MONOTONIC, which nobody can step.

use nix::time::{ClockId, clock_gettime};
use vipward_vrrp::types::Mono;

/// Now. The call cannot fail for this clock on Linux; were it to, time would stand still for one turn.
pub(crate) fn now() -> Mono {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Mono(0), |t| {
        let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        Mono(seconds * 1_000_000_000 + nanos)
    })
}
