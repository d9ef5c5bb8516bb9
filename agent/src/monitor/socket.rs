//! A packet socket that hears adverts, ARP and neighbour adverts of one interface or all, and nothing else.

use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use vipward_common::wire::{IPPROTO_VRRP, arp, eth, nd};

/// Bytes kept of a frame: more than any advert has.
const LENGTH: usize = 2048;
/// Room for what is not read yet; what does not fit is dropped, and counted.
const BUFFER: libc::c_int = 4 << 20;
/// `ETH_P_ALL` in network order.
const ALL: u16 = 3_u16.to_be();
/// `TP_STATUS_VLAN_VALID`
const HAS_VLAN: u32 = 1 << 4;

/// A frame that passed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caught {
    /// Interface that it passed.
    pub(super) ifindex: u32,
    /// This host sent it.
    pub(super) sent: bool,
    /// The tag that was taken off it before, 0 without.
    pub(super) vlan: u16,
    /// Its bytes, perhaps not all.
    pub(super) frame: Vec<u8>,
}

/// The socket.
#[derive(Debug)]
pub(super) struct Ear {
    fd: OwnedFd,
}

impl Ear {
    /// Opens it on an interface, or on all of the network namespace.
    pub(super) fn open(ifindex: Option<u32>) -> Result<Ear, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // Of no protocol, so that nothing comes before the filter is there.
        // SAFETY: socket(2) takes three integers and touches no memory of ours.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the kernel just gave us this descriptor, and nothing else owns it.
        let ear = Ear { fd: unsafe { OwnedFd::from_raw_fd(fd) } };
        let mut filter = filter();
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
            filter: filter.as_mut_ptr(),
        };
        // The kernel copies the program during the call, so the pointer does not outlive `filter`.
        ear.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)?;
        ear.set(libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
        // What is allowed without it is less, and enough on most segments.
        let _ = ear.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER);
        // SAFETY: integers and an array of them, for which zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EINVAL)?;
        address.sll_protocol = ALL;
        address.sll_ifindex = i32::try_from(ifindex.unwrap_or(0)).map_err(|_| Errno::ENODEV)?;
        let length = length_of::<libc::sockaddr_ll>();
        // SAFETY: the kernel reads `length` bytes of a live address.
        Errno::result(unsafe { libc::bind(ear.fd.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(ear)
    }

    fn set<T: Copy>(&self, level: libc::c_int, name: libc::c_int, value: T) -> Result<(), Errno> {
        // SAFETY: the pointer is to a live `T` of exactly that length, which the kernel only reads.
        let answer = unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), level, name, (&raw const value).cast(), length_of::<T>())
        };
        Errno::result(answer).map(drop)
    }

    /// The next frame; `None` when there is none now, and when an interface went down.
    pub(super) fn next(&mut self) -> Option<Caught> {
        let mut frame = [0_u8; LENGTH];
        let mut control = [0_u64; 16];
        // SAFETY: integers and an array of them, for which zero is a value.
        let mut from: libc::sockaddr_ll = unsafe { zeroed() };
        let mut slice = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        // SAFETY: pointers and integers, for which zero is a value.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = length_of::<libc::sockaddr_ll>();
        message.msg_iov = &raw mut slice;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: all that `message` points to lives until the call returns, with the lengths that it says.
        let length = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, 0) };
        let length = usize::try_from(length).ok()?;
        Some(Caught {
            ifindex: u32::try_from(from.sll_ifindex).ok()?,
            sent: from.sll_pkttype == libc::PACKET_OUTGOING,
            vlan: vlan(&message),
            frame: frame.get(..length)?.to_vec(),
        })
    }

    /// Frames that found no room since the last call.
    pub(super) fn dropped(&self) -> u64 {
        let mut counts = MaybeUninit::<libc::tpacket_stats>::zeroed();
        let mut length = length_of::<libc::tpacket_stats>();
        // SAFETY: the kernel writes at most `length` bytes of a live place of that length.
        let answer = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                counts.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        // SAFETY: integers, which were zero if nothing was written.
        if answer == 0 { u64::from(unsafe { counts.assume_init() }.tp_drops) } else { 0 }
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// The VLAN that the kernel noted when it took the tag off.
fn vlan(message: &libc::msghdr) -> u16 {
    // SAFETY: the kernel filled the header and its control data in; the macros stay within them.
    let mut part = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !part.is_null() {
        // SAFETY: not null, so it points to a header within the control data.
        let header = unsafe { *part };
        if header.cmsg_level == libc::SOL_PACKET && header.cmsg_type == libc::PACKET_AUXDATA {
            // SAFETY: a message of this type carries this structure; it may lie anywhere.
            let data = unsafe { libc::CMSG_DATA(part).cast::<libc::tpacket_auxdata>().read_unaligned() };
            return if data.tp_status & HAS_VLAN == 0 { 0 } else { data.tp_vlan_tci & eth::VID_MASK };
        }
        // SAFETY: as above.
        part = unsafe { libc::CMSG_NXTHDR(message, part) };
    }
    0
}

/// Which frames are kept, in the language of socket filters: VRRP, gratuitous ARP, neighbour adverts, and what still has a
/// tag, which is looked at later.
#[expect(clippy::cast_possible_truncation, reason = "offsets and lengths of a frame")]
fn filter() -> Vec<libc::sock_filter> {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const KEEP_FOR_COMPARISON: u16 = 0x07;
    const EQUAL: u16 = 0x15;
    const EQUAL_TO_KEPT: u16 = 0x1d;
    const RETURN: u16 = 0x06;
    const SENDER: u32 = (eth::LEN + arp::SENDER) as u32;
    const TARGET: u32 = (eth::LEN + arp::TARGET) as u32;
    let step = |code, jt, jf, k: u32| libc::sock_filter { code, jt, jf, k };
    vec![
        step(LOAD_HALF, 0, 0, 12),
        step(EQUAL, 11, 0, eth::ARP.into()),
        step(EQUAL, 14, 0, eth::VLAN.into()),
        step(EQUAL, 13, 0, eth::SERVICE_VLAN.into()),
        step(EQUAL, 0, 2, eth::IPV4.into()),
        step(LOAD_BYTE, 0, 0, 23),
        step(EQUAL, 10, 11, IPPROTO_VRRP.into()),
        step(EQUAL, 0, 10, eth::IPV6.into()),
        step(LOAD_BYTE, 0, 0, 20),
        step(EQUAL, 7, 0, IPPROTO_VRRP.into()),
        step(EQUAL, 0, 7, nd::ICMPV6.into()),
        step(LOAD_BYTE, 0, 0, 54),
        step(EQUAL, 4, 5, nd::ADVERTISEMENT.into()),
        step(LOAD_WORD, 0, 0, SENDER),
        step(KEEP_FOR_COMPARISON, 0, 0, 0),
        step(LOAD_WORD, 0, 0, TARGET),
        step(EQUAL_TO_KEPT, 0, 1, 0),
        step(RETURN, 0, 0, LENGTH as u32),
        step(RETURN, 0, 0, 0),
    ]
}
