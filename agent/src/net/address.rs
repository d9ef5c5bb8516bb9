//! The virtual addresses: a desired set, brought about in slices. Nothing else adds or removes an address.
//!
//! Callers say what each owner (an instance) wants to hold; what that takes is worked out when it is done, so
//! that a slow apply never queues up contradictions: an address that is held, released and held again while
//! it waits costs one request. Work is done by [`Addresses::apply_slice`], in slices small enough that adverts
//! keep their cadence in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use nix::errno::Errno;

use crate::net::error::NetError;
use crate::net::link::{InterfaceAddress, LinkEvent, dump_addresses};
use crate::net::netlink::{Netlink, Refusal};
use crate::net::vip::Vip;

/// Who wants an address: the instance's number, chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub u32);

/// What was done about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Added.
    Added,
    /// Added again, because somebody else had removed it.
    Restored,
    /// It was there already and is ours from now on.
    Adopted,
    /// Removed.
    Removed,
    /// It was to be removed and was not there.
    AlreadyGone,
}

/// The result of one request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The address.
    pub vip: Vip,
    /// Who holds it, or who released it last.
    pub owners: Vec<Owner>,
    /// What happened. A failure is not tried again before [`Addresses::retry`].
    pub result: Result<Change, NetError>,
}

/// What makes an address the same one to the kernel. An interface can have an IPv4 address once per prefix
/// length, but an IPv6 address only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    ifindex: u32,
    address: IpAddr,
    /// IPv4 only.
    prefix_len: Option<u8>,
}

/// What we believe of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Unknown,
    Present,
    Absent,
    /// Somebody else removed it.
    Lost,
    /// The same, and it stays away for as long as it is held.
    Forgone,
    /// Present, but with attributes other than those wanted now, of which a removal has to name these.
    Outdated {
        prefix_len: u8,
        peer: Option<IpAddr>,
    },
}

#[derive(Debug)]
struct Entry {
    vip: Vip,
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

impl Entry {
    fn need(&self) -> Need {
        match (self.holders.is_empty(), self.presence) {
            (false, Presence::Present | Presence::Forgone)
            | (true, Presence::Absent | Presence::Lost | Presence::Forgone) => Need::Nothing,
            (true, _) | (false, Presence::Outdated { .. }) => Need::Remove,
            (false, _) => Need::Add,
        }
    }

    /// Takes over what is wanted now.
    fn update(&mut self, vip: &Vip) {
        let before = std::mem::replace(&mut self.vip, vip.clone());
        // Whether it is put back is nothing that the kernel knows of.
        let before = Vip { tracked: vip.tracked, ..before };
        if self.presence == Presence::Present && before != *vip {
            self.presence = Presence::Outdated { prefix_len: before.prefix_len, peer: before.peer };
        }
    }

    /// The prefix length and the peer that a request names: what is wanted, or what is to go.
    fn extent(&self) -> (u8, Option<IpAddr>) {
        match self.presence {
            Presence::Outdated { prefix_len, peer } => (prefix_len, peer),
            _ => (self.vip.prefix_len, self.vip.peer),
        }
    }

    /// What becomes of it once somebody else removed it.
    fn without_it(&self) -> Presence {
        if self.vip.tracked { Presence::Lost } else { Presence::Forgone }
    }

    fn owners(&self) -> Vec<Owner> {
        if self.holders.is_empty() {
            self.releaser.into_iter().collect()
        } else {
            self.holders.iter().copied().collect()
        }
    }
}

/// The desired set, and the socket that brings it about.
#[derive(Debug)]
pub struct Addresses {
    netlink: Netlink,
    entries: BTreeMap<Key, Entry>,
    held: BTreeMap<Owner, BTreeSet<Key>>,
    queue: VecDeque<Key>,
}

impl Addresses {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self, NetError> {
        Ok(Self {
            netlink: Netlink::open()?,
            entries: BTreeMap::new(),
            held: BTreeMap::new(),
            queue: VecDeque::new(),
        })
    }

    /// Says that `owner` wants exactly these addresses from now on. An address with several owners stays until
    /// the last has released it. One that is held already and now has another label, broadcast address, scope
    /// or (IPv6) prefix length is removed and added again, unless it has other owners too. Of two that the
    /// kernel cannot tell apart the first counts.
    pub fn hold(&mut self, owner: Owner, vips: &[Vip]) {
        let mut wanted = BTreeSet::new();
        let before = self.held.remove(&owner).unwrap_or_default();
        for vip in vips {
            let key = Key::for_vip(vip);
            if !wanted.insert(key) {
                continue;
            }
            let entry = self.entry(vip);
            entry.holders.insert(owner);
            if entry.holders.len() == 1 {
                entry.update(vip);
            }
            self.enqueue(key);
        }
        for key in before.difference(&wanted) {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.holders.remove(&owner);
                entry.releaser = Some(owner);
            }
            self.enqueue(*key);
        }
        if !wanted.is_empty() {
            self.held.insert(owner, wanted);
        }
    }

