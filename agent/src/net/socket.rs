//! Raw sockets that only send, and many packets in one system call.
//!
//! The kernel cannot be told that a socket does not read. These sockets are opened so that next to nothing is
//! delivered to them, and a filter that accepts no byte drops the rest before it is queued: they never become
//! readable, so whoever polls the election thread's descriptors is not woken by them.

use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// How `sendmmsg` takes its flags: unsigned in musl, as the kernel does, and signed in glibc.
#[cfg(target_env = "musl")]
type SendFlags = libc::c_uint;
#[cfg(not(target_env = "musl"))]
type SendFlags = libc::c_int;

const DONT_WAIT: SendFlags = libc::MSG_DONTWAIT as SendFlags;

/// Packets handed to the kernel in one system call.
const CHUNK: usize = 64;
/// `TC_PRIO_CONTROL`: a queueing discipline with priorities sends these before bulk traffic.
const PRIORITY_CONTROL: libc::c_int = 6;

/// A raw socket for sending.
#[derive(Debug)]
pub(crate) struct RawSocket {
    fd: OwnedFd,
}

impl RawSocket {
    /// Opens a non-blocking raw socket that receives nothing.
    pub(super) fn open(domain: libc::c_int, protocol: libc::c_int) -> Result<Self, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: socket(2) takes three integers and touches no memory of ours.
        let fd = Errno::result(unsafe { libc::socket(domain, kind, protocol) })?;
        // SAFETY: the kernel just gave us this descriptor, and nothing else owns it.
        let socket = Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } };
        socket.refuse_all()?;
        socket.set(libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY_CONTROL)?;
        Ok(socket)
    }

    /// Sets a socket option whose value is a plain C value.
    pub(super) fn set<T: Copy>(&self, level: libc::c_int, name: libc::c_int, value: T) -> Result<(), Errno> {
        let length = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the pointer is to a live `T` of exactly `length` bytes, which the kernel only reads.
        let answer =
            unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, name, (&raw const value).cast(), length) };
        Errno::result(answer).map(drop)
    }

    /// Sends one packet without waiting.
    pub(super) fn send(&self, mut to: Destination, packet: &[u8]) -> Result<(), Errno> {
        let (name, length) = to.raw();
        let length = libc::socklen_t::try_from(length).map_err(|_| Errno::EINVAL)?;
        // SAFETY: packet and address live, unmoved, until the call returns, and the kernel only reads them.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_DONTWAIT,
                name.cast_const().cast(),
                length,
            )
        };
        Errno::result(sent).map(drop)
    }

    /// Attaches a filter that keeps no byte of any packet.
    fn refuse_all(&self) -> Result<(), Errno> {
        const RETURN_CONSTANT: u16 = 0x06;
        let mut nothing = libc::sock_filter { code: RETURN_CONSTANT, jt: 0, jf: 0, k: 0 };
        // The kernel copies the program during the call, so the pointer does not outlive `nothing`.
        let program = libc::sock_fprog { len: 1, filter: &raw mut nothing };
        self.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)
    }
}

impl AsRawFd for RawSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

/// Where a packet goes.
#[derive(Clone, Copy)]
pub(super) enum Destination {
    /// An IPv4 host or group.
    V4(libc::sockaddr_in),
    /// An IPv6 host or group.
    V6(libc::sockaddr_in6),
    /// An interface; the packet carries its own link-layer header.
    Link(libc::sockaddr_ll),
}

impl Destination {
    fn raw(&mut self) -> (*mut libc::c_void, usize) {
        match self {
            Destination::V4(address) => ((&raw mut *address).cast(), size_of::<libc::sockaddr_in>()),
            Destination::V6(address) => ((&raw mut *address).cast(), size_of::<libc::sockaddr_in6>()),
            Destination::Link(address) => ((&raw mut *address).cast(), size_of::<libc::sockaddr_ll>()),
        }
    }
}

/// Address families are small positive numbers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) const fn family(value: libc::c_int) -> libc::sa_family_t {
    value as libc::sa_family_t
}

