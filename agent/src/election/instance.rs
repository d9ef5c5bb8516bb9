//! One virtual router of this node, with everything the election thread knows about it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use vipward_common::abi::{Counters, RouterKey, Rules};
use vipward_common::watch;
use vipward_vrrp::router::{CAUSES, Router, Transition};
use vipward_vrrp::types::{Mono, Priority, State};

use super::figures::{Expiry, Takeover};
use super::plan;
use crate::config::model;
use crate::kernel::Attachment;
use crate::net::{Frame, Vip};

/// An instance. The machine decides, everything else is what its decisions act upon.
#[derive(Debug)]
pub(crate) struct Instance {
    /// As configured.
    pub(crate) model: model::Instance,
    /// The state machine.
    pub(crate) machine: Router,
    /// Key in the data path, while the interface is there.
    pub(crate) key: Option<RouterKey>,
    /// How adverts are received, while the interface is there.
    pub(crate) attachment: Option<Attachment>,
    /// Address that our adverts come from, once the interface has one.
    pub(crate) source: Option<IpAddr>,
    /// Why the data path does not serve it.
    pub(crate) datapath_fault: Option<String>,
    /// The machine has not heard of that fault yet.
    pub(crate) refused: bool,
    /// Refusals in a row, by which the pause before the next try grows.
    pub(crate) refusals: u32,
    /// When to try the data path again.
    pub(crate) retry: Option<Mono>,
    /// VIPs that are closed to this host's services; `None` while that is not known.
    pub(crate) closed: Option<Vec<IpAddr>>,
    /// Its interface with the virtual MAC.
    pub(crate) vmac: Option<(u32, String)>,
    /// When to announce the VIPs on other interfaces than its own.
    pub(crate) extra: Option<Mono>,
    /// What keeps it from taking part, its sync group aside.
    pub(crate) own: Own,
    /// Its sync group among the driver's.
    pub(crate) group: Option<usize>,
    /// Its watch ran out, and it waits for the other members of its sync group.
    pub(crate) ran_out: Option<Expiry>,
    /// What keeps it in FAULT, its sync group included; empty when fit.
    pub(crate) faults: Vec<String>,
    /// What it waits for before it takes part.
    pub(crate) waiting: Option<String>,
    /// It has taken part: every check that may hold it back has reported.
    pub(crate) started: bool,
    /// An earlier agent left it as MASTER, under a lease until then.
    pub(crate) inherited: Option<Mono>,
    /// It was told to stop, and nothing starts it again.
    pub(crate) retired: bool,
    /// Addresses, and on which interfaces, that it may serve only under its lease.
    pub(crate) fenced: Vec<(u32, IpAddr)>,
    /// VIPs that are to be present now; empty unless MASTER.
    pub(crate) held: Vec<Vip>,
    /// Announcements due to each VIP once it is there.
    pub(crate) announce_when_added: u8,
    /// What the data path was last told to judge adverts by.
    pub(crate) judged_by: Option<watch::Own>,
    /// The advert that was queued last, and after how many flushes: however many of a rival's arrive in one turn, one
    /// is the answer.
    pub(crate) queued: Option<(u64, Priority)>,
    /// Encoded adverts of one priority.
    adverts: Adverts,
    /// VIPs that the kernel refused, so that a retry does not say it again.
    pub(crate) refused_vips: BTreeSet<IpAddr>,
    /// Routes and rules that the kernel refused, and until when that is not told again.
    pub(crate) refused_routes: HashMap<String, Mono>,
    /// What was told about the VIPs' interfaces.
    pub(crate) vip_notes: Vec<String>,
    /// Until then another advert of lower priority is not told of.
    pub(crate) lower_quiet_until: Mono,
    /// Until then another advert that could not be sent is counted and not told.
    pub(crate) quiet_until: Mono,
    /// It takes over since an expiry, and how far that is.
    pub(crate) takeover: Option<Takeover>,
    /// Figures for `status` and metrics.
    pub(crate) stats: Stats,
    /// What the data path counted before the present seat.
    pub(crate) counted: Counters,
}

