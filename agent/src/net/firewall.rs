//! `no_accept`: a table of nftables per router that keeps what is addressed to its VIPs from this host's own services.
//!
//! Forwarded packets pass, and so does what neighbours need to find the VIPs. The table is there for as long as the
//! router is configured: a backup has no VIPs for which it could matter.

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use crate::net::error::{NetError, errno_of};
use crate::net::netlink::{Messages, errno, receive};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const GET_TABLE: u16 = SUBSYSTEM << 8 | 1;
const DELETE_TABLE: u16 = SUBSYSTEM << 8 | 2;
const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
/// `NFPROTO_IPV4` and `NFPROTO_IPV6`
const FAMILIES: [u8; 2] = [2, 10];
const NESTED: u16 = 0x8000;
/// `NF_INET_LOCAL_IN` and `NF_INET_LOCAL_OUT`, with the chains there and where an address is, in IPv4 and IPv6.
const HOOKS: [(&str, u32, u32, u32); 2] = [("in", 1, 16, 24), ("out", 3, 12, 8)];
/// Before the administrator's own rules, as keepalived has it.
const PRIORITY: u32 = u32::MAX;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const ICMPV6: u8 = 58;
/// Neighbour solicitations and advertisements.
const NEIGHBOURS: [u8; 2] = [135, 136];
/// Longest wait for the kernel's answers, which it gives before the request returns.
const ANSWER_WAIT: u16 = 50;

/// Puts a table in place that drops what comes for these addresses and goes from them.
pub fn close(table: &str, vips: &[IpAddr]) -> Result<(), NetError> {
    let mut batch = Batch::new();
    for family in FAMILIES {
        let own: Vec<IpAddr> =
            vips.iter().copied().filter(|vip| vip.is_ipv4() == (family == FAMILIES[0])).collect();
        // Whatever an earlier run left; to be deleted it has to be there.
        batch.table(NEW_TABLE, NLM_F_CREATE, family, table);
        batch.table(DELETE_TABLE, 0, family, table);
        if own.is_empty() {
            continue;
        }
        batch.table(NEW_TABLE, NLM_F_CREATE, family, table);
        for (chain, hook, offset_v4, offset_v6) in HOOKS {
            batch.chain(family, table, chain, hook);
            if family == FAMILIES[1] {
                for kind in NEIGHBOURS {
                    let tests =
                        [load(1, 6, 1), equal(&[ICMPV6]), load(2, 0, 1), equal(&[kind]), verdict(ACCEPT)];
                    batch.rule(family, table, chain, &tests);
                }
            }
            for vip in &own {
                let tests = match vip {
                    IpAddr::V4(vip) => [load(1, offset_v4, 4), equal(&vip.octets()), verdict(DROP)],
                    IpAddr::V6(vip) => [load(1, offset_v6, 16), equal(&vip.octets()), verdict(DROP)],
                };
                batch.rule(family, table, chain, &tests);
            }
        }
    }
    batch.carry_out(table)
}

/// Whether there is such a table. To ask costs microseconds; to change anything, the kernel waits for all its readers.
pub fn is_there(table: &str) -> bool {
    // A kernel without nftables has none.
    FAMILIES.into_iter().any(|family| ask(family, table).unwrap_or(false))
}

fn ask(family: u8, table: &str) -> Result<bool, Errno> {
    let mut request = Batch { bytes: Vec::new(), sequence: 0 };
    request.message(GET_TABLE, 0, family, 0, &text(1, table));
    let mut socket = Socket::new(NETLINK_NETFILTER).map_err(|error| errno_of(&error))?;
    socket.bind_auto().map_err(|error| errno_of(&error))?;
    send(socket.as_raw_fd(), &request.bytes, MsgFlags::MSG_DONTWAIT)?;
    let mut wait = [PollFd::new(std::os::fd::AsFd::as_fd(&socket), PollFlags::POLLIN)];
    if poll(&mut wait, PollTimeout::from(ANSWER_WAIT))? == 0 {
        return Err(Errno::ETIMEDOUT);
    }
    let mut buffer = vec![0; 4096];
    let length = receive(&socket, &mut buffer)?;
    Ok(Messages::of(buffer.get(..length).unwrap_or_default()).any(|part| part.kind == NEW_TABLE))
}

