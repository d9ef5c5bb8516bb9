//! Removing addresses that an agent left behind, when there is none that looks after them.

use std::net::IpAddr;

use crate::net::error::NetError;
use crate::net::link::{InterfaceAddress, Links};
use crate::net::netlink::{Netlink, Request};
use crate::net::vip::Vip;

/// Removes those of these addresses that are on these interfaces, with whatever prefix; returns which those were, as
/// `ADDRESS/LENGTH`.
pub fn expel(vips: &[(u32, IpAddr)]) -> Result<Vec<String>, NetError> {
    let mut netlink = Netlink::open()?;
    let links = Links::dump(&mut netlink)?;
    // What is behind a virtual MAC is fenced on the interface below, whose index was given.
    let behind = |ifindex: u32| {
        let mac = links.by_index(ifindex).and_then(|link| link.mac);
        mac.is_some_and(|mac| matches!(mac, [0, 0, 0x5e, 0, 1 | 2, _]))
    };
    let held = |(ifindex, address): &(u32, IpAddr)| {
        let here = |held: &&InterfaceAddress| held.ifindex == *ifindex || behind(held.ifindex);
        links.holders(*address).filter(here).map(Vip::found).collect::<Vec<_>>()
    };
    let mut held: Vec<Vip> = vips.iter().flat_map(held).collect();
    // An address is fenced on several interfaces, and is to be removed from each once.
    held.sort_by_key(|vip| (vip.ifindex, vip.address, vip.prefix_len));
    held.dedup();
    let requests: Vec<Request> = held.iter().map(|vip| vip.remove(vip.prefix_len, vip.peer)).collect();
    let answers = netlink.send_batch(requests);
    let mut removed = Vec::new();
    for (vip, answer) in held.iter().zip(answers) {
        match answer {
            Ok(()) => removed.push(format!("{}/{}", vip.address, vip.prefix_len)),
            Err(refusal) => {
                return Err(NetError::Address {
                    action: "remove",
                    address: vip.address,
                    prefix_len: vip.prefix_len,
                    ifindex: vip.ifindex,
                    errno: refusal.errno,
                    detail: refusal.detail,
                });
            }
        }
    }
    Ok(removed)
}
