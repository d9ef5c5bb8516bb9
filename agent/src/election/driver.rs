//! The state of the election thread, and one turn of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use tokio::sync::mpsc;
use vipward_vrrp::router::{Event, Transition};
use vipward_vrrp::types::Mono;

use super::deadlines::Deadlines;
use super::message::{Command, Level, Update};
use super::registry::{Id, Registry};
use super::scripts::Scripts;
use super::{ElectionError, Options};
use crate::kernel::{Datapath, Paths, Report};
use crate::net::netlink::Netlink;
use crate::net::{Addresses, AdvertSender, Announcer, LinkEvent, Links, Monitor};

/// Everything that an election touches.
pub(crate) struct Driver {
    pub(super) registry: Registry,
    /// Which instance a VIP belongs to.
    pub(super) vips: HashMap<IpAddr, Id>,
    pub(super) deadlines: Deadlines,
    pub(super) paths: Paths,
    pub(super) netlink: Netlink,
    pub(super) monitor: Monitor,
    pub(super) links: Links,
    pub(super) sender: AdvertSender,
    pub(super) addresses: Addresses,
    pub(super) announcer: Announcer,
    pub(super) scripts: Scripts,
    /// Transitions that are published once their work is done.
    pub(super) unpublished: Vec<(Id, Transition)>,
    /// Whose claim is being acted upon: the data path reports for it already.
    pub(super) claimed: Option<Id>,
    /// When to try announcements again that met a full transmit queue.
    pub(super) stalled_until: Option<Mono>,
    pub(super) stopping: bool,
    updates: mpsc::Sender<Update>,
    /// Updates that found the channel full.
    dropped: u64,
    lost: u64,
    fds_changed: bool,
    reports: Vec<Report>,
    link_events: Vec<LinkEvent>,
}

/// When the next turn is due if no input comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Work is left over.
    Now,
    /// A deadline.
    At(Mono),
    /// Nothing is planned.
    Never,
}

impl Driver {
    /// Opens every socket that does not depend on an interface, in the network namespace of this thread.
    pub(crate) fn new(options: Options, updates: mpsc::Sender<Update>) -> Result<Driver, ElectionError> {
        // The monitor first: no change may fall between the table and the stream.
        let monitor = Monitor::open()?;
        let mut netlink = Netlink::open()?;
        let links = Links::dump(&mut netlink)?;
        Ok(Driver {
            registry: Registry::default(),
            vips: HashMap::new(),
            deadlines: Deadlines::default(),
            paths: Paths::new(options.datapath)?,
            netlink,
            monitor,
            links,
            sender: AdvertSender::new(),
            addresses: Addresses::open()?,
            announcer: Announcer::new(),
            scripts: Scripts::default(),
            unpublished: Vec::new(),
            claimed: None,
            stalled_until: None,
            stopping: false,
            updates,
            dropped: 0,
            lost: 0,
            fds_changed: true,
            reports: Vec::new(),
            link_events: Vec::new(),
        })
    }

    /// One turn: takes all inputs, then does a slice of the work that they caused.
    pub(crate) fn turn(&mut self, now: Mono, commands: impl Iterator<Item = Command>) {
        self.take_reports(now);
        self.take_link_events(now);
        for command in commands {
            self.command(now, command);
        }
        for id in self.deadlines.due(now) {
            self.due(now, id);
        }
        self.work();
    }

    /// What is left to do, or when something is.
    pub(crate) fn next(&self) -> Next {
        let stalled = match self.urgency() {
            Next::Now => return Next::Now,
            Next::At(until) => Some(until),
            Next::Never => None,
        };
        let watch = self.paths.next_deadline().map(Mono);
        match self.deadlines.next().into_iter().chain(watch).chain(stalled).min() {
            Some(at) => Next::At(at),
            None => Next::Never,
        }
    }

    /// Descriptors whose readability asks for a turn.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = self.paths.fds();
        fds.push(self.monitor.fd());
        fds
    }

    /// Whether [`Driver::fds`] may have changed since the last call.
    pub(crate) fn take_fds_changed(&mut self) -> bool {
        std::mem::take(&mut self.fds_changed)
    }

    pub(super) fn fds_change(&mut self) {
        self.fds_changed = true;
    }

    /// Whether everything was released after [`Command::Shutdown`].
    pub(crate) fn is_done(&self) -> bool {
        self.stopping && self.registry.is_empty() && !self.has_work()
    }

    fn take_reports(&mut self, now: Mono) {
        let mut reports = std::mem::take(&mut self.reports);
        self.paths.drain(now.0, &mut reports);
        for report in reports.drain(..) {
            self.hear(now, &report);
        }
        self.reports = reports;
        let lost = self.paths.lost();
        if lost != self.lost {
            self.warn(format!(
                "{} events of the data path were lost; reading its state again",
                lost - self.lost
            ));
            self.lost = lost;
            self.resynchronise(now);
        }
    }

    fn take_link_events(&mut self, now: Mono) {
        let mut events = std::mem::take(&mut self.link_events);
        self.monitor.drain(&mut events);
        for event in events.drain(..) {
            self.link_event(now, &event);
        }
        self.link_events = events;
    }

    /// Gives an event to a state machine and does what it asks for.
    pub(super) fn feed(&mut self, now: Mono, id: Id, event: Event) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        let actions = instance.machine.handle(now, event);
        for action in actions {
            self.act(now, id, action);
        }
        self.schedule(id);
    }

    /// Something worth a line, about the agent as a whole.
    pub(crate) fn warn(&mut self, text: String) {
        self.send(Update::Note { level: Level::Warn, instance: None, text });
    }

    /// Something worth a line, about one instance.
    pub(super) fn note(&mut self, id: Id, level: Level, text: String) {
        let instance = self.registry.get(id).map(|instance| instance.model.name.clone());
        self.send(Update::Note { level, instance, text });
    }

    pub(super) fn send(&mut self, update: Update) {
        if self.updates.try_send(update).is_err() {
            self.dropped += 1;
        }
    }
}
