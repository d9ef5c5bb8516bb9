//! Everything that crosses the kernel line: map keys and values, commands to the program and events from it.
//!
//! All structs are `repr(C)`, have no implicit padding and a size that a test pins down. Addresses are stored
//! as 16 bytes in network order, an IPv4 address in the first four. Times are CLOCK_MONOTONIC nanoseconds.

use crate::lease::Lease;
use crate::reason::{FENCED, REASONS};

pub mod names;

/// Routers that the maps hold: 255 VRIDs on 16 interfaces, or on 8 with both families.
pub const MAX_ROUTERS: u32 = 4096;
/// Peers that the maps hold.
pub const MAX_PEERS: u32 = 16384;
/// Senders of odd adverts that the maps remember: the last one per router and oddity.
pub const MAX_STRANGERS: u32 = 4096;
/// How long the one that is remembered is not replaced by the next: who floods us costs a lookup and no update.
pub const STRANGER_PERIOD: u64 = 1_000_000_000;
/// Virtual addresses that the maps hold, each once for every interface with the program.
pub const MAX_VIPS: u32 = 65536;
/// Bytes of the event ring; a power of two and a multiple of the page size.
pub const RING_BYTES: u32 = 1 << 20;

/// An IPv4 or IPv6 address in network order; IPv4 in the first four bytes, the rest zero.
pub type Address = [u8; 16];

/// Which virtual router a packet belongs to: VRIDs are unique per interface, VLAN and family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct RouterKey {
    /// Interface that the packet arrived on.
    pub ifindex: u32,
    /// VLAN of the outer tag that the frame still carries, 0 without (hardware and VLAN devices strip theirs).
    pub outer_vid: u16,
    /// VLAN of the inner tag, 0 without.
    pub inner_vid: u16,
    /// 4 or 6.
    pub family: u8,
    /// Virtual router identifier, 1 to 255.
    pub vrid: u8,
    /// Zero: part of the hash.
    pub reserved: [u8; 2],
}

/// [`Rules::mode`]: adverts of this router are rejected or counted, and nothing else.
pub const MODE_OFF: u8 = 0;
/// [`Rules::mode`]: BACKUP. Adverts move the deadline; only changes and the expiry are reported.
pub const MODE_WATCH: u8 = 1;
/// [`Rules::mode`]: MASTER. Every accepted advert is reported, for it is a rival's.
pub const MODE_REPORT: u8 = 2;

/// [`Rules::flags`]: a master of lower priority is to be replaced.
pub const FLAG_PREEMPT: u8 = 1;
/// [`Rules::flags`]: adverts come by unicast: TTL by the peer's bounds.
pub const FLAG_UNICAST: u8 = 2;
/// [`Rules::flags`]: the source must be in the peer map, and the MAC must be the one there if there is one.
pub const FLAG_CHECK_PEER: u8 = 4;
/// [`Rules::flags`]: as the owner of the addresses it yields to nobody (`owner_ignore_adverts`).
pub const FLAG_IGNORE_RIVALS: u8 = 8;

/// What the agent tells the program about one router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rules {
    /// Our own address on the interface: adverts from it are our own.
    pub source: Address,
    /// The only destination that counts: the group, or our own address with unicast.
    pub destination: Address,
    /// Version 2 password, zero-padded.
    pub auth_data: [u8; 8],
    /// Configured advert interval in nanoseconds; version 2 demands exactly it.
    pub interval_ns: u64,
    /// Sum of the VIPs' 16-bit words: adverts that list other addresses are counted.
    pub addresses_sum: u32,
    /// Number of VIPs that an advert should list.
    pub addresses_count: u8,
    /// One of the `MODE_…` values.
    pub mode: u8,
    /// VRRP version, 2 or 3.
    pub version: u8,
    /// Effective priority.
    pub priority: u8,
    /// `FLAG_…` bits.
    pub flags: u8,
    /// Intervals without an advert before the master counts as dead.
    pub down_adverts: u8,
    /// Version 2 authentication type, 0 or 1.
    pub auth_type: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// What the program learned about one router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Heard {
    /// When the watch runs out; 0 while nothing is watched.
    pub deadline: u64,
    /// When the last accepted advert came; 0 if none did.
    pub last_advert: u64,
    /// Interval in force: learned from the master in version 3.
    pub interval_ns: u64,
    /// Interval in the last accepted advert that was no resignation. Not in force while we outrank its sender.
    pub advertised_ns: u64,
    /// Grows with everything that makes an earlier expiry stale.
    pub generation: u64,
    /// Accepted adverts.
    pub adverts: u64,
    /// Expiries of the watch.
    pub timeouts: u64,
    /// Sender of the last accepted advert.
    pub source: Address,
    /// Its priority.
    pub priority: u8,
    /// 1 while the kernel's timer is really running.
    pub armed: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// [`Event::kind`]: the watch ran out.
