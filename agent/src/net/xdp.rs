//! What is known of XDP on an interface without trying: the program that is attached, and what the driver can do.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NlaBuffer, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::{Socket, protocols::NETLINK_GENERIC};
use nix::errno::Errno;
use nix::libc::RTM_NEWLINK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use crate::net::error::{NetError, errno_of};
use crate::net::netlink::{Messages, Netlink, receive};

const LINK_HEADER: usize = 16;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
/// `XDP_ATTACHED_SKB`
const GENERIC: u8 = 2;
/// Set in an attribute's type that has others within.
const NESTED: u16 = 0x8000;

const NLM_F_REQUEST: u16 = 1;
const GENL_HEADER: usize = 4;
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const DEVICE_GET: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const DEVICE_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC`: programs can be run in the driver.
const BASIC: u64 = 1;
/// Longest wait for the kernel's answer, which it gives before the request returns.
const ANSWER_WAIT: u16 = 50;

/// A program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The interface.
    pub ifindex: u32,
    /// The kernel's number of the program.
    pub program: u32,
    /// It runs in the network stack and not in the driver.
    pub generic: bool,
}

/// The programs of all interfaces that have one.
pub fn attached(netlink: &mut Netlink) -> Result<Vec<Attached>, NetError> {
    let all_links = RouteNetlinkMessage::GetLink(LinkMessage::default());
    netlink.dump("XDP programs of interfaces", &all_links, |kind, payload| {
        if kind == RTM_NEWLINK { of_link(payload) } else { None }
    })
}

fn of_link(payload: &[u8]) -> Option<Attached> {
    let ifindex = u32::from_ne_bytes(*payload.get(4..)?.first_chunk()?);
    let link = attributes(payload.get(LINK_HEADER..)?).find(|(kind, _)| *kind == IFLA_XDP)?.1;
    let (mut program, mut mode) = (None, 0);
    for (kind, value) in attributes(&link) {
        match kind {
            IFLA_XDP_ATTACHED => mode = *value.first()?,
            IFLA_XDP_PROG_ID => program = Some(u32::from_ne_bytes(value.as_slice().try_into().ok()?)),
            _ => {}
        }
    }
    Some(Attached { ifindex, program: program?, generic: mode == GENERIC })
}

fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, Vec<u8>)> {
    NlasIterator::new(bytes)
        .map_while(Result::ok)
        .map(|attribute: NlaBuffer<&[u8]>| (attribute.kind() & !NESTED, attribute.value().to_vec()))
}

/// Whether the interface's driver says that it can run programs; `None` on kernels that do not tell (before 6.3).
pub fn is_native(ifindex: u32) -> Option<bool> {
    let family = ask(CONTROL, GET_FAMILY, FAMILY_NAME, b"netdev\0", FAMILY_ID).ok()??;
    let family = u16::from_ne_bytes(family.as_slice().try_into().ok()?);
    let features = ask(family, DEVICE_GET, DEVICE_INDEX, &ifindex.to_ne_bytes(), DEVICE_FEATURES).ok()??;
    Some(u64::from_ne_bytes(features.as_slice().try_into().ok()?) & BASIC != 0)
}

/// Sends a request with one attribute; the value of an attribute of the answer.
fn ask(family: u16, command: u8, kind: u16, value: &[u8], wanted: u16) -> Result<Option<Vec<u8>>, Errno> {
    let mut attribute = u16::try_from(4 + value.len()).unwrap_or(0).to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend_from_slice(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    let mut request = u32::try_from(16 + GENL_HEADER + attribute.len()).unwrap_or(0).to_ne_bytes().to_vec();
    request.extend(family.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend(attribute);
    let mut socket = Socket::new(NETLINK_GENERIC).map_err(|error| errno_of(&error))?;
    socket.bind_auto().map_err(|error| errno_of(&error))?;
    send(socket.as_raw_fd(), &request, MsgFlags::MSG_DONTWAIT)?;
    let mut wait = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    if poll(&mut wait, PollTimeout::from(ANSWER_WAIT))? == 0 {
        return Err(Errno::ETIMEDOUT);
    }
    let mut buffer = vec![0; 16 * 1024];
    let length = receive(&socket, &mut buffer)?;
    let answer = Messages::of(buffer.get(..length).unwrap_or_default())
        .find(|part| part.kind == family)
        .and_then(|part| part.payload.get(GENL_HEADER..))
        .and_then(|payload| attributes(payload).find(|(kind, _)| *kind == wanted));
    Ok(answer.map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_its_link() {
        let mut payload = vec![0; LINK_HEADER];
        payload[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        let attribute = |kind: u16, value: &[u8]| {
            let length = u16::try_from(4 + value.len()).expect("short");
            let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        assert_eq!(of_link(&payload), None);
        let within =
            [attribute(IFLA_XDP_ATTACHED, &[GENERIC]), attribute(IFLA_XDP_PROG_ID, &99_u32.to_ne_bytes())];
        payload.extend(attribute(3, b"eth0\0"));
        payload.extend(attribute(IFLA_XDP | NESTED, &within.concat()));
        assert_eq!(of_link(&payload), Some(Attached { ifindex: 7, program: 99, generic: true }));
        assert_eq!(of_link(&payload[..LINK_HEADER + 9]), None, "cut off");
    }

    /// The loopback's driver has no XDP; an interface that is not there tells nothing.
    #[test]
    fn drivers_are_asked() {
        let lo = nix::net::if_::if_nametoindex("lo").expect("index");
        assert_ne!(is_native(lo), Some(true));
        assert_eq!(is_native(u32::MAX >> 1), None);
        assert!(attached(&mut Netlink::open().expect("netlink")).is_ok());
    }
}
