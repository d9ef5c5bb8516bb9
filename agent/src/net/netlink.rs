//! A small synchronous rtnetlink socket: many requests in one system call, an answer for each.
//!
//! The kernel carries out rtnetlink requests inside `sendmsg`, so the answers are in the socket's buffer when
//! that call returns and reading them does not wait. The bounded wait below is for a kernel that would change
//! this, not for the normal case. (What can make `sendmsg` itself slow is the kernel's RTNL lock in other
//! hands; nothing in user space can prevent that.)

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

use crate::net::error::{NetError, errno_of};

/// Requests sent in one system call.
const CHUNK_MESSAGES: usize = 64;
/// Bytes sent in one system call.
const CHUNK_BYTES: usize = 32 * 1024;
/// The kernel writes at most 32 KiB per datagram of a dump.
const RECEIVE_BYTES: usize = 64 * 1024;
/// Room for the answers to a chunk many times over, and for a burst of link changes.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// Longest wait for an answer that was not there at once.
const ANSWER_WAIT: Duration = Duration::from_millis(50);
/// A table that changed while it was read is read again this many times.
const DUMP_ATTEMPTS: usize = 4;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Set on an answer that carries attributes behind the request's header.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// The attribute with the kernel's own sentence about an error.
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER: usize = 16;

/// A request and its flags beyond `NLM_F_REQUEST` and `NLM_F_ACK`, for instance `NLM_F_CREATE`.
#[derive(Clone, Debug)]
pub struct Request {
    /// The message.
    pub message: RouteNetlinkMessage,
    /// Further flags.
    pub flags: u16,
}

/// Why the kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error number; `ENOBUFS` or `ETIMEDOUT` when the answer never came.
    pub errno: Errno,
    /// The kernel's own sentence about it, when it gave one.
    pub detail: Option<Box<str>>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, detail: None }
    }
}

/// A socket for requests to the kernel's routing tables.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Netlink {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self, NetError> {
        let socket = open_socket("network configuration (rtnetlink)", |socket| {
            // Answers without a copy of the request, and with the kernel's sentence on failure; tables that
            // honour the filter in the request's header. Kernels that know none of these work too.
            let _ = socket.set_cap_ack(true);
            let _ = socket.set_ext_ack(true);
            let _ = socket.set_netlink_get_strict_chk(true);
            Ok(())
        })?;
        Ok(Self {
            socket,
            sequence: 0,
            output: Vec::with_capacity(CHUNK_BYTES),
            input: vec![0; RECEIVE_BYTES],
        })
    }

    /// Sends all requests and returns the answer to each, in their order.
    pub fn send_batch(&mut self, requests: Vec<Request>) -> Vec<Result<(), Refusal>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            self.output.clear();
            let first = self.sequence;
            let mut count = 0;
            while count < CHUNK_MESSAGES && self.output.len() < CHUNK_BYTES {
                let Some(request) = requests.next() else { break };
                self.append(request.message, request.flags | NLM_F_REQUEST | NLM_F_ACK);
                count += 1;
            }
            self.exchange(first, count, &mut answers);
        }
        answers
    }

    /// Reads a whole table; `parse` gets the type and the payload of each message.
    ///
    /// A table that changed while it was read is read again, so the answer is a state that existed.
    pub(super) fn dump<T>(
        &mut self,
        what: &'static str,
        message: &RouteNetlinkMessage,
        parse: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetError> {
        let mut attempts = 1..=DUMP_ATTEMPTS;
        loop {
            let last = attempts.next().is_none();
            match self.dump_once(message.clone(), &parse) {
                Err(Errno::EINTR) if !last => {}
                outcome => return outcome.map_err(|errno| NetError::Dump { what, errno }),
            }
        }
    }

    fn dump_once<T>(
        &mut self,
        message: RouteNetlinkMessage,
        parse: &impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Errno> {
        self.output.clear();
        let sequence = self.sequence;
        self.append(message, NLM_F_REQUEST | NLM_F_DUMP);
        send(self.socket.as_raw_fd(), &self.output, MsgFlags::MSG_DONTWAIT)?;
        let deadline = Instant::now() + ANSWER_WAIT;
        let mut rows = Vec::new();
        let mut consistent = true;
        loop {
            let length = self.receive(deadline)?;
            for part in Messages::of(self.input.get(..length).unwrap_or_default()) {
                if part.sequence != sequence {
                    continue;
                }
                consistent &= part.flags & NLM_F_DUMP_INTR == 0;
                match part.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        return match (code(part.payload), consistent) {
                            (0, true) => Ok(rows),
                            (0, false) => Err(Errno::EINTR),
                            (code, _) => Err(errno(code)),
                        };
                    }
                    kind => rows.extend(parse(kind, part.payload)),
                }
            }
        }
    }

    fn append(&mut self, message: RouteNetlinkMessage, flags: u16) {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        message.finalize();
        let start = self.output.len();
        self.output.resize(start + message.buffer_len().next_multiple_of(4), 0);
        if let Some(room) = self.output.get_mut(start..) {
            message.serialize(room);
        }
    }

    /// Sends what is in `output`, numbered from `first`, and pushes `count` answers.
    fn exchange(&mut self, first: u32, count: usize, answers: &mut Vec<Result<(), Refusal>>) {
        let base = answers.len();
        // An answer that never comes (its buffer was not to be had) is told apart from a refusal.
        answers.resize(base + count, Err(Refusal::from(Errno::ETIMEDOUT)));
        let Some(answers) = answers.get_mut(base..) else { return };
        if let Err(errno) = send(self.socket.as_raw_fd(), &self.output, MsgFlags::MSG_DONTWAIT) {
            answers.fill(Err(errno.into()));
            return;
        }
        let deadline = Instant::now() + ANSWER_WAIT;
        let mut missing = count;
        while missing > 0 {
            match self.receive(deadline) {
                Ok(length) => {
                    let given = settle(self.input.get(..length).unwrap_or_default(), first, answers);
                    missing = missing.saturating_sub(given);
                }
                // Some answers were lost, the rest can still be read.
                Err(Errno::ENOBUFS) => missing -= 1,
                Err(_) => return,
            }
        }
    }

    /// Reads one datagram into `input`, waiting until `deadline` at the most.
    fn receive(&mut self, deadline: Instant) -> Result<usize, Errno> {
        loop {
            match receive(&self.socket, &mut self.input) {
                Err(Errno::EAGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Errno::ETIMEDOUT);
                    }
                    let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                    poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO))?;
                }
                Err(Errno::EINTR) => {}
                outcome => return outcome,
            }
        }
    }
}