pub const EVENT_EXPIRED: u32 = 1;
/// [`Event::kind`]: another master, priority or interval than before, or the first advert.
pub const EVENT_CHANGED: u32 = 2;
/// [`Event::kind`]: priority 0.
pub const EVENT_RESIGNED: u32 = 3;
/// [`Event::kind`]: a lower priority while we may preempt.
pub const EVENT_OUTRANKED: u32 = 4;
/// [`Event::kind`]: an advert heard while MASTER.
pub const EVENT_RIVAL: u32 = 5;

/// One record of the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// The router that it concerns.
    pub key: RouterKey,
    /// One of the `EVENT_…` values.
    pub kind: u32,
    /// The router's generation when it happened.
    pub generation: u64,
    /// When it happened.
    pub at: u64,
    /// The deadline that ran out or is now in force.
    pub deadline: u64,
    /// Interval in the advert.
    pub interval_ns: u64,
    /// Sender of the advert.
    pub source: Address,
    /// Its priority.
    pub priority: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// One router as its map holds it.
///
/// The program's own declaration has the kernel's `bpf_timer` and `bpf_spin_lock` in the first two places. The
/// agent writes this once, when it adds the router; afterwards the program alone does, under the lock, for
/// an update from user space would cancel the timer. Lookups with `BPF_F_LOCK` are consistent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Router {
    /// The kernel's timer; reads as zero.
    pub timer: [u64; 2],
    /// The kernel's spin lock; reads as zero.
    pub lock: u32,
    /// Index of the router's counters.
    pub slot: u32,
    /// When the running timer fires, 0 while none runs. Never later than [`Heard::deadline`].
    pub fires_at: u64,
    /// What the agent wants.
    pub rules: Rules,
    /// What the program learned.
    pub heard: Heard,
}

/// [`Command::op`]: allocate the timer. The kernel may refuse for lack of memory; trying again helps.
pub const OP_PREPARE: u32 = 1;
/// [`Command::op`]: [`MODE_WATCH`] with new rules; [`Command::timer_ns`] from now, or the deadline in force.
pub const OP_WATCH: u32 = 2;
/// [`Command::op`]: [`MODE_REPORT`] with new rules, no timer.
pub const OP_REPORT: u32 = 3;
/// [`Command::op`]: [`MODE_REPORT`] with the rules there are, if the expiry of [`Command::generation`] still stands.
pub const OP_CLAIM: u32 = 4;
/// [`Command::op`]: [`MODE_OFF`], no timer, and what was heard is forgotten.
pub const OP_OFF: u32 = 5;

/// [`Command::timer_ns`]: leave the deadline where it is.
pub const TIMER_KEEP: u64 = 0;

/// The control program's answer: done.
pub const DONE: u32 = 1;
/// The control program's answer: an advert, or another command, came before this claim.
pub const STALE: u32 = 2;
/// The control program's answer: there is no such router.
pub const UNKNOWN_ROUTER: u32 = 3;
/// The control program's answer: the kernel refused to allocate or to start the timer. Its errno is in the bits
/// from [`ERRNO_SHIFT`] on.
pub const NOT_ARMED: u32 = 4;
/// The control program's answer: the command is too short or its `op` unknown.
pub const MALFORMED: u32 = 5;

/// The answer proper is in the bits below.
pub const ERRNO_SHIFT: u32 = 8;

/// What the agent asks of the control program, as that program's packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Command {
    /// The router that it concerns.
    pub key: RouterKey,
    /// One of the `OP_…` values.
    pub op: u32,
    /// [`OP_WATCH`]: nanoseconds until the watch runs out, or [`TIMER_KEEP`].
    pub timer_ns: u64,
    /// [`OP_CLAIM`]: generation of the expiry that is claimed.
    pub generation: u64,
    /// [`OP_WATCH`] and [`OP_REPORT`]: the rules from now on; their mode follows from `op`.
    pub rules: Rules,
}

/// Per-CPU counters of one router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Adverts that passed every check.
    pub accepted: u64,
    /// Accepted adverts with priority 0.
    pub priority_zero: u64,
    /// Accepted adverts that list other addresses than ours.
    pub address_list: u64,
    /// Version 3 adverts with another interval than ours.
    pub interval_differs: u64,
    /// Events that found the ring full.
    pub ring_full: u64,
    /// Attempts to arm the timer that the kernel refused.
    pub arm_failed: u64,
    /// Packets that were kept from the router's virtual addresses, by the number of their
    /// [`crate::reason::Fenced`].
    pub fenced: [u64; FENCED],
    /// Rejections, by the number of their [`crate::reason::Reason`].
    pub rejected: [u64; REASONS],
}

