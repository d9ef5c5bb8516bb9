//! Which interface uses which data path.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use vipward_common::abi::{Counters, FLAG_UNICAST, Heard, Peer, RouterKey, Rules, Stranger};
use vipward_common::lease::Lease;
use vipward_vrrp::address::from_abi;
use vipward_vrrp::types::Family;

use super::group::{self, Groups};
use super::socket::SocketPath;
use super::{Choice, Claim, Datapath, KernelError, Kind, LeaseOrder, Report, Timer, XdpPath};

/// Where the kernel describes its interfaces.
const INTERFACES: &str = "/sys/class/net";

/// Why an interface has the data path that it has, if that was the operator's wish.
pub const ASKED_FOR: &str = "asked for by --datapath";

/// The data path of an interface, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The path.
    pub kind: Kind,
    /// For the log and for `status`: what was better and why it is not used.
    pub reason: String,
}

/// All data paths of the agent, as one: a router is served by the path of its interface.
pub struct Paths {
    choice: Choice,
    /// Or why there is none.
    xdp: Result<XdpPath, String>,
    socket: SocketPath,
    groups: Groups,
    attached: HashMap<u32, Attachment>,
    /// Routers, and for which group each counts in [`Groups`].
    routers: HashMap<RouterKey, Option<IpAddr>>,
    /// Interfaces where routers' addresses are fenced.
    guards: HashMap<RouterKey, Vec<u32>>,
    /// Why nothing outlives this process, if it was to.
    unpinned: Option<String>,
    /// What an earlier agent left has been taken over or removed.
    swept: bool,
}

impl Paths {
    /// Loads the program unless the choice is the socket, pinned in the run directory `pins` if there is one. Fails
    /// only if the choice leaves nothing else, or if what is pinned there already is not ours to take over.
    pub fn new(choice: Choice, pins: Option<&Path>) -> Result<Paths, KernelError> {
        let mut unpinned = None;
        let mut load = || match pins.map(XdpPath::load_pinned) {
            Some(Err(error @ KernelError::Unpinnable(_))) => {
                unpinned = Some(error.to_string());
                XdpPath::load()
            }
            Some(loaded) => loaded,
            None => XdpPath::load(),
        };
        let xdp = match choice {
            Choice::Socket => Err(String::new()),
            Choice::Auto => match load() {
                Err(error @ KernelError::Pins(_)) => return Err(error),
                loaded => loaded.map_err(|error| error.to_string()),
            },
            Choice::Xdp | Choice::XdpGeneric => Ok(load()?),
        };
        Ok(Paths {
            unpinned,
            swept: false,
            guards: HashMap::new(),
            choice,
            xdp,
            socket: SocketPath::new(),
            groups: Groups::default(),
            attached: HashMap::new(),
            routers: HashMap::new(),
        })
    }

    /// Adds a router, and first gives its interface a data path if it has none yet. Returns that path.
    ///
    /// The path goes with the last router on the interface, so an interface that disappeared and came back with a
    /// new index needs no more than removing the old keys and seating the new ones.
    pub fn seat(
        &mut self,
        interface: &str,
        key: RouterKey,
        rules: &Rules,
        peers: &[(IpAddr, Peer)],
    ) -> Result<Attachment, KernelError> {
        let attachment = match self.attached.get(&key.ifindex) {
            Some(attachment) => attachment.clone(),
            None => self.attach(key.ifindex, interface)?,
        };
        let added = self.add(key, rules, peers);
        if added.is_err() {
            self.detach_if_unused(key.ifindex);
        }
        added.map(|()| attachment)
    }

    /// Gives an interface the best path that the choice allows.
    fn attach(&mut self, ifindex: u32, name: &str) -> Result<Attachment, KernelError> {
        let attachment = match self.choice {
            Choice::Auto => self.attach_best(ifindex, name),
            Choice::Xdp => self.attach_xdp(ifindex, name, Kind::Xdp).map(|()| asked(Kind::Xdp))?,
            Choice::XdpGeneric => {
                self.attach_xdp(ifindex, name, Kind::XdpGeneric).map(|()| asked(Kind::XdpGeneric))?
            }
            Choice::Socket => asked(Kind::Socket),
        };
        self.attached.insert(ifindex, attachment.clone());
        Ok(attachment)
    }

    fn attach_best(&mut self, ifindex: u32, name: &str) -> Attachment {
        let mut refusals: Vec<String> = Vec::new();
        for kind in [Kind::Xdp, Kind::XdpGeneric] {
            match self.attach_xdp(ifindex, name, kind) {
                Ok(()) => return Attachment { kind, reason: reason(&refusals) },
                Err(error) => refusals.push(error.to_string()),
            }
        }
        // If the program is not even loaded, both say the same.
        refusals.dedup();
        Attachment { kind: Kind::Socket, reason: reason(&refusals) }
    }

