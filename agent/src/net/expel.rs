//! Removing addresses that an agent left behind, when there is none that looks after them.

use std::net::IpAddr;

use crate::net::error::NetError;
use crate::net::link::Links;
use crate::net::netlink::{Netlink, Request};
use crate::net::vip::Vip;

/// Removes those of these addresses that are on these interfaces, with whatever prefix; returns which those were, as
/// `ADDRESS/LENGTH`.
pub fn expel(vips: &[(u32, IpAddr)]) -> Result<Vec<String>, NetError> {
    let mut netlink = Netlink::open()?;
    let links = Links::dump(&mut netlink)?;
    let held = |(ifindex, address): &(u32, IpAddr)| {
        links.holders(*address).filter(|held| held.ifindex == *ifindex).map(Vip::found).collect::<Vec<_>>()
    };
    let held: Vec<Vip> = vips.iter().flat_map(held).collect();
    let requests: Vec<Request> = held.iter().map(|vip| vip.remove(vip.prefix_len)).collect();
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
