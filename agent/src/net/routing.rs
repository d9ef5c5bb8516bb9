//! Routes and rules: a desired set, brought about in slices, as [`super::address`] has it for addresses.
//!
//! The kernel drops routes without a word when their interface goes down or their source address goes; what it does
//! tell is that one was removed by request. So whenever something may be missing, all that is held is asked for again,
//! which costs a request each and changes nothing about what is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::Socket;
use nix::errno::Errno;
use nix::libc;

use crate::net::address::{Change, Owner};
use crate::net::error::{NetError, errno_of};
use crate::net::netlink::{Netlink, Refusal, open_socket, receive};
use crate::net::route::Entry;

const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV4_RULE: u32 = 8;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_IPV6_RULE: u32 = 19;
const RTM_DELROUTE: u16 = 25;
const RTM_DELRULE: u16 = 33;
/// Where the type of a message is, and the protocol of a route.
const TYPE_AT: u32 = 4;
const PROTOCOL_AT: u32 = 16 + 5;
const OURS: u32 = 18;
/// Changes that are read at once.
const DRAIN: usize = 256;

/// The result of one request.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The route or rule.
    pub name: String,
    /// Who holds it, or who released it last.
    pub owner: Option<Owner>,
    /// What happened. A failure is not tried again before [`Routing::retry`].
    pub result: Result<Change, NetError>,
}

/// What we believe of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Unknown,
    Present,
    /// It was, and may be no more.
    Doubtful,
    Absent,
}

#[derive(Debug)]
struct Known {
    entry: Entry,
    holders: BTreeSet<Owner>,
    releaser: Option<Owner>,
    presence: Presence,
    queued: bool,
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Add,
    Remove,
}

impl Known {
    fn need(&self) -> Need {
        match (self.holders.is_empty(), self.presence) {
            (false, Presence::Present) | (true, Presence::Absent) => Need::Nothing,
            (false, _) => Need::Add,
            (true, _) => Need::Remove,
        }
    }
}

type Key = Vec<u8>;

/// The desired set, and the sockets that bring it about.
#[derive(Debug)]
pub struct Routing {
    netlink: Netlink,
    /// Tells of removals; opened with the first entry, for most configurations have none.
    monitor: Option<Socket>,
    buffer: Vec<u8>,
    known: BTreeMap<Key, Known>,
    held: BTreeMap<Owner, BTreeSet<Key>>,
    queue: VecDeque<Key>,
}

impl Routing {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<Routing, NetError> {
        Ok(Routing {
            netlink: Netlink::open()?,
            monitor: None,
            buffer: vec![0; 32 * 1024],
            known: BTreeMap::new(),
            held: BTreeMap::new(),
            queue: VecDeque::new(),
        })
    }

    /// Says that `owner` wants exactly these from now on; true if there is a new descriptor to wait on. One with
    /// several owners stays until the last has released it.
    pub fn hold(&mut self, owner: Owner, entries: &[Entry]) -> Result<bool, NetError> {
        let wanted: BTreeMap<Key, &Entry> = entries.iter().map(|entry| (entry.key(), entry)).collect();
        let before = self.held.remove(&owner).unwrap_or_default();
        // First, for to the kernel the old form of a changed one is the same as the new.
        for key in before.iter().filter(|key| !wanted.contains_key(*key)) {
            if let Some(known) = self.known.get_mut(key) {
                known.holders.remove(&owner);
                known.releaser = Some(owner);
            }
            self.enqueue(key);
        }
        for (key, entry) in &wanted {
            let known = self.know(key, entry);
            known.entry = (*entry).clone();
            known.holders.insert(owner);
            self.enqueue(key);
        }
        if wanted.is_empty() {
            return Ok(false);
        }
        self.held.insert(owner, wanted.into_keys().collect());
        self.watch()
    }

    /// Says that `owner` wants nothing any more.
    pub fn release(&mut self, owner: Owner) {
        // Only what is held opens the monitor, which is what may fail.
        let _ = self.hold(owner, &[]);
    }

    /// Says that `owner` has none of these, whatever the kernel has: clears what an agent that was killed left.
    pub fn expel(&mut self, owner: Owner, entries: &[Entry]) {
        for entry in entries {
            let key = entry.key();
            let known = self.know(&key, entry);
            known.releaser = Some(owner);
            if known.holders.is_empty() {
                known.presence = Presence::Unknown;
            }
            self.enqueue(&key);
        }
    }

    /// What an owner holds, as finished requests to remove it.
    pub fn removals(&self, owner: Owner) -> Vec<Vec<u8>> {
        let keys = self.held.get(&owner).into_iter().flatten();
        keys.filter_map(|key| self.known.get(key)).map(|known| known.entry.removal()).collect()
    }

    /// Number of routes and rules that may need a request.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Whether the next request is one to remove something: those come before the addresses go.
    pub fn removes_next(&self) -> bool {
        let next = self.queue.front().and_then(|key| self.known.get(key));
        next.is_some_and(|known| known.need() == Need::Remove)
    }

    /// Makes at most `max` requests, in the order in which they came up, and says how each ended.
    pub fn apply_slice(&mut self, max: usize) -> Vec<Routed> {
        let (mut batch, mut requests) = (Vec::new(), Vec::new());
        while requests.len() < max {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(known) = self.known.get_mut(&key) else { continue };
            known.queued = false;
            let need = known.need();
            match need {
                Need::Nothing => {
                    self.forget_if_settled(&key);
                    continue;
                }
                Need::Add => requests.push(known.entry.add()),
                Need::Remove => requests.push(known.entry.remove()),
            }
            batch.push((key, need));
        }
        let answers = self.netlink.send_batch(requests);
        batch
            .into_iter()
            .zip(answers)
            .filter_map(|((key, need), answer)| self.settle(&key, need, answer))
            .collect()
    }

