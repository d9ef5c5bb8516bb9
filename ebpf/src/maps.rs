//! The maps, and a router's state behind its lock.

use core::mem::offset_of;
use core::ops::{Deref, DerefMut};

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::bindings::{bpf_spin_lock, bpf_timer};
use aya_ebpf::btf_maps::{Array, HashMap, PerCpuArray, PerfEventByteArray, RingBuf};
use aya_ebpf::helpers::{bpf_spin_lock as acquire, bpf_spin_unlock as release};
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;
use vipward_common::abi::{
    self, Counters, Event, FLAG_CHECK_PEER, FLAG_UNICAST, Heard, MAX_PEERS, MAX_ROUTERS, MAX_STRANGERS,
    MAX_VIPS, Peer, PeerKey, RING_BYTES, RouterKey, Rules, STRANGER_PERIOD, Stranger, StrangerKey, Tenure,
    VipKey,
};
use vipward_common::hint;
use vipward_common::lease::Lease;
use vipward_common::reason::{Fenced, Reason};
use vipward_common::tap::{Copied, Tap};

use crate::parse::Packet;
use crate::watch::Accepted;

/// Our routers. A `btf_map`, because the kernel finds the timer and the lock by the value's BTF.
#[btf_map]
pub(crate) static ROUTERS: HashMap<RouterKey, Router, { MAX_ROUTERS as usize }> = HashMap::new();
/// From whom a router accepts adverts, where it demands that.
#[btf_map]
static PEERS: HashMap<PeerKey, Peer, { MAX_PEERS as usize }> = HashMap::new();
/// Counters of the router with that slot.
#[btf_map]
static COUNTERS: PerCpuArray<Counters, { MAX_ROUTERS as usize }> = PerCpuArray::new();
/// Events that found the ring full.
#[btf_map]
static LOST: PerCpuArray<u64, 1> = PerCpuArray::new();
/// What the agent is told.
#[btf_map]
pub(crate) static EVENTS: RingBuf<Event, { RING_BYTES as usize }> = RingBuf::new();
/// For how long the router with that slot may serve its addresses.
#[btf_map]
static LEASES: Array<Tenure, { MAX_ROUTERS as usize }, { BPF_F_MMAPABLE as usize }> = Array::new();
/// Who sent the last advert of each router and oddity.
#[btf_map]
static STRANGERS: HashMap<StrangerKey, Stranger, { MAX_STRANGERS as usize }> = HashMap::new();
/// The virtual addresses that are served only under a lease, and the slot of their router.
#[btf_map]
static VIPS: HashMap<VipKey, u32, { MAX_VIPS as usize }> = HashMap::new();
/// Which ends virtual addresses have, so that most packets need no lookup.
#[btf_map]
static VIP_HINTS: Array<u64, { hint::WORDS as usize }> = Array::new();

/// Who gets copies of what is consumed.
#[btf_map]
static TAP: Array<Tap, 1> = Array::new();
/// The copies. A reader that ends takes its place in here with it.
#[btf_map]
static COPIES: PerfEventByteArray = PerfEventByteArray::new();

/// [`abi::Router`] with the kernel's own types in it, which the verifier knows by their names.
#[repr(C)]
pub(crate) struct Router {
    timer: bpf_timer,
    lock: bpf_spin_lock,
    slot: u32,
    state: State,
}

/// What the lock protects.
#[repr(C)]
pub(crate) struct State {
    /// See [`abi::Router::fires_at`].
    pub(crate) fires_at: u64,
    /// See [`abi::Router::rules`].
    pub(crate) rules: Rules,
    /// See [`abi::Router::heard`].
    pub(crate) heard: Heard,
}

const _: () = {
    assert!(size_of::<Router>() == size_of::<abi::Router>());
    assert!(offset_of!(Router, lock) == offset_of!(abi::Router, lock));
    assert!(offset_of!(Router, slot) == offset_of!(abi::Router, slot));
    assert!(offset_of!(Router, state) + offset_of!(State, fires_at) == offset_of!(abi::Router, fires_at));
    assert!(offset_of!(Router, state) + offset_of!(State, rules) == offset_of!(abi::Router, rules));
    assert!(offset_of!(Router, state) + offset_of!(State, heard) == offset_of!(abi::Router, heard));
    // What `Words::aligned` relies on.
    assert!(offset_of!(Rules, source) % 8 == 0 && offset_of!(Rules, destination) % 8 == 0);
    assert!(offset_of!(Heard, source) % 8 == 0 && align_of::<Rules>() == 8 && align_of::<Heard>() == 8);
};

