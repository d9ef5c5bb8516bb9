//! The fence towards the network: while this node may not serve a virtual address, it says nothing in its name.
//!
//! The address may still be on this host, of an agent that is stuck or dead. Connections that were open then send on,
//! and to do so the kernel asks for their neighbours in the address's name, which teaches them that it is here.

use aya_ebpf::programs::TcContext;
use vipward_common::reason::Fenced;
use vipward_common::wire::{arp, eth, ipv4, ipv6, nd};

use crate::address::Words;
use crate::fence::barred;
use crate::frame::{Bytes, Outgoing};
use crate::{maps, parse};

/// Whether a packet must not leave.
#[inline(always)]
pub(crate) fn drops(ctx: &TcContext) -> bool {
    let skb = ctx.skb.skb;
    // SAFETY: the context lives as long as the program runs.
    let (arrived_on, leaves_by, tagged) =
        unsafe { ((*skb).ingress_ifindex, (*skb).ifindex, (*skb).vlan_present != 0) };
    // What this host only forwards is the master's. What is to be tagged is a VLAN interface's.
    if arrived_on != 0 || tagged {
        return false;
    }
    match fenced(&Outgoing(skb), leaves_by) {
        Some(slot) => {
            maps::count_fenced(slot, Fenced::Sent);
            true
        }
        None => false,
    }
}

#[inline(always)]
fn fenced(packet: &Outgoing, ifindex: u32) -> Option<u32> {
    let link = parse::link(packet)?;
    match link.ethertype {
        eth::IPV4 => v4(packet, link.network + ipv4::SOURCE, ifindex),
        eth::ARP => v4(packet, link.network + arp::SENDER, ifindex),
        eth::IPV6 => v6(packet, link.network, ifindex),
        _ => None,
    }
}

#[inline(always)]
fn v4(packet: &Outgoing, at: usize, ifindex: u32) -> Option<u32> {
    let [a, b] = packet.halves(at)?;
    barred(ifindex, 4, Words::from_halves([a, b, 0, 0, 0, 0, 0, 0]))
}

#[inline(always)]
fn v6(packet: &Outgoing, at: usize, ifindex: u32) -> Option<u32> {
    let from = barred(ifindex, 6, Words::from_halves(packet.halves(at + ipv6::SOURCE)?));
    if from.is_some() {
        return from;
    }
    // An advertisement need not come from the address that it is about.
    if packet.u8(at + ipv6::NEXT_HEADER)? != nd::ICMPV6 || packet.u8(at + ipv6::LEN)? != nd::ADVERTISEMENT {
        return None;
    }
    barred(ifindex, 6, Words::from_halves(packet.halves(at + ipv6::LEN + nd::TARGET)?))
}
