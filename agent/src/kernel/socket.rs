//! The path without BPF: raw sockets, and watches in user space. The checks and the watch are the `vrrp` crate's,
//! which are the XDP program's reference, so an election cannot tell the difference but for the wake-ups.
//!
//! What differs is the kernel's doing: it puts fragments together before a raw socket sees them, and strips VLAN
//! tags and IPv6 extension headers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use vipward_common::abi::{
    Address, Counters, Heard, MODE_OFF, MODE_REPORT, MODE_WATCH, Peer, PeerKey, RouterKey, Rules,
    STRANGER_PERIOD, Stranger, WHAT_ADDRESSES, WHAT_INTERVAL,
};
use vipward_common::lease::Lease;
use vipward_common::wire;
use vipward_vrrp::address::to_abi;
use vipward_vrrp::packet::{Expectations, Facts, Verdict};
use vipward_vrrp::types::{Family, Mono};
use vipward_vrrp::watch::SoftWatch;

use super::raw::RawSocket;
use super::{Claim, Datapath, KernelError, LeaseOrder, Report, Timer};
use crate::clock::now;

/// Packets taken from one socket in one call: more than its default buffer holds, so that whatever waited is heard
/// before a watch may run out, and few enough that a flood cannot keep the watches from running out.
const MAX_DRAIN: usize = 512;

/// The socket data path of all interfaces.
#[derive(Default)]
pub struct SocketPath {
    sockets: HashMap<(u32, u8), RawSocket>,
    routers: HashMap<RouterKey, SoftRouter>,
}

struct SoftRouter {
    rules: Rules,
    watch: SoftWatch,
    peers: HashMap<Address, Peer>,
    counters: Counters,
    strangers: HashMap<u32, Stranger>,
}

/// The tables that the XDP program has as maps.
struct Tables<'a>(&'a HashMap<RouterKey, SoftRouter>);

impl Expectations for Tables<'_> {
    fn rules(&self, key: &RouterKey) -> Option<Rules> {
        self.0.get(key).map(|router| router.rules)
    }

    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        self.0.get(&key.router)?.peers.get(&key.address).copied()
    }
}

impl SocketPath {
    /// A path without routers, and so without sockets.
    pub fn new() -> SocketPath {
        SocketPath::default()
    }

    fn router(&mut self, key: &RouterKey) -> Result<&mut SoftRouter, KernelError> {
        self.routers.get_mut(key).ok_or(KernelError::UnknownRouter(*key))
    }

    fn set(&mut self, key: &RouterKey, rules: Rules, timer: Timer) -> Result<(), KernelError> {
        let router = self.router(key)?;
        router.rules = rules;
        router.watch.set(now(), rules, timer);
        Ok(())
    }

    fn judge(&mut self, now: Mono, verdict: Verdict, out: &mut Vec<Report>) {
        match verdict {
            Verdict::NotOurs => {}
            Verdict::Rejected(rejection) => {
                let Some(router) = self.routers.get_mut(&rejection.key) else { return };
                if let Some(count) = router.counters.rejected.get_mut(rejection.reason as usize) {
                    *count += 1;
                }
                router.remember(now, rejection.reason as u32, rejection.stranger);
            }
            Verdict::Accepted(facts) => {
                if let Some(router) = self.routers.get_mut(&facts.key) {
                    router.count(now, &facts);
                    out.extend(router.watch.accept(now, &facts).map(|event| Report::new(facts.key, event)));
                }
            }
        }
    }
}

impl SoftRouter {
    fn count(&mut self, now: Mono, facts: &Facts) {
        self.counters.accepted += 1;
        self.counters.priority_zero += u64::from(facts.priority.is_stop());
        self.counters.address_list += u64::from(facts.addresses_differ);
        self.counters.interval_differs += u64::from(facts.interval_differs);
        let odd = [(facts.addresses_differ, WHAT_ADDRESSES), (facts.interval_differs, WHAT_INTERVAL)];
        for (_, what) in odd.into_iter().filter(|(is, _)| *is) {
            let stranger = Stranger {
                source: to_abi(facts.source),
                mac: facts.mac.unwrap_or_default(),
                version_type: self.rules.version << 4 | wire::TYPE_ADVERTISEMENT,
                ..Stranger::default()
            };
            self.remember(now, what, stranger);
        }
    }

    /// As the program does: not the last, but the first of a while.
    fn remember(&mut self, now: Mono, what: u32, stranger: Stranger) {
        let known = self.strangers.get(&what);
        if known.is_none_or(|known| now.0.saturating_sub(known.at) >= STRANGER_PERIOD) {
            self.strangers.insert(what, Stranger { at: now.0, ..stranger });
        }
    }

