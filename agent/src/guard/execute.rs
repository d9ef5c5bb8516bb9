//! Carrying a will out.

use std::ffi::CStr;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use netlink_packet_core::NLM_F_REQUEST;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::{self, IFA_LOCAL, RTM_DELADDR};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, send, socket};
use nix::sys::stat::Mode;
use nix::unistd::write;
use vipward_common::lease::Lease;

use super::estate::{Master, Packets};
use crate::kernel::Leases;
use crate::net::advert;

/// Length of a request to remove an IPv6 address, the longest there is.
const REQUEST: usize = 16 + 8 + 20;
/// Longest name of a setting, with the zero that ends it.
const PATH: usize = 128;

/// What the guard acts with, all of it opened at its start.
pub(super) struct Hands {
    leases: Option<Leases>,
    routes: OwnedFd,
}

impl Hands {
    pub(super) fn new(leases: Option<Leases>) -> Result<Hands, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let routes = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        Ok(Hands { leases, routes })
    }

    /// The lease of a master; `None` where there are none.
    pub(super) fn lease(&self, master: &Master<'_>) -> Option<Lease> {
        Some(self.leases.as_ref()?.get(master.slot?))
    }

    /// Changes it by one of its own operations.
    pub(super) fn change<T>(
        &self,
        master: &Master<'_>,
        operation: impl FnOnce(&mut Lease) -> T,
    ) -> Option<T> {
        Some(self.leases.as_ref()?.change(master.slot?, operation))
    }

    /// Hands over for all of them. Whoever lost its lease before is not master any more, and must not resign: others
    /// would take it for the master's own word.
    pub(super) fn release<'a>(&self, masters: impl Iterator<Item = Master<'a>> + Clone, now: u64) {
        for master in masters.clone() {
            let served = self.lease(&master).is_none_or(|lease| lease.serves(now));
            self.change(&master, Lease::end);
            if served {
                send_all(master.resignations);
            }
        }
        for master in masters {
            for (file, content) in master.undo {
                self.undo(file, content);
            }
            for (ifindex, prefix_len, address) in master.vips {
                self.remove(ifindex, prefix_len, address);
            }
        }
    }

    /// Undoes one step: a request to the kernel, or a setting of its. There is nobody to tell of a failure.
    fn undo(&self, file: &[u8], content: &[u8]) {
        if file.is_empty() {
            let _ = send(self.routes.as_fd().as_raw_fd(), content, MsgFlags::MSG_DONTWAIT);
            return;
        }
        let mut path = [0; PATH];
        // Room for the zero that ends it.
        let Some(room) = path.get_mut(..file.len()).filter(|_| file.len() < PATH) else { return };
        room.copy_from_slice(file);
        let Ok(path) = CStr::from_bytes_until_nul(&path) else { return };
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        if let Ok(opened) = open(path, flags, Mode::empty()) {
            let _ = write(&opened, content);
        }
    }

    /// An address that is gone already is as it should be, and nobody is left to be told of another failure.
    fn remove(&self, ifindex: u32, prefix_len: u8, address: IpAddr) {
        let mut request = [0; REQUEST];
        let length = removal(&mut request, ifindex, prefix_len, address);
        let bytes = request.get(..length).unwrap_or_default();
        let _ = send(self.routes.as_fd().as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT);
    }
}

/// Sends packets of one master, each by the interface that it is for.
pub(super) fn send_all(packets: Packets<'_>) {
    let mut open = None;
    for (ifindex, destination, packet) in packets {
        let port = (ifindex, destination.is_ipv6());
        if open.as_ref().is_none_or(|(with, _)| *with != port) {
            open = advert::open(ifindex, destination.is_ipv6()).ok().map(|socket| (port, socket));
        }
        if let Some((_, socket)) = &open {
            // What cannot be sent is as good as lost on its way.
            let _ = advert::send(socket, ifindex, destination, packet);
        }
    }
}

/// Writes an `RTM_DELADDR` (rtnetlink(7)) and gives its length.
fn removal(request: &mut [u8; REQUEST], ifindex: u32, prefix_len: u8, address: IpAddr) -> usize {
    let (family, octets, bytes) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.to_ipv6_mapped().octets(), 4_u16),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets(), 16),
    };
    let address = if bytes == 4 { &octets[12..] } else { &octets[..] };
    let length = 16 + 8 + 4 + bytes;
    let parts: [&[u8]; 9] = [
        &u32::from(length).to_ne_bytes(),
        &RTM_DELADDR.to_ne_bytes(),
        &NLM_F_REQUEST.to_ne_bytes(),
        &[0; 8], // sequence number and port
        &[u8::try_from(family).unwrap_or(0), prefix_len, 0, 0],
        &ifindex.to_ne_bytes(),
        &(4 + bytes).to_ne_bytes(),
        &IFA_LOCAL.to_ne_bytes(),
        address,
    ];
    for (to, from) in request.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    usize::from(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_what_the_library_would_write() {
        for (address, prefix_len) in [("10.0.0.50", 24), ("fd00::50", 128)] {
            let address: IpAddr = address.parse().unwrap();
            let mut request = [0; REQUEST];
            let length = removal(&mut request, 7, prefix_len, address);
            let read =
                netlink_packet_core::NetlinkMessage::<netlink_packet_route::RouteNetlinkMessage>::deserialize(
                    &request[..length],
                );
            let netlink_packet_core::NetlinkPayload::InnerMessage(
                netlink_packet_route::RouteNetlinkMessage::DelAddress(message),
            ) = read.unwrap().payload
            else {
                panic!("another message");
            };
            assert_eq!((message.header.index, message.header.prefix_len), (7, prefix_len));
            let local = netlink_packet_route::address::AddressAttribute::Local(address);
            assert_eq!(message.attributes, [local]);
        }
    }
}