/// Opens a bound, non-blocking rtnetlink socket with a large receive buffer.
pub(super) fn open_socket(
    what: &'static str,
    configure: impl FnOnce(&Socket) -> std::io::Result<()>,
) -> Result<Socket, NetError> {
    let opened = (|| {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        // Beyond net.core.rmem_max where we may, up to it where we may not.
        if nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .is_err()
        {
            socket.set_rx_buf_sz(i32::try_from(RECEIVE_BUFFER).unwrap_or(i32::MAX))?;
        }
        configure(&socket)?;
        socket.bind_auto()?;
        Ok(socket)
    })();
    opened.map_err(|error: std::io::Error| NetError::Open { what, errno: errno_of(&error) })
}

/// Reads one datagram without waiting.
pub(super) fn receive(socket: &Socket, buffer: &mut [u8]) -> Result<usize, Errno> {
    let length = recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC)?;
    if length > buffer.len() { Err(Errno::EMSGSIZE) } else { Ok(length) }
}

/// Notes the answers in a datagram to requests that are numbered from `first`; how many they were.
pub(crate) fn settle(datagram: &[u8], first: u32, answers: &mut [Result<(), Refusal>]) -> usize {
    let mut given = 0;
    for part in Messages::of(datagram) {
        // Answers from an earlier exchange that was given up are too far off to be found.
        let position = usize::try_from(part.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let (NLMSG_ERROR, Some(answer)) = (part.kind, answers.get_mut(position)) {
            *answer = verdict(&part);
            given += 1;
        }
    }
    given
}

fn verdict(part: &Part<'_>) -> Result<(), Refusal> {
    match code(part.payload) {
        0 => Ok(()),
        code => {
            let attributes = part.payload.get(4 + HEADER..).unwrap_or_default();
            let detail = (part.flags & NLM_F_ACK_TLVS != 0).then(|| sentence(attributes)).flatten();
            Err(Refusal { errno: errno(code), detail })
        }
    }
}

fn sentence(attributes: &[u8]) -> Option<Box<str>> {
    let attribute = NlasIterator::new(attributes).flatten().find(|nla| nla.kind() == NLMSGERR_ATTR_MSG)?;
    let text = std::str::from_utf8(attribute.value()).ok()?;
    Some(text.trim_end_matches('\0').into())
}

/// The error number of an answer, negative or 0; a cut-off answer counts as success of an empty `NLMSG_DONE`.
fn code(payload: &[u8]) -> i32 {
    payload.first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

/// The error of a code, which the kernel negates.
pub(super) const fn errno(code: i32) -> Errno {
    Errno::from_raw(code.wrapping_neg())
}

/// One message of a datagram.
pub(crate) struct Part<'a> {
    /// `RTM_…` or `NLMSG_…`.
    pub(crate) kind: u16,
    flags: u16,
    sequence: u32,
    /// What follows the netlink header.
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram, up to the first damaged one.
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Splits a datagram.
    pub(crate) fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let header = NetlinkBuffer::new_checked(self.rest).ok()?;
        let length = usize::try_from(header.length()).ok()?;
        let payload = self.rest.get(HEADER..length)?;
        let part = Part {
            kind: header.message_type(),
            flags: header.flags(),
            sequence: header.sequence_number(),
            payload,
        };
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::decode;

    proptest! {
        #[test]
        fn no_datagram_causes_a_panic(kind in 16u16..22, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let parts = Messages::of(&bytes).map(|part| (part.kind, verdict(&part)));
            prop_assert!(parts.count() <= bytes.len() / HEADER);
            prop_assert!(decode::event(kind, &bytes).is_none_or(|_| bytes.len() >= 8));
        }
    }

    #[test]
    fn an_error_that_no_kernel_has_is_an_error_all_the_same() {
        let mut answer = vec![20, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        answer.extend(i32::MIN.to_ne_bytes());
        let mut answers = [Ok(()), Ok(())];
        assert_eq!(settle(&answer, 8, &mut answers), 1);
        assert!(answers[0].is_ok() && answers[1].is_err());
    }

    #[test]
    fn damaged_datagrams_end_the_iteration() {
        let whole = [20, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Messages::of(&whole).count(), 1);
        for length in 0..whole.len() {
            assert_eq!(Messages::of(&whole[..length]).count(), 0, "cut to {length}");
        }
        for claimed in 0..16 {
            let mut damaged = whole;
            damaged[0] = claimed;
            assert_eq!(Messages::of(&damaged).count(), 0, "claims {claimed}");
        }
    }
}
