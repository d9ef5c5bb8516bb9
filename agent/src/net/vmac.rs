//! Interfaces with a router's virtual MAC: macvlans, made when they are needed and removed afterwards.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use nix::net::if_::if_nametoindex;

use crate::net::error::NetError;
use crate::net::netlink::{Netlink, Request};

/// Makes the interface `name` on `parent`, down, and returns its index. Private: what its parent or another of these sends is not for it.
pub fn create(netlink: &mut Netlink, parent: u32, name: &str, mac: [u8; 6]) -> Result<u32, NetError> {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Link(parent),
        LinkAttribute::Address(mac.to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)])),
        ]),
    ];
    let request =
        Request { message: RouteNetlinkMessage::NewLink(message), flags: NLM_F_CREATE | NLM_F_EXCL };
    ask(netlink, "make", name, request)?;
    if_nametoindex(name).map_err(|errno| NetError::Interface {
        action: "find",
        name: name.to_owned(),
        errno,
        detail: None,
    })
}

/// Sets it up.
pub fn set_up(netlink: &mut Netlink, ifindex: u32, name: &str) -> Result<(), NetError> {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    ask(netlink, "set up", name, Request { message: RouteNetlinkMessage::NewLink(message), flags: 0 })
}

/// Removes it, with the addresses that it carries.
pub fn remove(netlink: &mut Netlink, ifindex: u32, name: &str) -> Result<(), NetError> {
    ask(netlink, "remove", name, Request { message: removed(ifindex), flags: 0 })
}

/// The request that removes it as a finished packet, for whoever cannot make one.
pub fn removal(ifindex: u32) -> Vec<u8> {
    let mut message = NetlinkMessage::from(removed(ifindex));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn removed(ifindex: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    RouteNetlinkMessage::DelLink(message)
}

fn ask(netlink: &mut Netlink, action: &'static str, name: &str, request: Request) -> Result<(), NetError> {
    match netlink.send_batch(vec![request]).pop() {
        Some(Err(refusal)) => Err(NetError::Interface {
            action,
            name: name.to_owned(),
            errno: refusal.errno,
            detail: refusal.detail,
        }),
        Some(Ok(())) | None => Ok(()),
    }
}