/// A router in the map; valid until the program returns.
#[derive(Clone, Copy)]
pub(crate) struct Handle(*mut Router);

/// The router's state, locked while this lives. No helper may be called meanwhile: the verifier sees to it.
pub(crate) struct Locked(*mut Router);

/// The router with this key, if it is ours.
#[inline(always)]
pub(crate) fn router(key: &RouterKey) -> Option<Handle> {
    ROUTERS.get_ptr_mut(key).map(Handle)
}

impl Handle {
    /// A value that the kernel handed to the timer's callback.
    #[inline(always)]
    pub(crate) fn from_callback(router: *mut Router) -> Handle {
        Handle(router)
    }

    /// Index of the router's counters; never changes.
    #[inline(always)]
    pub(crate) fn slot(self) -> u32 {
        // SAFETY: the pointer came from the map; written once, before the router was in the map.
        unsafe { (*self.0).slot }
    }

    /// The rules' flags, read without the lock: one byte, so never half of one value and half of another.
    #[inline(always)]
    pub(crate) fn flags(self) -> u8 {
        // SAFETY: the pointer came from the map.
        unsafe { (&raw const (*self.0).state.rules.flags).read_volatile() }
    }

    /// The timer, for the helpers.
    #[inline(always)]
    pub(crate) fn timer(self) -> *mut bpf_timer {
        // SAFETY: the pointer came from the map; this only computes an address.
        unsafe { &raw mut (*self.0).timer }
    }

    /// Locks the state. The verifier rejects a path on which the result is not dropped.
    #[inline(always)]
    pub(crate) fn lock(self) -> Locked {
        // SAFETY: the lock lies in a map value, as the helper demands.
        unsafe { acquire(&raw mut (*self.0).lock) };
        Locked(self.0)
    }
}

impl Deref for Locked {
    type Target = State;

    #[inline(always)]
    fn deref(&self) -> &State {
        // SAFETY: the pointer came from the map and the lock is held.
        unsafe { &(*self.0).state }
    }
}

impl DerefMut for Locked {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut State {
        // SAFETY: as above, and everybody else who writes or reads the state holds the lock.
        unsafe { &mut (*self.0).state }
    }
}

impl Drop for Locked {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: taken by `Handle::lock`, and released only here.
        unsafe { release(&raw mut (*self.0).lock) };
    }
}

/// What the peer map says about a packet's source.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// The rules do not ask.
    Any,
    /// A peer with these TTL bounds.
    Peer {
        /// Lowest TTL accepted.
        min_ttl: u8,
        /// Highest TTL accepted.
        max_ttl: u8,
        /// The frame comes from its MAC, or from any if it has none.
        same_mac: bool,
    },
    /// Not a peer.
    Stranger,
}

/// Looks the source up if the rules' flags ask for it.
#[inline(always)]
pub(crate) fn peer(flags: u8, packet: &Packet) -> Source {
    if flags & (FLAG_UNICAST | FLAG_CHECK_PEER) == 0 {
        return Source::Any;
    }
    let key = PeerKey { router: packet.key, address: packet.source.to_address() };
    match PEERS.get_ptr(key) {
        // SAFETY: the pointer came from the map; bounds change only with the configuration.
        Some(peer) => unsafe {
            let [a, b, c, d, e, f] = (*peer).mac;
            let mac = [[a, b], [c, d], [e, f]].map(u16::from_ne_bytes);
            let same_mac = (*peer).has_mac == 0 || mac == packet.mac;
            Source::Peer { min_ttl: (*peer).min_ttl, max_ttl: (*peer).max_ttl, same_mac }
        },
        None => Source::Stranger,
    }
}

/// Whether an address with this end, as it lies in memory, may be in [`VIPS`].
#[inline(always)]
pub(crate) fn may_be_vip(tail: u16) -> bool {
    let (word, bit) = hint::at(tail);
    // SAFETY: an element of the array, written as a whole word.
    VIP_HINTS.get_ptr(word).is_some_and(|hints| unsafe { hints.read_volatile() } & bit != 0)
}

