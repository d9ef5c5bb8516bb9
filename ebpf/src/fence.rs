//! The fence: while this node may not serve a virtual address, nothing arrives that would let it.
//!
//! What is kept away is what a neighbour must be answered for (ARP and neighbour solicitation), and packets to the
//! address that this host would take in. What it only forwards, and what tells this host itself where the address is,
//! passes: a backup is a client of the address like any other.

use aya_ebpf::bindings::{bpf_fib_lookup as Route, xdp_md};
use aya_ebpf::helpers::{bpf_fib_lookup, bpf_ktime_get_ns};
use vipward_common::abi::VipKey;
use vipward_common::reason::Fenced;
use vipward_common::wire::{arp, eth, ipv4, ipv6, nd};

use crate::address::Words;
use crate::frame::{Bytes, Frame};
use crate::maps;
use crate::parse;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `BPF_FIB_LKUP_RET_SUCCESS`: the packet would be forwarded.
const FORWARDED: i64 = 0;
/// `BPF_FIB_LKUP_RET_UNSUPP_LWT`, `…_NO_NEIGH` and `…_FRAG_NEEDED`: it would be, though not by a program. What is not
/// forwarded is either for this host or for nobody.
const FORWARDED_BY_THE_STACK: core::ops::RangeInclusive<i64> = 6..=8;

/// Whether a packet that is no advert of ours is to be dropped.
#[inline(always)]
pub(crate) fn drops(frame: &Frame, ifindex: u32) -> bool {
    match fenced(frame, ifindex) {
        Some((slot, what)) => {
            maps::count_fenced(slot, what);
            true
        }
        None => false,
    }
}

#[inline(always)]
fn fenced(frame: &Frame, ifindex: u32) -> Option<(u32, Fenced)> {
    let link = parse::link(frame)?;
    // A tag that is still there leads to a VLAN's own interface, which has its own addresses.
    if link.outer_vid != 0 {
        return None;
    }
    match link.ethertype {
        eth::IPV4 => {
            let [a, b] = frame.halves(link.network + ipv4::DESTINATION)?;
            let slot = barred(ifindex, 4, Words::from_halves([a, b, 0, 0, 0, 0, 0, 0]))?;
            (!forwards_v4(frame, link.network, ifindex)).then_some((slot, Fenced::Packet))
        }
        eth::ARP => {
            let target: [u16; 2] = frame.halves(link.network + arp::TARGET)?;
            let sender: [u16; 2] = frame.halves(link.network + arp::SENDER)?;
            // Gratuitous: the address's new holder tells, and asks nobody.
            if target == sender {
                return None;
            }
            let slot = barred(ifindex, 4, Words::from_halves([target[0], target[1], 0, 0, 0, 0, 0, 0]))?;
            Some((slot, Fenced::Arp))
        }
        eth::IPV6 => v6(frame, link.network, ifindex),
        _ => None,
    }
}

#[inline(always)]
fn v6(frame: &Frame, at: usize, ifindex: u32) -> Option<(u32, Fenced)> {
    let destination = Words::from_halves(frame.halves(at + ipv6::DESTINATION)?);
    if destination.first() != ipv6::MULTICAST {
        let slot = barred(ifindex, 6, destination)?;
        return (!forwards_v6(frame, at, ifindex)).then_some((slot, Fenced::Packet));
    }
    // Solicitations come to a group, and by the one after it the address is told that they ask for.
    if frame.u8(at + ipv6::NEXT_HEADER)? != nd::ICMPV6 || frame.u8(at + ipv6::LEN)? != nd::SOLICITATION {
        return None;
    }
    let slot = barred(ifindex, 6, Words::from_halves(frame.halves(at + ipv6::LEN + nd::TARGET)?))?;
    Some((slot, Fenced::Solicitation))
}

/// The slot of the router whose virtual address this is, if it may not be served now.
#[inline(always)]
pub(crate) fn barred(ifindex: u32, family: u8, address: Words) -> Option<u32> {
    if !maps::may_be_vip(if family == 4 { address.tail_v4() } else { address.tail_v6() }) {
        return None;
    }
    let slot = maps::vip(&VipKey { ifindex, family, reserved: [0; 3], address: address.to_address() })?;
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let serves = maps::lease(slot).is_some_and(|lease| lease.serves(now));
    (!serves).then_some(slot)
}

#[inline(always)]
fn forwards_v4(frame: &Frame, at: usize, ifindex: u32) -> bool {
    let mut route = route(AF_INET, ifindex);
    let Some([a, b]) = frame.halves(at + ipv4::SOURCE) else { return false };
    route.__bindgen_anon_3.ipv4_src = word(a, b);
    let Some([a, b]) = frame.halves(at + ipv4::DESTINATION) else { return false };
    route.__bindgen_anon_4.ipv4_dst = word(a, b);
    forwards(frame.raw(), &mut route)
}

#[inline(always)]
fn forwards_v6(frame: &Frame, at: usize, ifindex: u32) -> bool {
    let mut route = route(AF_INET6, ifindex);
    let Some([a, b, c, d, e, f, g, h]) = frame.halves(at + ipv6::SOURCE) else { return false };
    route.__bindgen_anon_3.ipv6_src = [word(a, b), word(c, d), word(e, f), word(g, h)];
    let Some([a, b, c, d, e, f, g, h]) = frame.halves(at + ipv6::DESTINATION) else { return false };
    route.__bindgen_anon_4.ipv6_dst = [word(a, b), word(c, d), word(e, f), word(g, h)];
    forwards(frame.raw(), &mut route)
}

#[inline(always)]
fn route(family: u8, ifindex: u32) -> Route {
    // SAFETY: integers and unions of integers, for all of which zero is a value.
    let mut route: Route = unsafe { core::mem::zeroed() };
    route.family = family;
    route.ifindex = ifindex;
    route
}

/// Whether this host only forwards the packet, by its own routes.
#[inline(always)]
fn forwards(ctx: *mut xdp_md, route: &mut Route) -> bool {
    // SAFETY: the context is this run's, and the kernel is told how long the query is.
    let answer =
        unsafe { bpf_fib_lookup(ctx.cast(), core::ptr::from_mut(route), size_of::<Route>() as i32, 0) };
    answer == FORWARDED || FORWARDED_BY_THE_STACK.contains(&answer)
}

/// Two 16-bit words in memory order as one.
#[inline(always)]
fn word(a: u16, b: u16) -> u32 {
    if cfg!(target_endian = "little") { a as u32 | (b as u32) << 16 } else { (a as u32) << 16 | b as u32 }
}
