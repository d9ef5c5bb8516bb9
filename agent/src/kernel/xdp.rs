//! The path through the XDP program: maps, events.

mod commands;
mod fenced;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use aya::Ebpf;
use aya::maps::{HashMap as BpfHashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues, RingBuf};
use aya::util::nr_cpus;
use nix::errno::Errno;
use vipward_common::abi::{
    self, Command, Counters, Event, Heard, MAX_ROUTERS, OP_CLAIM, OP_OFF, OP_REPORT, OP_WATCH, Peer, PeerKey,
    Router, RouterKey, Rules, Stranger, TIMER_KEEP, VipKey, names,
};
use vipward_common::lease::Lease;
use vipward_vrrp::address::to_abi;
use vipward_vrrp::watch::judged_again;

use self::fenced::Fenced;
use super::attach::{self, Attached};
use super::error::KernelError;
use super::leases::Leases;
use super::pins::Pins;
use super::program_log::ProgramLog;
use super::report::Report;
use super::strangers::Strangers;
use super::{Claim, Datapath, Kind, LeaseOrder, Timer, object};
use crate::clock::now;

/// Lookups take the value's spin lock, so that they are consistent.
const BPF_F_LOCK: u64 = 4;
/// Updates must not find the key.
const BPF_NOEXIST: u64 = 1;
/// Reports taken from the ring in one call, so that a flood of rivals cannot hold the election up.
const MAX_DRAIN: usize = 256;

/// The loaded program with its maps. Dropping it detaches it everywhere, unless its links are pinned.
pub struct XdpPath {
    bpf: Ebpf,
    pins: Option<Pins>,
    links: HashMap<u32, Vec<Attached>>,
    /// What could not be fenced.
    notes: Vec<String>,
    leases: Leases,
    vips: Fenced,
    routers: BpfHashMap<MapData, RouterKey, Router>,
    peers: BpfHashMap<MapData, PeerKey, Peer>,
    strangers: Strangers,
    counters: PerCpuArray<MapData, Counters>,
    lost: PerCpuArray<MapData, u64>,
    events: RingBuf<MapData>,
    _log: Option<ProgramLog>,
    known: HashMap<RouterKey, Known>,
    free_slots: Vec<u32>,
    /// Routers added so far: generations of a key that is added again go on where no old event can be.
    added: u64,
}

/// What must be remembered to take a router out again.
struct Known {
    slot: u32,
    peers: Vec<IpAddr>,
    vips: Vec<VipKey>,
    /// Its adverts are reported, as a MASTER's: the lease is open, or was ended by the program for good.
    reports: bool,
}

impl XdpPath {
    /// Loads the program; it hears nothing until it is attached.
    pub fn load() -> Result<XdpPath, KernelError> {
        XdpPath::with(None)
    }

    /// Loads the program with links and leases that outlive this process, and takes over those of an earlier one that
    /// did not let go of them. They are in a BPF file system in `run_dir`, which is mounted if it is not there.
    pub fn load_pinned(run_dir: &Path) -> Result<XdpPath, KernelError> {
        XdpPath::with(Some(Pins::open(run_dir)?))
    }

    fn with(pins: Option<Pins>) -> Result<XdpPath, KernelError> {
        let mut bpf = object::load(pins.as_ref())?;
        let log = if object::logs_enabled() { ProgramLog::start(&mut bpf) } else { None };
        let Some(Map::Array(leases)) = bpf.take_map(names::LEASES) else {
            return Err(KernelError::Missing(names::LEASES));
        };
        let leases = leases
            .fd()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
            .and_then(Leases::map)
            .map_err(KernelError::Leases)?;
        let taken: HashSet<u32> = leases.occupied().map(|(slot, _)| slot).collect();
        Ok(XdpPath {
            links: HashMap::new(),
            notes: Vec::new(),
            vips: Fenced::new(typed(&mut bpf, names::VIPS)?, typed(&mut bpf, names::VIP_HINTS)?)?,
            routers: typed(&mut bpf, names::ROUTERS)?,
            peers: typed(&mut bpf, names::PEERS)?,
            strangers: Strangers(typed(&mut bpf, names::STRANGERS)?),
            counters: typed(&mut bpf, names::COUNTERS)?,
            lost: typed(&mut bpf, names::LOST)?,
            events: typed(&mut bpf, names::EVENTS)?,
            _log: log,
            known: HashMap::new(),
            free_slots: (0..MAX_ROUTERS).rev().filter(|slot| !taken.contains(slot)).collect(),
            added: 0,
            leases,
            pins,
            bpf,
        })
    }

