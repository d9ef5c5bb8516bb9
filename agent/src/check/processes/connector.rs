//! The kernel's proc connector: forks, executions, names and ends of processes, as netlink messages.
//!
//! The kernel speaks it in the first network namespace only, and there to whoever holds CAP_NET_ADMIN.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv, send, setsockopt, sockopt};

/// NETLINK_CONNECTOR
const PROTOCOL: libc::c_int = 11;
/// CN_IDX_PROC and CN_VAL_PROC, the group of the events.
const PROC: u32 = 1;
/// PROC_CN_MCAST_LISTEN and PROC_CN_MCAST_IGNORE
const LISTEN: u32 = 1;
const IGNORE: u32 = 2;
/// Bytes of a netlink header and of a connector's behind it.
const NETLINK_HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
/// Where the kind of an event is, and where what it is about.
const WHAT: usize = NETLINK_HEADER + CONNECTOR_HEADER;
const DATA: usize = WHAT + 16;
/// More than any message has.
const MESSAGE: usize = 256;
/// Room for the events of a busy machine while this side is not scheduled.
const BUFFER: usize = 4 << 20;
/// How long the kernel may take to confirm, in milliseconds.
const CONFIRMATION: u8 = 200;

/// Something that happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It has a child.
    Forked { parent: i32, child: i32 },
    /// It executed another program.
    Executed { pid: i32 },
    /// It took another name.
    Renamed { pid: i32, name: Vec<u8> },
    /// It has ended.
    Ended { pid: i32 },
}

/// What there is to read.
#[derive(Debug)]
pub(super) enum Received {
    /// An event, or `None` for a message that means nothing here.
    Event(Option<Event>),
    /// Nothing now.
    Nothing,
    /// Messages were lost.
    Overrun,
    /// The socket is of no use any more.
    Broken(Errno),
}

/// Hears of all processes.
#[derive(Debug)]
pub(super) struct Connector {
    socket: OwnedFd,
}

impl Connector {
    /// Listens from now on. The error says why that cannot be here.
    pub(super) fn open() -> Result<Connector, String> {
        Connector::try_open().map_err(|errno| match errno {
            Errno::ECONNREFUSED => {
                "the kernel tells of processes in its first network namespace only".to_owned()
            }
            Errno::EPROTONOSUPPORT => "the kernel has no CONFIG_PROC_EVENTS".to_owned(),
            Errno::ETIMEDOUT => "the kernel does not answer".to_owned(),
            errno => errno.to_string(),
        })
    }

    fn try_open() -> Result<Connector, Errno> {
        let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: plain integers; nix knows no constant for this protocol.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_NETLINK, flags, PROTOCOL) })?;
        // SAFETY: the descriptor was opened above and belongs to nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // Without the right to force it, the default has to do.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        let address = NetlinkAddr::new(0, PROC);
        bind(socket.as_raw_fd(), &address)?;
        let connector = Connector { socket };
        send(connector.raw(), &order(LISTEN), MsgFlags::empty())?;
        let mut ready = [PollFd::new(connector.socket.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(CONFIRMATION))? == 0 {
            return Err(Errno::ETIMEDOUT);
        }
        Ok(connector)
    }

    fn raw(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// To wait on.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes one message.
    pub(super) fn receive(&self) -> Received {
        let mut message = [0; MESSAGE];
        match recv(self.raw(), &mut message, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Received::Event(parse(message.get(..length).unwrap_or_default())),
            Err(Errno::EAGAIN | Errno::EINTR) => Received::Nothing,
            Err(Errno::ENOBUFS) => Received::Overrun,
            Err(errno) => Received::Broken(errno),
        }
    }
}

/// Kernels before 6.6 count who listens, and would go on with nobody there.
impl Drop for Connector {
    fn drop(&mut self) {
        // An end of which the kernel does not hear costs it a little, and nobody else anything.
        let _ = send(self.raw(), &order(IGNORE), MsgFlags::empty());
    }
}

