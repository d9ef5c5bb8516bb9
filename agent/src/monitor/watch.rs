//! Everything that passes by, from the socket and from the programs' taps.

use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use vipward_common::reason::Reason;
use vipward_common::tap::VERDICT_ACCEPTED;

use super::judge::Judge;
use super::sighting::{self, Body, Fault};
use super::socket::Ear;
use crate::control::status::rfc3339;
use crate::kernel::{Copy, KernelError, Tap};
use crate::net::netlink::Netlink;
use crate::net::xdp::{self, Attached};
use crate::net::{Links, NetError};

/// Frames of the socket that are looked at in one turn.
const TURN: usize = 256;
/// How often the taps are renewed, and new programs looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    /// The interface is not there.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// No packet socket.
    #[error("cannot open a packet socket ({0}): ask as root, or with CAP_NET_RAW")]
    Socket(Errno),
    /// The interfaces cannot be listed.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// Something that passed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sighting {
    /// When it was seen, RFC 3339.
    pub(crate) at: String,
    /// Interface.
    pub(crate) interface: String,
    /// This host sent it.
    pub(crate) sent: bool,
    /// VLAN of a tag that was taken off.
    pub(crate) vlan: Option<u16>,
    /// MAC of its sender.
    pub(crate) mac: String,
    /// What it is.
    #[serde(flatten)]
    pub(crate) body: Body,
    /// Whether the configuration has a router for it; `null` without a configuration, and for what is no advert.
    pub(crate) ours: Option<bool>,
    /// What the XDP program made of it: `accepted`, or the reason why not; `null` for what passed it.
    pub(crate) xdp: Option<&'static str>,
    /// What is wrong about it.
    pub(crate) faults: Vec<Fault>,
}

/// What is watched.
pub(crate) struct Watch {
    ear: Ear,
    only: Option<u32>,
    netlink: Netlink,
    links: Links,
    judge: Judge,
    taps: Vec<(u32, Tap)>,
    looked: Option<Instant>,
    /// What could not be tapped, to be told once.
    notes: Vec<String>,
    told: Vec<String>,
    lost: u64,
}

impl Watch {
    /// Watches one interface, or all of this network namespace.
    pub(crate) fn open(interface: Option<&str>, judge: Judge) -> Result<Watch, WatchError> {
        let mut netlink = Netlink::open()?;
        let links = Links::dump(&mut netlink)?;
        let index = |name: &str| links.by_name(name).map(|link| link.ifindex);
        let only = interface
            .map(|name| index(name).ok_or_else(|| WatchError::NoInterface(name.to_owned())))
            .transpose()?;
        let ear = Ear::open(only).map_err(WatchError::Socket)?;
        let mut watch = Watch {
            ear,
            only,
            netlink,
            links,
            judge,
            taps: Vec::new(),
            looked: None,
            notes: Vec::new(),
            told: Vec::new(),
            lost: 0,
        };
        watch.look();
        Ok(watch)
    }

    /// Waits until something passes by, but not beyond `end`; appends it.
    pub(crate) fn wait(&mut self, end: Option<Instant>, seen: &mut Vec<Sighting>) -> Result<(), Errno> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.look();
        }
        let left = end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()).min(LOOK));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let taps = self.taps.iter().flat_map(|(_, tap)| tap.fds());
        let mut fds: Vec<PollFd> =
            [self.ear.as_fd()].into_iter().chain(taps).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        drop(fds);
        self.take(seen);
        Ok(())
    }

    /// What was lost since the last call, because it came faster than it was read.
    pub(crate) fn take_lost(&mut self) -> u64 {
        self.lost += self.ear.dropped();
        std::mem::take(&mut self.lost)
    }

    /// What is not seen, and why; each is told once.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        let mut new = std::mem::take(&mut self.notes);
        new.retain(|note| !self.told.contains(note));
        self.told.extend(new.iter().cloned());
        new
    }

    /// Keeps the taps open, and opens those of programs that an agent has attached meanwhile.
    fn look(&mut self) {
        self.looked = Some(Instant::now());
        if let Ok(links) = Links::dump(&mut self.netlink) {
            self.links = links;
        }
        let all = xdp::attached(&mut self.netlink).unwrap_or_default();
        let wanted: Vec<&Attached> =
            all.iter().filter(|on| self.only.is_none_or(|only| only == on.ifindex)).collect();
        self.taps.retain(|(program, _)| wanted.iter().any(|on| on.program == *program));
        let mut failed: Vec<KernelError> = Vec::new();
        self.taps.retain_mut(|(_, tap)| tap.renew().map_err(|error| failed.push(error)).is_ok());
        let mut tried = Vec::new();
        for on in wanted {
            if tried.contains(&on.program) || self.taps.iter().any(|(program, _)| *program == on.program) {
                continue;
            }
            tried.push(on.program);
            match Tap::open(on.program) {
                Ok(Some(tap)) => self.taps.push((on.program, tap)),
                Ok(None) => {}
                Err(error) => failed.push(error),
            }
        }
        self.notes.extend(failed.iter().map(|error| format!("what XDP consumes is not seen: {error}")));
    }

    fn take(&mut self, seen: &mut Vec<Sighting>) {
        for _ in 0..TURN {
            let Some(caught) = self.ear.next() else { break };
            let vlan = (caught.vlan != 0).then_some(caught.vlan);
            seen.extend(self.sighting(&caught.frame, caught.ifindex, caught.sent, vlan, None));
        }
        let mut copies = Vec::new();
        for (_, tap) in &mut self.taps {
            self.lost += tap.drain(&mut copies);
        }
        for Copy { copied, frame } in copies {
            if self.only.is_none_or(|only| only == copied.ifindex) {
                seen.extend(self.sighting(&frame, copied.ifindex, false, None, Some(copied.verdict)));
            }
        }
    }

    fn sighting(
        &self,
        frame: &[u8],
        ifindex: u32,
        sent: bool,
        vlan: Option<u16>,
        by_program: Option<u32>,
    ) -> Option<Sighting> {
        let read = sighting::read(frame, ifindex)?;
        let interface =
            self.links.by_index(ifindex).map_or_else(|| ifindex.to_string(), |link| link.name.clone());
        let mut faults = read.faults;
        // A frame of a VLAN is for that VLAN's own interface, where it passes once more.
        if let Some((envelope, message)) = read.advert.filter(|_| vlan.is_none()) {
            faults.extend(self.judge.faults(&interface, &envelope, message, sent, by_program));
        }
        let ours = read.advert.filter(|_| vlan.is_none()).and_then(|(envelope, _)| {
            let family = vipward_vrrp::types::Family::of(match &read.body {
                Body::Advert(heard) => heard.source,
                Body::Garp { address, .. } | Body::Na { address, .. } => *address,
            });
            self.judge.is_ours(&interface, family, envelope.key.vrid)
        });
        let xdp = by_program.map(|verdict| match verdict {
            VERDICT_ACCEPTED => "accepted",
            number => Reason::ALL
                .into_iter()
                .find(|reason| *reason as u32 == number)
                .map_or("rejected", Reason::label),
        });
        Some(Sighting {
            at: rfc3339(SystemTime::now()),
            interface,
            sent,
            vlan,
            mac: sighting::mac(read.mac),
            body: read.body,
            ours,
            xdp,
            faults,
        })
    }
}