    /// Attaches the program to an interface; again, if the interface was made anew with the same index.
    pub fn attach(&mut self, ifindex: u32, name: &str, kind: Kind) -> Result<(), KernelError> {
        self.detach(ifindex);
        let mut links = vec![attach::attach(&mut self.bpf, self.pins.as_ref(), ifindex, name, kind)?];
        match attach::attach_egress(&mut self.bpf, self.pins.as_ref(), ifindex, name) {
            Ok(link) => links.push(link),
            Err(error) => self.notes.push(error.to_string()),
        }
        self.links.insert(ifindex, links);
        Ok(())
    }

    /// Detaches the program from an interface, which may be gone already.
    pub fn detach(&mut self, ifindex: u32) {
        self.links.remove(&ifindex).into_iter().flatten().for_each(Attached::detach);
    }

    /// Lets go of what an earlier agent left and this one does not want: links, addresses, leases.
    pub fn sweep(&mut self) -> Result<(), KernelError> {
        for (ifindex, _, path) in self.pins.iter().flat_map(Pins::links) {
            if !self.links.contains_key(&ifindex) {
                // Of an interface that is not ours any more; what cannot be removed stays as it is, and fences nothing.
                let _ = std::fs::remove_file(path);
            }
        }
        let wanted: HashSet<VipKey> =
            self.known.values().flat_map(|known| known.vips.iter().copied()).collect();
        self.vips.retain(|key| wanted.contains(key))?;
        let slots: HashSet<u32> = self.known.values().map(|known| known.slot).collect();
        let left: Vec<u32> =
            self.leases.occupied().map(|(slot, _)| slot).filter(|slot| !slots.contains(slot)).collect();
        for slot in left {
            self.leases.vacate(slot);
            self.free_slots.push(slot);
        }
        Ok(())
    }

    /// What could not be fenced, told once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The map of the leases, for another process that is to end or renew them.
    pub fn leases_fd(&self) -> BorrowedFd<'_> {
        self.leases.fd()
    }

    /// Slot of a router's lease.
    pub fn slot(&self, key: &RouterKey) -> Option<u32> {
        self.known.get(key).map(|known| known.slot)
    }

    /// Takes everything down that outlives this process.
    pub fn unpin(&mut self) {
        self.links.drain().flat_map(|(_, links)| links).for_each(Attached::detach);
        if let Some(pins) = self.pins.take() {
            // Nothing is attached any more; files that stay are swept by the next agent.
            let _ = pins.remove();
        }
    }

    fn insert(&mut self, key: RouterKey, rules: &Rules, slot: u32) -> Result<(), KernelError> {
        let per_cpu = nr_cpus().map_err(|(what, error)| KernelError::Control(format!("{what}: {error}")))?;
        let zero = PerCpuValues::try_from(vec![Counters::default(); per_cpu])
            .map_err(|error| KernelError::Control(error.to_string()))?;
        self.counters.set(slot, zero, 0).map_err(failed("reset counters", names::COUNTERS))?;
        self.added += 1;
        let router = Router {
            slot,
            rules: Rules { mode: abi::MODE_OFF, ..*rules },
            heard: Heard { generation: self.added << 32, interval_ns: rules.interval_ns, ..Heard::default() },
            ..Router::default()
        };
        self.routers.insert(key, router, BPF_NOEXIST).map_err(failed("add a router", names::ROUTERS))
    }

    /// Opens the lease of a router that becomes MASTER, and ends that of one that no longer is.
    fn set_reporting(&mut self, key: &RouterKey, reports: bool) {
        let Some(known) = self.known.get_mut(key) else { return };
        if reports && !known.reports {
            self.leases.change(known.slot, Lease::open);
        } else if !reports {
            self.leases.change(known.slot, Lease::end);
        }
        known.reports = reports;
    }

    fn known(&self, key: &RouterKey) -> Result<&Known, KernelError> {
        self.known.get(key).ok_or(KernelError::UnknownRouter(*key))
    }
}