    fn attach_xdp(&mut self, ifindex: u32, name: &str, kind: Kind) -> Result<(), KernelError> {
        if kind == Kind::Xdp && is_bond(Path::new(INTERFACES), name) {
            return Err(KernelError::Unavailable(format!(
                "native XDP on {name}: it would run on the bond's members, where adverts come in under another index"
            )));
        }
        match &mut self.xdp {
            Ok(xdp) => xdp.attach(ifindex, name, kind),
            Err(why) => Err(KernelError::Unavailable(why.clone())),
        }
    }

    /// Joins the group, or leaves it, as the router's rules now want: a reload can turn multicast into unicast. The
    /// sockets of the other path join the protocol's own group themselves, and hear any that this host is in.
    fn follow_membership(&mut self, key: &RouterKey, rules: &Rules) -> Result<(), KernelError> {
        let on_xdp =
            self.attached.get(&key.ifindex).is_some_and(|attachment| attachment.kind != Kind::Socket);
        let family = if key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
        let group = from_abi(rules.destination, family);
        let wanted =
            (rules.flags & FLAG_UNICAST == 0 && (on_xdp || group != group::own(key.family))).then_some(group);
        let Some(joined) = self.routers.get_mut(key).filter(|joined| **joined != wanted) else {
            return Ok(());
        };
        if let Some(group) = wanted {
            self.groups.join(key.ifindex, group)?;
        }
        if let Some(before) = std::mem::replace(joined, wanted) {
            self.groups.leave(key.ifindex, before);
        }
        Ok(())
    }

    /// Fences a router's addresses, also on interfaces where no router is seated: those get a data path for it. Where
    /// that is the socket, nothing is fenced.
    pub fn guard(
        &mut self,
        key: &RouterKey,
        interfaces: &BTreeSet<(u32, String)>,
        vips: &[(u32, IpAddr)],
    ) -> Result<(), KernelError> {
        for (ifindex, name) in interfaces {
            if !self.attached.contains_key(ifindex) && vips.iter().any(|(on, _)| on == ifindex) {
                self.attach(*ifindex, name)?;
            }
        }
        let on: BTreeSet<u32> = vips.iter().map(|(ifindex, _)| *ifindex).collect();
        let before = self.guards.insert(*key, on.into_iter().collect()).unwrap_or_default();
        self.path(key)?.fence(key, vips)?;
        for ifindex in before {
            self.detach_if_unused(ifindex);
        }
        Ok(())
    }

    /// Lets go of what an earlier agent left and nobody wants now.
    /// Nothing is left to do after the first time.
    pub fn sweep(&mut self) -> Result<(), KernelError> {
        match &mut self.xdp {
            Ok(xdp) if !std::mem::replace(&mut self.swept, true) => xdp.sweep(),
            _ => Ok(()),
        }
    }

    /// What is fenced less than it should be, and why; told once.
    pub fn take_notes(&mut self) -> Vec<String> {
        let unpinned = self
            .unpinned
            .take()
            .map(|why| format!("the fence ends with this process, whatever becomes of the VIPs: {why}"));
        unpinned
            .into_iter()
            .chain(self.xdp.as_mut().map_or_else(|_| Vec::new(), XdpPath::take_notes))
            .collect()
    }

    /// The map of the leases, if there are any.
    pub fn leases_fd(&self) -> Option<BorrowedFd<'_>> {
        self.xdp.as_ref().ok().map(XdpPath::leases_fd)
    }

    /// Slot of a router's lease, if it has one.
    pub fn slot(&self, key: &RouterKey) -> Option<u32> {
        self.xdp.as_ref().ok().and_then(|xdp| xdp.slot(key))
    }

    /// Takes everything down that would outlive this process.
    pub fn unpin(&mut self) {
        if let Ok(xdp) = &mut self.xdp {
            xdp.unpin();
        }
    }

    fn detach_if_unused(&mut self, ifindex: u32) {
        let guarded = self.guards.values().flatten().any(|on| *on == ifindex);
        if guarded || self.routers.keys().any(|key| key.ifindex == ifindex) {
            return;
        }
        self.attached.remove(&ifindex);
        if let Ok(xdp) = &mut self.xdp {
            xdp.detach(ifindex);
        }
    }

    fn path(&mut self, key: &RouterKey) -> Result<&mut dyn Datapath, KernelError> {
        match (self.attached.get(&key.ifindex).map(|attachment| attachment.kind), &mut self.xdp) {
            (Some(Kind::Socket), _) => Ok(&mut self.socket),
            (Some(Kind::Xdp | Kind::XdpGeneric), Ok(xdp)) => Ok(xdp),
            _ => Err(KernelError::NotAttached(key.ifindex)),
        }
    }

    fn shared(&self, key: &RouterKey) -> Result<&dyn Datapath, KernelError> {
        match (self.attached.get(&key.ifindex).map(|attachment| attachment.kind), &self.xdp) {
            (Some(Kind::Socket), _) => Ok(&self.socket),
            (Some(Kind::Xdp | Kind::XdpGeneric), Ok(xdp)) => Ok(xdp),
            _ => Err(KernelError::NotAttached(key.ifindex)),
        }
    }

    fn all(&self) -> impl Iterator<Item = &dyn Datapath> {
        let xdp = self.xdp.as_ref().ok().map(|xdp| xdp as &dyn Datapath);
        xdp.into_iter().chain([&self.socket as &dyn Datapath])
    }
}

