//! Frames onto an interface.

use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::libc::{AF_PACKET, sendto, sockaddr_ll};
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Socket, Type};

/// A packet socket that sends from one interface.
pub(crate) struct Sender {
    socket: Socket,
    address: sockaddr_ll,
    destination: Option<[u8; 6]>,
}

impl Sender {
    /// Opens it. Protocol 0: it receives nothing.
    pub(crate) fn on(interface: &str) -> Sender {
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).unwrap();
        // SAFETY: integers only, for which zero is a value.
        let mut address: sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(AF_PACKET).unwrap();
        address.sll_ifindex = i32::try_from(if_nametoindex(interface).unwrap()).unwrap();
        Sender { socket, address, destination: None }
    }

    /// Writes the hardware address of another interface into every frame, so that its stack takes it.
    pub(crate) fn unicast_to(&mut self, interface: &str) {
        let index = if_nametoindex(interface).unwrap();
        let links = nix::ifaddrs::getifaddrs().unwrap();
        let address = links
            .filter_map(|link| link.address?.as_link_addr().copied())
            .find(|link| link.ifindex() == index as usize);
        self.destination = address.unwrap().addr();
    }

    /// Sends one frame.
    pub(crate) fn send(&self, frame: &[u8]) {
        let mut frame = frame.to_vec();
        if let Some(destination) = self.destination {
            frame[..6].copy_from_slice(&destination);
        }
        let length = u32::try_from(size_of::<sockaddr_ll>()).unwrap();
        // SAFETY: frame and address are readable for the lengths given.
        let sent = unsafe {
            let address = (&raw const self.address).cast();
            sendto(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0, address, length)
        };
        assert_eq!(Errno::result(sent).unwrap(), frame.len().cast_signed());
    }
}