impl Datapath for XdpPath {
    fn add(&mut self, key: RouterKey, rules: &Rules, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError> {
        if self.known.contains_key(&key) {
            return Err(KernelError::Exists(key));
        }
        let left = self.leases.occupied().find(|(_, owner)| *owner == key).map(|(slot, _)| slot);
        let slot = left.or_else(|| self.free_slots.pop()).ok_or(KernelError::Full(self.known.len()))?;
        self.leases.occupy(slot, key);
        if let Err(error) = self.insert(key, rules, slot) {
            self.leases.vacate(slot);
            self.free_slots.push(slot);
            return Err(error);
        }
        self.known.insert(key, Known { slot, peers: Vec::new(), vips: Vec::new(), reports: false });
        let ready = self.set_peers(&key, peers).and_then(|()| self.prepare(key));
        if ready.is_err() {
            // The first error is the one to tell.
            let _ = self.remove(&key);
        }
        ready
    }

    fn remove(&mut self, key: &RouterKey) -> Result<(), KernelError> {
        // The router goes whatever becomes of its peers, which without it are dead entries.
        let peers = self.set_peers(key, &[]);
        let vips = self.fence(key, &[]);
        self.routers.remove(key).map_err(failed("remove a router", names::ROUTERS))?;
        if let Some(known) = self.known.remove(key) {
            self.strangers.forget(known.slot);
            self.leases.vacate(known.slot);
            self.free_slots.push(known.slot);
        }
        peers.and(vips)
    }

    fn watch(&mut self, key: &RouterKey, rules: &Rules, timer: Timer) -> Result<(), KernelError> {
        let timer_ns = match timer {
            Timer::Keep => TIMER_KEEP,
            // An advert that comes in between re-arms the timer by about as much.
            Timer::Rejudge => judged_again(now(), rules, &self.heard(key)?)
                .map_or(TIMER_KEEP, |deadline| deadline.0.saturating_sub(now().0).max(1)),
            Timer::Set(after) => u64::try_from(after.as_nanos()).unwrap_or(u64::MAX >> 1).max(1),
        };
        let command = Command { key: *key, op: OP_WATCH, timer_ns, rules: *rules, ..Command::default() };
        self.set_reporting(key, false);
        match self.command(&command)? {
            (abi::DONE, _) => Ok(()),
            (_, errno) => Err(KernelError::NotArmed { key: *key, errno }),
        }
    }

    fn report(&mut self, key: &RouterKey, rules: &Rules) -> Result<(), KernelError> {
        self.set_reporting(key, true);
        self.command(&Command { key: *key, op: OP_REPORT, rules: *rules, ..Command::default() })?;
        Ok(())
    }

    fn off(&mut self, key: &RouterKey) -> Result<(), KernelError> {
        self.set_reporting(key, false);
        self.command(&Command { key: *key, op: OP_OFF, ..Command::default() })?;
        Ok(())
    }

    fn claim(&mut self, key: &RouterKey, generation: u64) -> Result<Claim, KernelError> {
        // Open before the program reports: an advert that comes right after the claim ends it.
        self.set_reporting(key, true);
        let command = Command { key: *key, op: OP_CLAIM, generation, ..Command::default() };
        let won = self.command(&command).map(|(answer, _)| answer == abi::DONE);
        if !matches!(won, Ok(true)) {
            self.set_reporting(key, false);
        }
        won.map(|won| if won { Claim::Won } else { Claim::Stale })
    }

    fn heard(&self, key: &RouterKey) -> Result<Heard, KernelError> {
        match self.routers.get(key, BPF_F_LOCK) {
            Ok(router) => Ok(router.heard),
            Err(MapError::KeyNotFound) => Err(KernelError::UnknownRouter(*key)),
            Err(error) => Err(failed("read a router", names::ROUTERS)(error)),
        }
    }

    fn counters(&self, key: &RouterKey) -> Result<Counters, KernelError> {
        let slot = self.known(key)?.slot;
        let per_cpu = self.counters.get(&slot, 0).map_err(failed("read counters", names::COUNTERS))?;
        Ok(per_cpu.iter().fold(Counters::default(), Counters::plus))
    }

    fn stranger(&self, key: &RouterKey, what: u32) -> Option<Stranger> {
        self.strangers.get(self.known.get(key)?.slot, what)
    }

    fn sees_macs(&self, _key: &RouterKey) -> bool {
        true
    }

    fn set_peers(&mut self, key: &RouterKey, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError> {
        let known = self.known.get_mut(key).ok_or(KernelError::UnknownRouter(*key))?;
        let peer_key = |ip: IpAddr| PeerKey { router: *key, address: to_abi(ip) };
        for (ip, peer) in peers {
            self.peers.insert(peer_key(*ip), peer, 0).map_err(failed("add a peer", names::PEERS))?;
            if !known.peers.contains(ip) {
                known.peers.push(*ip);
            }
        }
        while let Some(gone) = known.peers.iter().position(|old| peers.iter().all(|(ip, _)| ip != old)) {
            if let Some(ip) = known.peers.get(gone).copied() {
                self.peers.remove(&peer_key(ip)).map_err(failed("remove a peer", names::PEERS))?;
            }
            known.peers.swap_remove(gone);
        }
        Ok(())
    }

    fn fence(&mut self, key: &RouterKey, vips: &[(u32, IpAddr)]) -> Result<(), KernelError> {
        let known = self.known.get_mut(key).ok_or(KernelError::UnknownRouter(*key))?;
        let wanted: Vec<VipKey> = vips.iter().map(|(ifindex, address)| vip_key(*ifindex, *address)).collect();
        for vip in &wanted {
            if !known.vips.contains(vip) {
                self.vips.insert(*vip, known.slot)?;
                known.vips.push(*vip);
            }
        }
        while let Some(gone) = known.vips.iter().position(|old| !wanted.contains(old)) {
            let vip = known.vips.swap_remove(gone);
            self.vips.remove(&vip)?;
        }
        Ok(())
    }

    fn lease(&self, key: &RouterKey) -> Option<Lease> {
        Some(self.leases.get(self.known.get(key)?.slot))
    }

    fn order_lease(&mut self, key: &RouterKey, order: LeaseOrder) -> bool {
        let Some(known) = self.known.get(key) else { return false };
        self.leases.change(known.slot, |lease| order.apply(lease))
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.events.as_fd()]
    }

    fn next_deadline(&self) -> Option<u64> {
        None
    }

    fn drain(&mut self, _now: u64, out: &mut Vec<Report>) {
        for _ in 0..MAX_DRAIN {
            let Some(record) = self.events.next() else { break };
            if let Some(report) = event(&record).as_ref().and_then(Report::from_ring) {
                out.push(report);
            }
        }
    }

    fn lost(&self) -> u64 {
        self.lost.get(&0, 0).map_or(0, |per_cpu| per_cpu.iter().sum())
    }
}

fn vip_key(ifindex: u32, address: IpAddr) -> VipKey {
    let family = if address.is_ipv4() { 4 } else { 6 };
    VipKey { ifindex, family, address: to_abi(address), ..VipKey::default() }
}

/// The record's bytes as the event that they are; `None` if the program wrote something else.
fn event(record: &[u8]) -> Option<Event> {
    if record.len() != size_of::<Event>() {
        return None;
    }
    // SAFETY: as many bytes as an Event has, and any bytes are one; the read is unaligned.
    Some(unsafe { record.as_ptr().cast::<Event>().read_unaligned() })
}

fn typed<T>(bpf: &mut Ebpf, name: &'static str) -> Result<T, KernelError>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = bpf.take_map(name).ok_or(KernelError::Missing(name))?;
    T::try_from(map).map_err(failed("open", name))
}

fn failed(action: &'static str, map: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Map { action, map, source }
}