/// Packets waiting to go out together through one socket. The buffers are kept between flushes.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    packets: Vec<Packet>,
}

struct Packet {
    start: usize,
    length: usize,
    destination: Destination,
}

impl Outbox {
    /// Adds a packet, which `write` appends to the buffer it is given.
    pub(super) fn push(&mut self, destination: Destination, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.packets.push(Packet { start, length: self.bytes.len() - start, destination });
    }

    /// Sends everything and empties the outbox. `failed` gets the position and the reason of each packet that
    /// was not sent.
    ///
    /// A reason that lies with one packet costs that packet alone; one that lies with the interface or its
    /// queue ends the attempt for all that are left, so a dead interface costs one system call.
    pub(super) fn flush(&mut self, socket: &RawSocket, mut failed: impl FnMut(usize, Errno)) {
        let mut next = 0;
        while next < self.packets.len() {
            match self.send_chunk(socket, next) {
                Ok(sent) => next += sent.max(1),
                Err(Errno::EINTR) => {}
                Err(errno) if concerns_all(errno) => {
                    for position in next..self.packets.len() {
                        failed(position, errno);
                    }
                    break;
                }
                Err(errno) => {
                    failed(next, errno);
                    next += 1;
                }
            }
        }
        self.clear();
    }

    /// Empties the outbox without sending.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }

    /// Hands up to `CHUNK` packets to the kernel and returns how many it took; an error is about the first.
    fn send_chunk(&mut self, socket: &RawSocket, first: usize) -> Result<usize, Errno> {
        let (bytes, Some(packets)) = (&mut self.bytes, self.packets.get_mut(first..)) else {
            return Ok(0);
        };
        // SAFETY: both structs are plain C data for which all zeroes is a valid, empty value.
        let mut vectors: [libc::iovec; CHUNK] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; CHUNK] = unsafe { std::mem::zeroed() };
        let mut count: libc::c_uint = 0;
        for ((packet, vector), header) in packets.iter_mut().zip(&mut vectors).zip(&mut headers) {
            let Some(content) = bytes.get_mut(packet.start..packet.start + packet.length) else { break };
            vector.iov_base = content.as_mut_ptr().cast();
            vector.iov_len = content.len();
            let (name, length) = packet.destination.raw();
            header.msg_hdr.msg_name = name;
            header.msg_hdr.msg_namelen = libc::socklen_t::try_from(length).map_err(|_| Errno::EINVAL)?;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        // SAFETY: the first `count` headers point to destinations, vectors and bytes that live, unmoved, until
        // the call returns; the kernel reads them and writes only `msg_len` of `headers`.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, DONT_WAIT) };
        Errno::result(sent).map(|sent| usize::try_from(sent).unwrap_or(0))
    }
}

/// Whether an error is about the interface or its queue, and so every further packet would meet it too.
fn concerns_all(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::ENOBUFS | Errno::ENODEV | Errno::ENXIO | Errno::ENETDOWN)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use socket2::{Domain, Protocol, Socket, Type};

    use super::*;

    /// The one kind of packet that a socket of this protocol is given is one of this protocol.
    #[test]
    fn never_becomes_readable() {
        let ours = match RawSocket::open(libc::AF_INET, libc::IPPROTO_RAW) {
            Err(Errno::EPERM) => return eprintln!("skipped: needs CAP_NET_RAW"),
            ours => ours.unwrap(),
        };
        let protocol = Some(Protocol::from(libc::IPPROTO_RAW));
        let control = Socket::new(Domain::IPV4, Type::RAW, protocol).unwrap();
        let localhost = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let packet = [0x45, 0, 0, 20, 0, 0, 0, 0, 1, 255, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
        control.send_to(&packet, &localhost.into()).unwrap();
        let mut descriptors = [ours.fd.as_fd(), control.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        poll(&mut descriptors, PollTimeout::from(2000u16)).unwrap();
        assert_eq!(
            descriptors.map(|fd| fd.any()),
            [Some(false), Some(true)],
            "the control has it, ours has not"
        );
    }
}
