//! The XDP program: consumes the VRRP adverts of our routers and runs their master-down timers in the kernel.
//!
//! A packet goes through [`parse`] (where are the headers, whose router is it), [`message`] (is the message whole,
//! does its checksum hold), and then, under the router's lock, [`check`] (does it pass the receive checks) and
//! [`watch`] (what it does to the deadline). Outside the lock again it is counted, the timer is started if the
//! deadline moved nearer, a lease that it contests is ended, and a change is reported. While somebody looks on, what is
//! consumed is copied for them ([`tap`]).
//!
//! Invariants:
//! * a rejected packet changes its counter and nothing else;
//! * what is not an advert of a configured router passes untouched, unless it is for a virtual address that this node
//!   may not serve ([`fence`]);
//! * rules, deadline and what was heard are read and written under the router's `bpf_spin_lock` only, by this
//!   program on any CPU, by the timer's callback and by [`control`];
//! * the running timer never fires later than the deadline, so the callback alone decides what an expiry is.
#![no_std]
#![no_main]
#![allow(missing_docs, reason = "aya's macro leaves a function's documentation behind")]

mod address;
mod check;
mod control;
mod egress;
mod event;
mod fence;
mod frame;
mod maps;
mod message;
mod parse;
mod tap;
mod timer;
mod watch;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use aya_log_ebpf::{debug, trace};
use vipward_common::abi::{WHAT_ADDRESSES, WHAT_INTERVAL};
use vipward_common::reason::Reason;
use vipward_common::tap::VERDICT_ACCEPTED;

use crate::frame::Frame;
use crate::message::Message;

/// Why a packet is not consumed as an advert.
enum Refusal {
    /// Nothing that concerns us.
    NotOurs,
    /// Addressed to the router with these counters, and wrong.
    Rejected(u32, Reason),
    /// An advert for the router with these counters, sent by unicast to another address: perhaps another host's, and
    /// this one only forwards it.
    Elsewhere(u32),
}

/// Runs for every packet that arrives.
#[xdp]
fn vipward(ctx: XdpContext) -> u32 {
    match consume(&ctx) {
        Ok(()) => {
            tap::copy(&ctx, VERDICT_ACCEPTED);
            XDP_DROP
        }
        Err(Refusal::NotOurs) if fence::drops(&Frame::new(&ctx), ctx.ingress_ifindex() as u32) => XDP_DROP,
        Err(Refusal::NotOurs) => XDP_PASS,
        Err(Refusal::Rejected(slot, reason)) => {
            maps::count_rejected(slot, reason);
            debug!(&ctx, "slot {}: rejected: {}", slot, reason.label());
            tap::copy(&ctx, reason as u32);
            XDP_DROP
        }
        Err(Refusal::Elsewhere(slot)) => {
            maps::count_rejected(slot, Reason::Destination);
            XDP_PASS
        }
    }
}

/// `TCX_NEXT`: whatever program comes next decides.
const TCX_NEXT: i32 = -1;
/// `TCX_DROP`.
const TCX_DROP: i32 = 2;

/// Runs for every packet that leaves.
#[classifier]
fn egress(ctx: TcContext) -> i32 {
    if egress::drops(&ctx) { TCX_DROP } else { TCX_NEXT }
}

/// Runs for a [`vipward_common::abi::Command`] of the agent, by BPF_PROG_TEST_RUN.
#[xdp]
fn control(ctx: XdpContext) -> u32 {
    control::run(&ctx)
}

#[inline(always)]
fn consume(ctx: &XdpContext) -> Result<(), Refusal> {
    let frame = Frame::new(ctx);
    let packet = parse::packet(&frame, ctx.ingress_ifindex() as u32).ok_or(Refusal::NotOurs)?;
    let router = maps::router(&packet.key).ok_or(Refusal::NotOurs)?;
    let slot = router.slot();
    // Helpers cannot be called under the lock, so everything that needs one, or a loop, comes first.
    let message = Message::read(&frame, &packet);
    let flags = router.flags();
    let peer = maps::peer(flags, &packet);
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };

    let mut state = router.lock();
    let accepted = match check::check(&state.rules, flags, peer, &packet, message) {
        Ok(advert) => watch::accept(&mut state, &packet, &advert, now),
        Err(reason) => {
            drop(state);
            maps::remember_stranger(slot, reason as u32, &packet, now);
            let elsewhere = reason == Reason::Destination && !packet.is_multicast();
            return Err(if elsewhere { Refusal::Elsewhere(slot) } else { Refusal::Rejected(slot, reason) });
        }
    };
    drop(state);

    if let Some(lease) = maps::lease(slot) {
        lease.heard(now, accepted.priority, accepted.beats, accepted.patient);
    }
    maps::count_accepted(slot, &accepted);
    if accepted.addresses_differ {
        maps::remember_stranger(slot, WHAT_ADDRESSES, &packet, now);
    }
    if accepted.interval_differs {
        maps::remember_stranger(slot, WHAT_INTERVAL, &packet, now);
    }
    if accepted.start_at != 0 && timer::start(router, accepted.start_at, now).is_err() {
        maps::count_arm_failed(slot);
    }
    if accepted.event != 0 && !event::advert(&packet, &accepted, now) {
        maps::count_ring_full(slot);
    }
    trace!(ctx, "slot {}: advert of priority {}", slot, accepted.priority);
    Ok(())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lends its timers to programs that are, among others, under the GPL. Only this object is: it is the
/// part that runs inside the kernel.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