impl Counters {
    /// The sums of both.
    #[must_use]
    pub fn plus(mut self, other: &Counters) -> Counters {
        self.accepted += other.accepted;
        self.priority_zero += other.priority_zero;
        self.address_list += other.address_list;
        self.interval_differs += other.interval_differs;
        self.ring_full += other.ring_full;
        self.arm_failed += other.arm_failed;
        for (sum, other) in self.fenced.iter_mut().zip(&other.fenced) {
            *sum += other;
        }
        for (sum, other) in self.rejected.iter_mut().zip(&other.rejected) {
            *sum += other;
        }
        self
    }
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            accepted: 0,
            priority_zero: 0,
            address_list: 0,
            interval_differs: 0,
            ring_full: 0,
            arm_failed: 0,
            fenced: [0; FENCED],
            rejected: [0; REASONS],
        }
    }
}

/// An address from which adverts of one router are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct PeerKey {
    /// The router.
    pub router: RouterKey,
    /// The peer.
    pub address: Address,
}

/// What else must hold for adverts of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Peer {
    /// Lowest TTL accepted from a unicast peer.
    pub min_ttl: u8,
    /// Highest TTL accepted from a unicast peer.
    pub max_ttl: u8,
    /// 1 if frames must come from [`Peer::mac`].
    pub has_mac: u8,
    /// Zero.
    pub reserved: u8,
    /// The peer's MAC.
    pub mac: [u8; 6],
}

impl Peer {
    /// A peer of whom only the address counts.
    pub const ANY: Peer = Peer { min_ttl: 0, max_ttl: u8::MAX, has_mac: 0, reserved: 0, mac: [0; 6] };

    /// Whether a frame may come from `mac`, if that is known.
    #[must_use]
    pub fn may_have(&self, mac: Option<[u8; 6]>) -> bool {
        self.has_mac == 0 || mac.is_none_or(|mac| mac == self.mac)
    }
}

/// [`StrangerKey::what`]: the adverts are accepted, and list other addresses. Rejected ones have the number of their
/// [`crate::reason::Reason`].
pub const WHAT_ADDRESSES: u32 = 64;
/// [`StrangerKey::what`]: the adverts are accepted, and have another interval.
pub const WHAT_INTERVAL: u32 = 65;

/// Of whose adverts of which kind the last sender is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct StrangerKey {
    /// [`Router::slot`].
    pub slot: u32,
    /// What is odd about them.
    pub what: u32,
}

/// Who sent an odd advert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stranger {
    /// When.
    pub at: u64,
    /// From which address.
    pub source: Address,
    /// From which MAC; zero if unknown.
    pub mac: [u8; 6],
    /// VRRP version and type of the message.
    pub version_type: u8,
    /// Zero.
    pub reserved: u8,
}

/// A virtual address on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct VipKey {
    /// Where packets to it arrive.
    pub ifindex: u32,
    /// 4 or 6.
    pub family: u8,
    /// Zero: part of the hash.
    pub reserved: [u8; 3],
    /// The address.
    pub address: Address,
}

/// The lease of the router in one slot, and which router that is, so that another agent can take over what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tenure {
    /// The lease. The agent opens, renews and ends it; the program only ends it.
    pub lease: Lease,
    /// The router; all zero while the slot is free.
    pub key: RouterKey,
    /// Zero.
    pub reserved: u32,
}

#[cfg(feature = "user")]
mod pod {
    use super::{
        Command, Counters, Heard, Peer, PeerKey, Router, RouterKey, Rules, Stranger, StrangerKey, VipKey,
    };

    // SAFETY: repr(C), integers and byte arrays only, no implicit padding (see the size assertions).
    unsafe impl aya::Pod for RouterKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Rules {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Heard {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Counters {}
    // SAFETY: as above.
    unsafe impl aya::Pod for PeerKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Peer {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Router {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Command {}
    // SAFETY: as above.
    unsafe impl aya::Pod for VipKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for StrangerKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Stranger {}
}

/// Fails to compile when a struct has implicit padding or changed its size: the sum of the fields is written out.
const _: () = {
    assert!(size_of::<RouterKey>() == 4 + 2 + 2 + 1 + 1 + 2);
    assert!(size_of::<Rules>() == 16 + 16 + 8 + 8 + 4 + 7 + 5);
    assert!(size_of::<Heard>() == 7 * 8 + 16 + 2 + 6);
    assert!(size_of::<Event>() == 12 + 4 + 4 * 8 + 16 + 1 + 7);
    assert!(size_of::<Counters>() == 8 * (6 + FENCED + REASONS));
    assert!(size_of::<PeerKey>() == 12 + 16);
    assert!(size_of::<Peer>() == 4 + 6);
    assert!(size_of::<StrangerKey>() == 4 + 4);
    assert!(size_of::<Stranger>() == 8 + 16 + 6 + 1 + 1);
    assert!(size_of::<VipKey>() == 4 + 1 + 3 + 16);
    assert!(size_of::<Tenure>() == 16 + 12 + 4);
    assert!(size_of::<Router>() == 16 + 4 + 4 + 8 + size_of::<Rules>() + size_of::<Heard>());
    assert!(size_of::<Command>() == 12 + 4 + 2 * 8 + size_of::<Rules>());
};