/// Removes the table; that there is none is as it should be, and so is a kernel without nftables.
pub fn open(table: &str) {
    for family in FAMILIES {
        let mut batch = Batch::new();
        batch.table(DELETE_TABLE, 0, family, table);
        let _ = batch.carry_out(table);
    }
}

/// Requests that take effect together.
struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Batch {
    fn new() -> Batch {
        let mut batch = Batch { bytes: Vec::new(), sequence: 0 };
        batch.message(BATCH_BEGIN, 0, 0, SUBSYSTEM, &[]);
        batch
    }

    fn table(&mut self, kind: u16, flags: u16, family: u8, table: &str) {
        self.message(kind, flags | NLM_F_ACK, family, 0, &text(1, table));
    }

    fn chain(&mut self, family: u8, table: &str, chain: &str, hook: u32) {
        let place = nest(4, &[number(1, hook), number(2, PRIORITY)].concat());
        let content = [text(1, table), text(3, chain), place, number(5, ACCEPT), text(7, "filter")].concat();
        self.message(NEW_CHAIN, NLM_F_CREATE | NLM_F_ACK, family, 0, &content);
    }

    fn rule(&mut self, family: u8, table: &str, chain: &str, expressions: &[Vec<u8>]) {
        let all: Vec<u8> = expressions.iter().flat_map(|expression| nest(1, expression)).collect();
        let content = [text(1, table), text(2, chain), nest(4, &all)].concat();
        // Appended to those before.
        self.message(NEW_RULE, NLM_F_CREATE | 0x800 | NLM_F_ACK, family, 0, &content);
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, content: &[u8]) {
        let length = u32::try_from(20 + content.len()).unwrap_or(0);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend_from_slice(content);
        self.sequence += 1;
    }

    fn carry_out(mut self, table: &str) -> Result<(), NetError> {
        let expected = self.sequence - 1;
        self.message(BATCH_END, 0, 0, SUBSYSTEM, &[]);
        let refused = |errno| NetError::Firewall { table: table.to_owned(), errno };
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(|error| refused(errno_of(&error)))?;
        socket.bind_auto().map_err(|error| refused(errno_of(&error)))?;
        let _ = socket.set_cap_ack(true);
        send(socket.as_raw_fd(), &self.bytes, MsgFlags::MSG_DONTWAIT).map_err(refused)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut answered = 0;
        while answered < expected {
            let mut wait = [PollFd::new(std::os::fd::AsFd::as_fd(&socket), PollFlags::POLLIN)];
            if poll(&mut wait, PollTimeout::from(ANSWER_WAIT)).map_err(refused)? == 0 {
                return Err(refused(Errno::ETIMEDOUT));
            }
            let length = receive(&socket, &mut buffer).map_err(refused)?;
            for part in Messages::of(buffer.get(..length).unwrap_or_default()) {
                if part.kind != NLMSG_ERROR {
                    continue;
                }
                answered += 1;
                let code = part.payload.first_chunk::<4>().map_or(0, |code| i32::from_ne_bytes(*code));
                if code != 0 {
                    return Err(refused(errno(code)));
                }
            }
        }
        Ok(())
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(0);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nest(kind: u16, content: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, content)
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn text(kind: u16, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), b"\0"].concat())
}

fn expression(name: &str, content: &[Vec<u8>]) -> Vec<u8> {
    [text(1, name), nest(2, &content.concat())].concat()
}

/// Takes bytes of the packet: from its network header (1) or its transport header (2) on.
fn load(base: u32, offset: u32, length: u32) -> Vec<u8> {
    expression("payload", &[number(1, 1), number(2, base), number(3, offset), number(4, length)])
}

/// Goes on if they are these.
fn equal(value: &[u8]) -> Vec<u8> {
    expression("cmp", &[number(1, 1), number(2, 0), nest(3, &attribute(1, value))])
}

fn verdict(code: u32) -> Vec<u8> {
    expression("immediate", &[number(1, 0), nest(2, &nest(2, &number(1, code)))])
}