    fn set_peers(&mut self, peers: &[(IpAddr, Peer)]) {
        self.peers = peers.iter().map(|(ip, peer)| (to_abi(*ip), *peer)).collect();
    }
}

impl Datapath for SocketPath {
    fn add(&mut self, key: RouterKey, rules: &Rules, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError> {
        if self.routers.contains_key(&key) {
            return Err(KernelError::Exists(key));
        }
        if key.outer_vid != 0 {
            return Err(KernelError::Tagged(key));
        }
        let family = if key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
        if let Entry::Vacant(vacant) = self.sockets.entry((key.ifindex, key.family)) {
            vacant.insert(RawSocket::open(key.ifindex, family)?);
        }
        let rules = Rules { mode: MODE_OFF, ..*rules };
        let mut watch = SoftWatch::new(family);
        watch.set(now(), rules, Timer::Keep);
        let mut router = SoftRouter {
            rules,
            watch,
            peers: HashMap::new(),
            counters: Counters::default(),
            strangers: HashMap::new(),
        };
        router.set_peers(peers);
        self.routers.insert(key, router);
        Ok(())
    }

    fn remove(&mut self, key: &RouterKey) -> Result<(), KernelError> {
        self.routers.remove(key).ok_or(KernelError::UnknownRouter(*key))?;
        let needed = |left: &RouterKey| (left.ifindex, left.family) == (key.ifindex, key.family);
        if !self.routers.keys().any(needed) {
            self.sockets.remove(&(key.ifindex, key.family));
        }
        Ok(())
    }

    fn watch(&mut self, key: &RouterKey, rules: &Rules, timer: Timer) -> Result<(), KernelError> {
        self.set(key, Rules { mode: MODE_WATCH, ..*rules }, timer)
    }

    fn report(&mut self, key: &RouterKey, rules: &Rules) -> Result<(), KernelError> {
        self.set(key, Rules { mode: MODE_REPORT, ..*rules }, Timer::Keep)
    }

    fn off(&mut self, key: &RouterKey) -> Result<(), KernelError> {
        let rules = self.router(key)?.rules;
        self.set(key, Rules { mode: MODE_OFF, ..rules }, Timer::Keep)
    }

    fn claim(&mut self, key: &RouterKey, generation: u64) -> Result<Claim, KernelError> {
        let router = self.router(key)?;
        if router.watch.claim(generation) {
            router.rules.mode = MODE_REPORT;
            return Ok(Claim::Won);
        }
        Ok(Claim::Stale)
    }

    fn heard(&self, key: &RouterKey) -> Result<Heard, KernelError> {
        self.routers.get(key).map(|router| *router.watch.heard()).ok_or(KernelError::UnknownRouter(*key))
    }

    fn counters(&self, key: &RouterKey) -> Result<Counters, KernelError> {
        self.routers.get(key).map(|router| router.counters).ok_or(KernelError::UnknownRouter(*key))
    }

    fn stranger(&self, key: &RouterKey, what: u32) -> Option<Stranger> {
        self.routers.get(key)?.strangers.get(&what).copied()
    }

    /// The kernel has taken the frame's header off.
    fn sees_macs(&self, _key: &RouterKey) -> bool {
        false
    }

    fn set_peers(&mut self, key: &RouterKey, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError> {
        self.router(key)?.set_peers(peers);
        Ok(())
    }

    /// A socket keeps nothing away from an address.
    fn fence(&mut self, _key: &RouterKey, _vips: &[(u32, IpAddr)]) -> Result<(), KernelError> {
        Ok(())
    }

    fn lease(&self, _key: &RouterKey) -> Option<Lease> {
        None
    }

    fn order_lease(&mut self, _key: &RouterKey, _order: LeaseOrder) -> bool {
        true
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.sockets.values().map(AsFd::as_fd).collect()
    }

    fn next_deadline(&self) -> Option<u64> {
        self.routers.values().filter_map(|router| router.watch.deadline()).map(|deadline| deadline.0).min()
    }

    fn drain(&mut self, now: u64, out: &mut Vec<Report>) {
        let now = Mono(now);
        let mut verdicts = Vec::new();
        for socket in self.sockets.values_mut() {
            for _ in 0..MAX_DRAIN {
                let Some(verdict) = socket.receive(&Tables(&self.routers)) else { break };
                verdicts.push(verdict);
            }
        }
        for verdict in verdicts {
            self.judge(now, verdict, out);
        }
        // Last, so that an advert which came in time counts although we are late.
        for (key, router) in &mut self.routers {
            out.extend(router.watch.expire(now).map(|event| Report::new(*key, event)));
        }
    }

    fn lost(&self) -> u64 {
        0
    }
}