impl Datapath for Paths {
    /// As [`Paths::seat`], on an interface that has a path.
    fn add(&mut self, key: RouterKey, rules: &Rules, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError> {
        self.path(&key)?.add(key, rules, peers)?;
        self.routers.insert(key, None);
        let joined = self.follow_membership(&key, rules);
        if joined.is_err() {
            // The first error is the one to tell.
            let _ = self.remove(&key);
        }
        joined
    }

    fn remove(&mut self, key: &RouterKey) -> Result<(), KernelError> {
        let removed = self.path(key)?.remove(key);
        if let Some(group) = self.routers.remove(key).flatten() {
            self.groups.leave(key.ifindex, group);
        }
        self.detach_if_unused(key.ifindex);
        for ifindex in self.guards.remove(key).unwrap_or_default() {
            self.detach_if_unused(ifindex);
        }
        removed
    }

    fn watch(&mut self, key: &RouterKey, rules: &Rules, timer: Timer) -> Result<(), KernelError> {
        self.follow_membership(key, rules)?;
        self.path(key)?.watch(key, rules, timer)
    }

    fn report(&mut self, key: &RouterKey, rules: &Rules) -> Result<(), KernelError> {
        self.follow_membership(key, rules)?;
        self.path(key)?.report(key, rules)
    }

    fn off(&mut self, key: &RouterKey) -> Result<(), KernelError> {
        self.path(key)?.off(key)
    }

    fn claim(&mut self, key: &RouterKey, generation: u64) -> Result<Claim, KernelError> {
        self.path(key)?.claim(key, generation)
    }

    fn heard(&self, key: &RouterKey) -> Result<Heard, KernelError> {
        self.shared(key)?.heard(key)
    }

    fn counters(&self, key: &RouterKey) -> Result<Counters, KernelError> {
        self.shared(key)?.counters(key)
    }

    fn stranger(&self, key: &RouterKey, what: u32) -> Option<Stranger> {
        self.shared(key).ok()?.stranger(key, what)
    }

    fn sees_macs(&self, key: &RouterKey) -> bool {
        self.shared(key).is_ok_and(|path| path.sees_macs(key))
    }

    fn set_peers(&mut self, key: &RouterKey, peers: &[(IpAddr, Peer)]) -> Result<(), KernelError> {
        self.path(key)?.set_peers(key, peers)
    }

    fn fence(&mut self, key: &RouterKey, vips: &[(u32, IpAddr)]) -> Result<(), KernelError> {
        self.path(key)?.fence(key, vips)
    }

    fn lease(&self, key: &RouterKey) -> Option<Lease> {
        self.shared(key).ok()?.lease(key)
    }

    fn order_lease(&mut self, key: &RouterKey, order: LeaseOrder) -> bool {
        self.path(key).is_ok_and(|path| path.order_lease(key, order))
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.all().flat_map(Datapath::fds).collect()
    }

    fn next_deadline(&self) -> Option<u64> {
        self.all().filter_map(Datapath::next_deadline).min()
    }

    fn drain(&mut self, now: u64, out: &mut Vec<Report>) {
        if let Ok(xdp) = &mut self.xdp {
            xdp.drain(now, out);
        }
        self.socket.drain(now, out);
    }

    fn lost(&self) -> u64 {
        self.all().map(Datapath::lost).sum()
    }
}

/// Whether an interface is a bond. A bond takes a native program and hands it to its members, which report their own
/// index; the generic program runs where packets have reached the bond.
fn is_bond(interfaces: &Path, name: &str) -> bool {
    // A name comes from configuration: it must stay one component of the path.
    !name.contains('/') && interfaces.join(name).join("bonding").is_dir()
}

fn asked(kind: Kind) -> Attachment {
    Attachment { kind, reason: ASKED_FOR.to_owned() }
}

fn reason(refusals: &[String]) -> String {
    if refusals.is_empty() { "the best there is".to_owned() } else { refusals.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bond_is_known_by_its_folder() {
        let interfaces = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(interfaces.path().join("bond0/bonding")).unwrap();
        std::fs::create_dir_all(interfaces.path().join("eth0/queues")).unwrap();
        assert!(is_bond(interfaces.path(), "bond0"));
        assert!(!is_bond(interfaces.path(), "eth0"));
        assert!(!is_bond(interfaces.path(), "eth1"));
        assert!(!is_bond(interfaces.path(), "eth0/../bond0"));
    }
}
