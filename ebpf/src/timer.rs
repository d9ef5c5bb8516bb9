//! The master-down timer: one `bpf_timer` per router, re-armed lazily.
//!
//! Deciding when the timer fires (under the lock, in `fires_at`) and starting it (a helper, so outside the lock)
//! are two steps, and two CPUs may do their second steps in the opposite order of their first. So whoever
//! started the timer looks again: if `fires_at` is no longer what was started, it starts it once more for what is
//! there now. The last one to start therefore always started the current `fires_at`.
//!
//! A timer that is no longer wanted is left to fire: the callback finds nothing to watch. `bpf_timer_cancel` would
//! save that one call, and lose the callback, without which no advert could start the timer again.

use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_timer_init, bpf_timer_set_callback, bpf_timer_start};
use vipward_common::abi::{MODE_WATCH, RouterKey};

use crate::event;
use crate::maps::{self, Handle, ROUTERS, Router};

/// CLOCK_MONOTONIC.
const CLOCK: u64 = 1;
/// The timer was allocated before.
const EBUSY: i64 = 16;
/// Attempts to agree with other CPUs about when the timer fires. Each costs the others an advert that moves the
/// deadline nearer, within nanoseconds.
const ATTEMPTS: u32 = 8;

/// Allocates the router's timer. Fails with an errno when the kernel has no memory at the moment, or refuses.
#[inline(always)]
pub(crate) fn prepare(router: Handle) -> Result<(), u32> {
    let map = (&raw const ROUTERS).cast_mut().cast();
    // SAFETY: the timer lies in a value of this map, and the callback has the signature that the kernel calls.
    let result = unsafe { bpf_timer_init(router.timer(), map, CLOCK) };
    if result != -EBUSY {
        check(result)?;
    }
    // SAFETY: as above.
    check(unsafe { bpf_timer_set_callback(router.timer(), on_timer as *mut _) })
}

/// Starts the timer for `fires_at`, which the caller has put into the state. Fails with an errno when the kernel
/// refuses; then the router is not armed and says so.
#[inline(always)]
pub(crate) fn start(router: Handle, fires_at: u64, now: u64) -> Result<(), u32> {
    let mut wanted = fires_at;
    for _ in 0..ATTEMPTS {
        // SAFETY: the timer lies in a map value.
        let started = check(unsafe { bpf_timer_start(router.timer(), wanted.saturating_sub(now), 0) });
        let mut state = router.lock();
        let current = state.fires_at;
        if current == wanted {
            state.heard.armed = u8::from(started.is_ok());
            if started.is_err() {
                state.fires_at = 0;
            }
        }
        drop(state);
        // 0: it fired already, or a command stopped it.
        if started.is_err() || current == wanted || current == 0 {
            return started;
        }
        wanted = current;
    }
    Ok(())
}

/// A helper's result: 0 or a negative errno.
#[inline(always)]
fn check(result: i64) -> Result<(), u32> {
    if result == 0 { Ok(()) } else { Err(result.wrapping_neg() as u32) }
}

/// Called by the kernel when the timer fires.
unsafe extern "C" fn on_timer(
    _map: *mut core::ffi::c_void,
    key: *const RouterKey,
    value: *mut Router,
) -> i64 {
    let router = Handle::from_callback(value);
    // SAFETY: the kernel hands us key and value of the map's element.
    let key = unsafe { *key };
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };

    let mut state = router.lock();
    let deadline = state.heard.deadline;
    let generation = state.heard.generation;
    let watched = state.rules.mode == MODE_WATCH && deadline != 0;
    let early = watched && now < deadline;
    let expired = watched && !early;
    state.fires_at = if early { deadline } else { 0 };
    if !early {
        state.heard.armed = 0;
    }
    if expired {
        state.heard.timeouts += 1;
    }
    drop(state);

    if early && start(router, deadline, now).is_err() {
        maps::count_arm_failed(router.slot());
    }
    if expired && !event::expired(key, generation, deadline, now) {
        maps::count_ring_full(router.slot());
    }
    0
}