/// The message that asks for events, or for no more of them.
fn order(what: u32) -> Vec<u8> {
    let length = NETLINK_HEADER + CONNECTOR_HEADER + 4;
    let mut message = Vec::with_capacity(length);
    let words = |message: &mut Vec<u8>, words: &[u32]| {
        message.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    };
    words(&mut message, &[u32::try_from(length).unwrap_or_default()]);
    // NLMSG_DONE, no flags.
    message.extend(3_u16.to_ne_bytes());
    message.extend(0_u16.to_ne_bytes());
    // Sequence and port; then index, value, sequence, acknowledgement.
    words(&mut message, &[0, 0, PROC, PROC, 0, 0]);
    // Length of the data, flags.
    message.extend(4_u16.to_ne_bytes());
    message.extend(0_u16.to_ne_bytes());
    words(&mut message, &[what]);
    message
}

fn word(message: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?))
}

/// The event in a message. Threads other than a process's first are nobody's business.
pub(crate) fn parse(message: &[u8]) -> Option<Event> {
    let (index, value) = (word(message, NETLINK_HEADER)?, word(message, NETLINK_HEADER + 4)?);
    if (index, value) != (PROC, PROC) {
        return None;
    }
    let number = |place: usize| word(message, DATA + 4 * place).map(u32::cast_signed);
    let process = || number(0).filter(|thread| number(1) == Some(*thread));
    match word(message, WHAT)? {
        0x0000_0001 => {
            let (parent, thread, child) = (number(1)?, number(2)?, number(3)?);
            (thread == child).then_some(Event::Forked { parent, child })
        }
        0x0000_0002 => Some(Event::Executed { pid: process()? }),
        0x0000_0200 => {
            let name = message.get(DATA + 8..DATA + 24)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            Some(Event::Renamed { pid: process()?, name: name.to_vec() })
        }
        0x8000_0000 => Some(Event::Ended { pid: process()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel sends it.
    fn message(what: u32, data: &[u32], name: &[u8]) -> Vec<u8> {
        let mut message = vec![0; NETLINK_HEADER];
        for word in [PROC, PROC, 0, 0, 0, what, 0, 0, 0].iter().chain(data) {
            message.extend(word.to_ne_bytes());
        }
        message.extend(name);
        message
    }

    #[test]
    fn events_of_processes_are_read_and_those_of_threads_are_not() {
        let read = |what, data: &[u32]| parse(&message(what, data, b"web server\0\0\0\0\0\0"));
        assert_eq!(read(1, &[11, 10, 12, 12]), Some(Event::Forked { parent: 10, child: 12 }));
        assert_eq!(read(1, &[11, 10, 13, 12]), None);
        assert_eq!(read(2, &[12, 12]), Some(Event::Executed { pid: 12 }));
        assert_eq!(read(2, &[13, 12]), None);
        assert_eq!(read(0x200, &[12, 12]), Some(Event::Renamed { pid: 12, name: b"web server".to_vec() }));
        assert_eq!(read(0x8000_0000, &[12, 12, 0, 9]), Some(Event::Ended { pid: 12 }));
        assert_eq!(read(0, &[0, 0]), None);
    }

    #[test]
    fn no_message_is_too_short() {
        let whole = message(0x200, &[12, 12], b"web server\0\0\0\0\0\0");
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        assert!(parse(&whole).is_some());
    }

    /// As root in the first network namespace.
    #[test]
    fn the_kernel_tells_of_a_process_from_its_start_to_its_end() {
        let connector = Connector::open().expect("the kernel tells of processes");
        let mut child = std::process::Command::new("true").spawn().expect("started");
        let pid = child.id().cast_signed();
        child.wait().expect("ended");
        let mut told = Vec::new();
        while told.last() != Some(&Event::Ended { pid }) {
            let mut ready = [PollFd::new(connector.fd(), PollFlags::POLLIN)];
            assert!(
                poll(&mut ready, PollTimeout::from(10_000_u16)).expect("waits") > 0,
                "told only {told:?}"
            );
            if let Received::Event(Some(event)) = connector.receive() {
                let about = match &event {
                    Event::Forked { child, .. } => *child,
                    Event::Executed { pid } | Event::Renamed { pid, .. } | Event::Ended { pid } => *pid,
                };
                told.extend((about == pid).then_some(event));
            }
        }
        assert!(matches!(told.first(), Some(Event::Forked { .. })), "{told:?}");
        assert!(told.contains(&Event::Executed { pid }), "{told:?}");
    }
}