    /// Says that `owner` wants no address any more.
    pub fn release(&mut self, owner: Owner) {
        self.hold(owner, &[]);
    }

    /// Says that `owner` may not have these addresses, whatever is on the interfaces: clears what an agent
    /// that was killed left behind. Addresses that an owner holds stay. Pass them as they were found, see
    /// [`Vip::found`]: an IPv4 address with another prefix length is another one.
    pub fn expel(&mut self, owner: Owner, vips: &[Vip]) {
        for vip in vips {
            let entry = self.entry(vip);
            entry.releaser = Some(owner);
            if entry.holders.is_empty() {
                entry.vip = vip.clone();
                entry.presence = Presence::Unknown;
            }
            self.enqueue(Key::for_vip(vip));
        }
    }

    /// Whether an address is on its interface, as far as we know.
    pub fn is_present(&self, vip: &Vip) -> bool {
        self.entries.get(&Key::for_vip(vip)).is_some_and(|entry| entry.presence == Presence::Present)
    }

    /// Number of addresses that may need a request.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Makes at most `max` requests, in the order in which they came up, and says how each ended.
    ///
    /// A request takes the kernel about 10 µs.
    pub fn apply_slice(&mut self, max: usize) -> Vec<Outcome> {
        let mut batch = Vec::new();
        let mut requests = Vec::new();
        while requests.len() < max {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.queued = false;
            let need = entry.need();
            match need {
                Need::Nothing => {
                    self.forget_if_settled(&key);
                    continue;
                }
                Need::Add => requests.push(entry.vip.add()),
                Need::Remove => {
                    let (prefix_len, peer) = entry.extent();
                    requests.push(entry.vip.remove(prefix_len, peer));
                }
            }
            batch.push((key, need));
        }
        let answers = self.netlink.send_batch(requests);
        let found = self.look_after(&batch, &answers);
        batch
            .into_iter()
            .zip(answers)
            .filter_map(|((key, need), answer)| self.settle(&key, need, answer, found.get(&key).copied()))
            .collect()
    }

    /// Puts everything that failed back into the queue. For a timer, and for when an interface came up.
    pub fn retry(&mut self) {
        let failed: Vec<Key> =
            self.entries.iter().filter(|(_, entry)| entry.failed).map(|(key, _)| *key).collect();
        for key in failed {
            self.enqueue(key);
        }
    }

    /// Learns from a change; returns how many held addresses are queued because somebody else removed them.
    /// Count the [`Change::Restored`] that follow: an event that crossed a request of ours shows as
    /// [`Change::Adopted`] instead. After [`LinkEvent::Overrun`] call [`Addresses::resync`].
    pub fn observe(&mut self, event: &LinkEvent) -> usize {
        match event {
            LinkEvent::AddressRemoved(removed) => {
                let key = Key::of(removed);
                // A removal of our own is known before its event arrives.
                let Some(entry) = self.entries.get_mut(&key) else { return 0 };
                if entry.holders.is_empty()
                    || entry.presence != Presence::Present
                    || entry.vip.prefix_len != removed.prefix_len
                {
                    return 0;
                }
                entry.presence = entry.without_it();
                let tracked = entry.vip.tracked;
                self.enqueue(key);
                usize::from(tracked)
            }
            LinkEvent::Gone { ifindex, .. } => {
                // The index never comes back: the owners will hold their addresses on another.
                self.entries.retain(|key, entry| key.ifindex != *ifindex || !entry.holders.is_empty());
                for (_, entry) in self.entries.iter_mut().filter(|(key, _)| key.ifindex == *ifindex) {
                    entry.presence = Presence::Absent;
                }
                0
            }
            LinkEvent::Link(_) | LinkEvent::AddressAdded(_) | LinkEvent::Overrun => 0,
        }
    }

    /// Compares with what the kernel has; returns how many held addresses were missing, which are queued.
    pub fn resync(&mut self) -> Result<usize, NetError> {
        let present: BTreeMap<Key, u8> =
            self.list(None)?.iter().map(|held| (Key::of(held), held.prefix_len)).collect();
        let mut missing = Vec::new();
        for (key, entry) in &mut self.entries {
            let there = present.get(key) == Some(&entry.vip.prefix_len);
            if !there && entry.presence == Presence::Present && !entry.holders.is_empty() {
                entry.presence = entry.without_it();
                missing.extend(entry.vip.tracked.then_some(*key));
            }
        }
        for key in &missing {
            self.enqueue(*key);
        }
        Ok(missing.len())
    }