/// The slot of the router that a virtual address belongs to.
#[inline(always)]
pub(crate) fn vip(key: &VipKey) -> Option<u32> {
    // SAFETY: the pointer came from the map; the slot changes only with the configuration, and is one word.
    VIPS.get_ptr(key).map(|slot| unsafe { slot.read_volatile() })
}

/// The lease of the router with this slot.
#[inline(always)]
pub(crate) fn lease(slot: u32) -> Option<&'static mut Lease> {
    // SAFETY: an element of the array, which never goes away. The agent writes it too, through its own mapping of the
    // same memory; both sides bear that, see `vipward_common::lease`.
    LEASES.get_ptr_mut(slot).map(|tenure| unsafe { &mut (*tenure).lease })
}

#[inline(always)]
fn counters(slot: u32) -> Option<&'static mut Counters> {
    // SAFETY: this CPU's own copy, and an XDP program is not interrupted by another; the timer's callback may be,
    // and then at worst one increment is lost.
    COUNTERS.get_ptr_mut(slot).map(|counters| unsafe { &mut *counters })
}

/// Counts a rejection.
#[inline(always)]
pub(crate) fn count_rejected(slot: u32, reason: Reason) {
    if let Some(count) = counters(slot).and_then(|counters| counters.rejected.get_mut(reason as usize)) {
        *count += 1;
    }
}

/// Remembers who sent an odd advert, unless somebody was remembered for the same a moment ago.
#[inline(always)]
pub(crate) fn remember_stranger(slot: u32, what: u32, packet: &Packet, now: u64) {
    let key = StrangerKey { slot, what };
    // SAFETY: the pointer came from the map; a word that is being replaced is one value or the other.
    let known = STRANGERS.get_ptr(key).map(|stranger| unsafe { (&raw const (*stranger).at).read_volatile() });
    if known.is_some_and(|at| now.wrapping_sub(at) < STRANGER_PERIOD) {
        return;
    }
    let [[a, b], [c, d], [e, f]] = packet.mac.map(u16::to_ne_bytes);
    let stranger = Stranger {
        at: now,
        source: packet.source.to_address(),
        mac: [a, b, c, d, e, f],
        version_type: packet.version_type,
        reserved: 0,
    };
    // A full map remembers nobody new; the counters count all the same.
    let _ = STRANGERS.insert(key, stranger, 0);
}

/// Counts a packet that was kept from a virtual address.
#[inline(always)]
pub(crate) fn count_fenced(slot: u32, fenced: Fenced) {
    if let Some(count) = counters(slot).and_then(|counters| counters.fenced.get_mut(fenced as usize)) {
        *count += 1;
    }
}

/// Counts an accepted advert and what was remarkable about it.
#[inline(always)]
pub(crate) fn count_accepted(slot: u32, accepted: &Accepted) {
    if let Some(counters) = counters(slot) {
        counters.accepted += 1;
        counters.priority_zero += u64::from(accepted.priority_zero);
        counters.address_list += u64::from(accepted.addresses_differ);
        counters.interval_differs += u64::from(accepted.interval_differs);
    }
}

/// Counts an event that was lost.
#[inline(always)]
pub(crate) fn count_ring_full(slot: u32) {
    if let Some(counters) = counters(slot) {
        counters.ring_full += 1;
    }
    if let Some(lost) = LOST.get_ptr_mut(0) {
        // SAFETY: as in `counters`.
        unsafe { *lost += 1 };
    }
}

/// Counts a timer that the kernel did not arm.
#[inline(always)]
pub(crate) fn count_arm_failed(slot: u32) {
    if let Some(counters) = counters(slot) {
        counters.arm_failed += 1;
    }
}

/// Until when copies are made, 0 if none are.
#[inline(always)]
pub(crate) fn tap_until() -> u64 {
    // SAFETY: an element of the array, which never goes away; the reader writes it whole.
    TAP.get_ptr_mut(0).map_or(0, |tap| unsafe { (&raw const (*tap).until).read_volatile() })
}

/// Hands `length` bytes of the frame to the reader on this CPU, if there is one.
#[inline(always)]
pub(crate) fn copy(ctx: &XdpContext, copied: &Copied, length: u32) {
    // SAFETY: repr(C) without padding, and it lives until the call returns.
    let head =
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(copied).cast(), size_of::<Copied>()) };
    COPIES.output(ctx, head, length);
}