    /// Puts everything that failed back into the queue.
    pub fn retry(&mut self) {
        let failed: Vec<Key> =
            self.known.iter().filter(|(_, known)| known.failed).map(|(key, _)| key.clone()).collect();
        for key in failed {
            self.enqueue(&key);
        }
    }

    /// Asks again for all that is held and tracked: something happened that may have taken it. What is not tracked is
    /// asked for when it is held anew.
    pub fn reassert(&mut self) {
        let mut doubtful = Vec::new();
        for (key, known) in &mut self.known {
            if known.presence == Presence::Present && !known.holders.is_empty() && known.entry.tracked {
                known.presence = Presence::Doubtful;
                doubtful.push(key.clone());
            }
        }
        for key in &doubtful {
            self.enqueue(key);
        }
    }

    /// The descriptor that becomes readable when something was removed, if there is anything to watch over.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.monitor.as_ref().map(AsFd::as_fd)
    }

    /// Takes note of removals, by whomever. What they were does not matter: everything is asked for again.
    pub fn observe(&mut self) {
        let Some(monitor) = &self.monitor else { return };
        let mut any = false;
        for _ in 0..DRAIN {
            match receive(monitor, &mut self.buffer) {
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                // Lost ones count as seen.
                Ok(_) | Err(_) => any = true,
            }
        }
        if any {
            self.reassert();
        }
    }

    fn watch(&mut self) -> Result<bool, NetError> {
        if self.monitor.is_some() {
            return Ok(false);
        }
        let what = "changes of routes and rules (rtnetlink)";
        let socket = open_socket(what, only_removals)?;
        for group in [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE] {
            socket.add_membership(group).map_err(|error| NetError::Open { what, errno: errno_of(&error) })?;
        }
        self.monitor = Some(socket);
        Ok(true)
    }

    fn know(&mut self, key: &Key, entry: &Entry) -> &mut Known {
        self.known.entry(key.clone()).or_insert_with(|| Known {
            entry: entry.clone(),
            holders: BTreeSet::new(),
            releaser: None,
            presence: Presence::Unknown,
            queued: false,
            failed: false,
        })
    }

    fn enqueue(&mut self, key: &Key) {
        if let Some(known) = self.known.get_mut(key)
            && !known.queued
            && known.need() != Need::Nothing
        {
            known.queued = true;
            known.failed = false;
            self.queue.push_back(key.clone());
        }
        self.forget_if_settled(key);
    }

    fn forget_if_settled(&mut self, key: &Key) {
        let settled =
            |known: &Known| known.holders.is_empty() && known.need() == Need::Nothing && !known.queued;
        if self.known.get(key).is_some_and(settled) {
            self.known.remove(key);
        }
    }

    fn settle(&mut self, key: &Key, need: Need, answer: Result<(), Refusal>) -> Option<Routed> {
        let known = self.known.get_mut(key)?;
        let was = known.presence;
        let (presence, result) = match (need, answer.map_err(|refusal| (refusal.errno, refusal.detail))) {
            (Need::Add, Ok(())) if was == Presence::Doubtful => (Presence::Present, Ok(Change::Restored)),
            (Need::Add, Ok(())) => (Presence::Present, Ok(Change::Added)),
            (Need::Add, Err((Errno::EEXIST, _))) => (Presence::Present, Ok(Change::Adopted)),
            (_, Ok(())) => (Presence::Absent, Ok(Change::Removed)),
            (Need::Remove, Err((Errno::ESRCH | Errno::ENOENT | Errno::ENODEV | Errno::ENXIO, _))) => {
                (Presence::Absent, Ok(Change::AlreadyGone))
            }
            (_, Err((errno, detail))) => {
                let action = if need == Need::Add { "add" } else { "remove" };
                let what = known.entry.name.clone();
                (Presence::Unknown, Err(NetError::Routing { action, what, errno, detail }))
            }
        };
        known.presence = presence;
        known.failed = result.is_err();
        let owner = known.holders.first().copied().or(known.releaser);
        let routed = Routed { name: known.entry.name.clone(), owner, result };
        if !known.failed {
            self.enqueue(key);
        }
        // That all is as it should be is no news.
        (was != Presence::Doubtful || !matches!(routed.result, Ok(Change::Adopted))).then_some(routed)
    }
}

/// Lets through removals alone, and of routes only those of ours: where a routing daemon works there are many others.
fn only_removals(socket: &Socket) -> std::io::Result<()> {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The filter loads in network order what the kernel wrote in its own.
    let kind = |kind: u16| u32::from(u16::from_be_bytes(kind.to_ne_bytes()));
    let mut steps = [
        step(LOAD_HALF, 0, 0, TYPE_AT),
        step(JUMP_IF_EQUAL, 3, 0, kind(RTM_DELRULE)),
        step(JUMP_IF_EQUAL, 0, 3, kind(RTM_DELROUTE)),
        step(LOAD_BYTE, 0, 0, PROTOCOL_AT),
        step(JUMP_IF_EQUAL, 0, 1, OURS),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ];
    let length = u16::try_from(steps.len()).unwrap_or(0);
    let program = libc::sock_fprog { len: length, filter: steps.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).unwrap_or(0);
    // SAFETY: the program and its steps live until the call returns, and the kernel only reads and copies them.
    let answer = unsafe {
        libc::setsockopt(
            std::os::fd::AsRawFd::as_raw_fd(socket),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    Errno::result(answer).map(drop).map_err(std::io::Error::from)
}