/// What keeps an instance from taking part, by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// It was looked at.
    pub(crate) seen: bool,
    /// What rules it out.
    pub(crate) faults: Vec<String>,
    /// What it waits for.
    pub(crate) waiting: Option<String>,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) transitions: u64,
    /// The same by the state that was entered and the number of the cause.
    pub(crate) transitions_by: [[u64; CAUSES]; State::ALL.len()],
    pub(crate) adverts_sent: u64,
    /// Those of priority 0.
    pub(crate) resignations: u64,
    pub(crate) adverts_failed: u64,
    pub(crate) repairs: u64,
}

impl Stats {
    /// Counts a change of state.
    pub(crate) fn transition(&mut self, transition: &Transition) {
        self.transitions += 1;
        let state = State::ALL.iter().position(|state| *state == transition.to);
        let counts = state.and_then(|state| self.transitions_by.get_mut(state));
        if let Some(count) = counts.and_then(|counts| counts.get_mut(transition.cause.number())) {
            *count += 1;
        }
    }
}

/// Adverts as bytes, one per destination, for as long as source and priority stay.
#[derive(Debug, Default)]
struct Adverts {
    made_for: Option<(u32, IpAddr, Priority)>,
    frames: Vec<Frame>,
}

impl Instance {
    /// An instance that has not seen its interface yet. `None` for a VRID that the checks refuse.
    pub(crate) fn new(model: model::Instance) -> Option<Instance> {
        let machine = Router::new(plan::params(&model, plan::unspecified(&model))?);
        Some(Instance {
            model,
            machine,
            key: None,
            attachment: None,
            source: None,
            datapath_fault: None,
            refused: false,
            refusals: 0,
            retry: None,
            closed: None,
            vmac: None,
            extra: None,
            own: Own::default(),
            group: None,
            ran_out: None,
            faults: Vec::new(),
            waiting: None,
            started: false,
            inherited: None,
            retired: false,
            fenced: Vec::new(),
            held: Vec::new(),
            announce_when_added: 0,
            judged_by: None,
            queued: None,
            adverts: Adverts::default(),
            refused_vips: BTreeSet::new(),
            refused_routes: HashMap::new(),
            vip_notes: Vec::new(),
            lower_quiet_until: Mono(0),
            quiet_until: Mono(0),
            takeover: None,
            stats: Stats::default(),
            counted: Counters::default(),
        })
    }

    /// What the data path must know of it now; the mode is chosen by the call that takes it.
    pub(crate) fn rules(&self) -> Rules {
        let source = self.source.unwrap_or_else(|| plan::unspecified(&self.model));
        plan::rules(&self.model, source, self.machine.priority())
    }

    /// The advert of `priority` for every destination, made at most once per change. Empty without an interface
    /// or a source address. An advert that cannot be encoded is a configuration that the checks refuse.
    pub(crate) fn adverts(&mut self, priority: Priority) -> &[Frame] {
        let (Some(ifindex), Some(source)) = (self.sends_by(), self.source) else { return &[] };
        let made_for = Some((ifindex, source, priority));
        if self.adverts.made_for != made_for {
            self.adverts.frames = self.make_adverts(priority);
            self.adverts.made_for = made_for;
        }
        &self.adverts.frames
    }

    /// The same, made now.
    pub(crate) fn make_adverts(&self, priority: Priority) -> Vec<Frame> {
        let (Some(ifindex), Some(source)) = (self.sends_by(), self.source) else { return Vec::new() };
        let frame = |destination| {
            let message = plan::message(&self.model, source, destination, priority).ok()?;
            Frame::new(ifindex, source, destination, self.model.ttl, &message).ok()
        };
        plan::destinations(&self.model).into_iter().filter_map(frame).collect()
    }

    /// The interface that adverts leave by.
    pub(crate) fn sends_by(&self) -> Option<u32> {
        match (&self.model.vmac, &self.vmac) {
            (Some(vmac), made) if !vmac.xmit_base => made.as_ref().map(|(ifindex, _)| *ifindex),
            _ => self.key.map(|key| key.ifindex),
        }
    }

    /// How many adverts make one round.
    pub(crate) fn destinations(&self) -> usize {
        self.adverts.frames.len()
    }

    /// Forgets the encoded adverts: the configuration changed.
    pub(crate) fn forget_adverts(&mut self) {
        self.adverts.made_for = None;
        self.queued = None;
    }
}