    /// The addresses that an interface has now, or that all have.
    pub fn list(&mut self, ifindex: Option<u32>) -> Result<Vec<InterfaceAddress>, NetError> {
        dump_addresses(&mut self.netlink, ifindex)
    }

    fn entry(&mut self, vip: &Vip) -> &mut Entry {
        self.entries.entry(Key::for_vip(vip)).or_insert_with(|| Entry {
            vip: vip.clone(),
            holders: BTreeSet::new(),
            releaser: None,
            presence: Presence::Unknown,
            queued: false,
            failed: false,
        })
    }

    fn enqueue(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key)
            && !entry.queued
            && entry.need() != Need::Nothing
        {
            entry.queued = true;
            entry.failed = false;
            self.queue.push_back(key);
        }
        self.forget_if_settled(&key);
    }

    /// Drops an entry that nobody holds and that is known to be gone.
    fn forget_if_settled(&mut self, key: &Key) {
        let settled =
            |entry: &Entry| entry.holders.is_empty() && entry.need() == Need::Nothing && !entry.queued;
        if self.entries.get(key).is_some_and(settled) {
            self.entries.remove(key);
        }
    }

    /// The prefix lengths of IPv6 addresses, if an answer leaves in doubt what the kernel has: one that exists
    /// already may have another prefix length than we asked for, and so may one that could not be removed.
    fn look_after(&mut self, batch: &[(Key, Need)], answers: &[Result<(), Refusal>]) -> BTreeMap<Key, u8> {
        let doubtful = batch.iter().zip(answers).any(|((key, _), answer)| {
            let errno = answer.as_ref().err().map(|refusal| refusal.errno);
            key.address.is_ipv6() && matches!(errno, Some(Errno::EEXIST | Errno::EADDRNOTAVAIL))
        });
        // Where the table cannot be read, the answer is taken at its word.
        let listed = if doubtful { self.list(None).unwrap_or_default() } else { Vec::new() };
        listed
            .iter()
            .filter(|held| held.address.is_ipv6())
            .map(|held| (Key::of(held), held.prefix_len))
            .collect()
    }

    /// Learns from an answer; `found` is the prefix length under which the address was seen afterwards.
    fn settle(
        &mut self,
        key: &Key,
        need: Need,
        answer: Result<(), Refusal>,
        found: Option<u8>,
    ) -> Option<Outcome> {
        let entry = self.entries.get_mut(key)?;
        let (prefix_len, _) = entry.extent();
        if let (Err(_), Some(other)) = (&answer, found.filter(|found| *found != prefix_len)) {
            entry.presence = Presence::Outdated { prefix_len: other, peer: None };
            self.enqueue(*key);
            return None;
        }
        let was_lost = entry.presence == Presence::Lost;
        let (presence, result) = match (need, answer.map_err(|refusal| (refusal.errno, refusal.detail))) {
            (Need::Add, Ok(())) if was_lost => (Presence::Present, Ok(Change::Restored)),
            (Need::Add, Ok(())) => (Presence::Present, Ok(Change::Added)),
            (Need::Add, Err((Errno::EEXIST, _))) => (Presence::Present, Ok(Change::Adopted)),
            (_, Ok(())) => (Presence::Absent, Ok(Change::Removed)),
            (Need::Remove, Err((Errno::EADDRNOTAVAIL | Errno::ENODEV | Errno::ENXIO, _))) => {
                (Presence::Absent, Ok(Change::AlreadyGone))
            }
            (_, Err((errno, detail))) => {
                let action = if need == Need::Add { "add" } else { "remove" };
                let Key { ifindex, address, .. } = *key;
                let failure = NetError::Address { action, address, prefix_len, ifindex, errno, detail };
                let presence = if failure.interface_missing() { Presence::Absent } else { Presence::Unknown };
                (presence, Err(failure))
            }
        };
        entry.presence = presence;
        entry.failed = result.is_err();
        let outcome = Outcome { vip: entry.vip.clone(), owners: entry.owners(), result };
        if !entry.failed {
            // The second half of a replacement.
            self.enqueue(*key);
        }
        Some(outcome)
    }
}

impl Key {
    fn new(ifindex: u32, address: IpAddr, prefix_len: u8) -> Self {
        Self { ifindex, address, prefix_len: address.is_ipv4().then_some(prefix_len) }
    }

    fn for_vip(vip: &Vip) -> Self {
        Self::new(vip.ifindex, vip.address, vip.prefix_len)
    }

    fn of(held: &InterfaceAddress) -> Self {
        Self::new(held.ifindex, held.address, held.prefix_len)
    }
}
