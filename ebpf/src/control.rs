//! The agent's commands. They come as the packet of a BPF_PROG_TEST_RUN, because an update of the map from user
//! space would cancel the timer and could tear what the packet path reads.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::programs::XdpContext;
use vipward_common::abi::{
    Command, DONE, ERRNO_SHIFT, MALFORMED, MODE_OFF, MODE_REPORT, MODE_WATCH, NOT_ARMED, OP_CLAIM, OP_OFF,
    OP_PREPARE, OP_REPORT, OP_WATCH, Rules, STALE, TIMER_KEEP, UNKNOWN_ROUTER,
};
use vipward_common::timing::master_down;

use crate::maps::{self, Handle, State};
use crate::timer;

/// Carries out the command that is the packet.
#[inline(always)]
pub(crate) fn run(ctx: &XdpContext) -> u32 {
    let start = ctx.data();
    if start + size_of::<Command>() > ctx.data_end() {
        return MALFORMED;
    }
    // SAFETY: within the packet, which BPF_PROG_TEST_RUN aligns, and any bytes are a Command.
    let command = unsafe { &*(start as *const Command) };
    let key = command.key;
    let Some(router) = maps::router(&key) else { return UNKNOWN_ROUTER };
    match command.op {
        OP_PREPARE => prepare(router),
        OP_WATCH => watch(router, command),
        OP_REPORT => report(router, &command.rules),
        OP_CLAIM => claim(router, command.generation),
        OP_OFF => off(router),
        _ => MALFORMED,
    }
}

#[inline(always)]
fn prepare(router: Handle) -> u32 {
    armed(router, timer::prepare(router))
}

/// BACKUP: new rules, and a new deadline unless the one in force is to stay.
#[inline(always)]
fn watch(router: Handle, command: &Command) -> u32 {
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut state = router.lock();
    set_rules(&mut state, &command.rules, MODE_WATCH);
    let mut start_at = 0;
    if command.timer_ns != TIMER_KEEP {
        set_deadline(&mut state, now + command.timer_ns);
        start_at = state.fires_at;
    } else if state.heard.deadline == 0 {
        // Nothing to keep, and nobody may stand without a watch.
        let rules = &command.rules;
        let after = master_down(rules.version, rules.priority, state.heard.interval_ns, rules.down_adverts);
        set_deadline(&mut state, now + after);
        start_at = state.fires_at;
    }
    drop(state);
    if start_at == 0 {
        return DONE;
    }
    armed(router, timer::start(router, start_at, now))
}

/// MASTER: new rules, and every advert is a rival's.
#[inline(always)]
fn report(router: Handle, rules: &Rules) -> u32 {
    let mut state = router.lock();
    set_rules(&mut state, rules, MODE_REPORT);
    unwatch(&mut state);
    drop(state);
    DONE
}

/// Takes over if nothing came since the expiry that the agent heard of.
#[inline(always)]
fn claim(router: Handle, generation: u64) -> u32 {
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut state = router.lock();
    let deadline = state.heard.deadline;
    let stands = state.rules.mode == MODE_WATCH
        && state.heard.generation == generation
        && deadline != 0
        && deadline <= now;
    if stands {
        state.rules.mode = MODE_REPORT;
        unwatch(&mut state);
    }
    drop(state);
    if stands { DONE } else { STALE }
}

/// Neither: adverts are checked and counted only.
#[inline(always)]
fn off(router: Handle) -> u32 {
    let mut state = router.lock();
    state.rules.mode = MODE_OFF;
    unwatch(&mut state);
    state.heard.interval_ns = state.rules.interval_ns;
    state.heard.last_advert = 0;
    state.heard.source = [0; 16];
    state.heard.priority = 0;
    drop(state);
    DONE
}

#[inline(always)]
fn set_rules(state: &mut State, rules: &Rules, mode: u8) {
    // Until a version 3 master is heard, and always in version 2, the interval in force is the configured one.
    if rules.version == 2 || state.heard.last_advert == 0 {
        state.heard.interval_ns = rules.interval_ns;
    }
    state.rules = *rules;
    state.rules.mode = mode;
}

#[inline(always)]
fn set_deadline(state: &mut State, deadline: u64) {
    state.heard.deadline = deadline;
    state.heard.generation += 1;
    state.fires_at = deadline;
}

#[inline(always)]
fn unwatch(state: &mut State) {
    state.heard.deadline = 0;
    state.heard.armed = 0;
    state.heard.generation += 1;
    state.fires_at = 0;
}

#[inline(always)]
fn armed(router: Handle, result: Result<(), u32>) -> u32 {
    match result {
        Ok(()) => DONE,
        Err(errno) => {
            maps::count_arm_failed(router.slot());
            NOT_ARMED | errno << ERRNO_SHIFT
        }
    }
}
