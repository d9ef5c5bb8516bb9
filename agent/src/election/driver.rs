//! The state of the election thread, and one turn of it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use tokio::sync::mpsc;
use vipward_vrrp::router::{Event, Transition};
use vipward_vrrp::types::Mono;

use super::deadlines::Deadlines;
use super::debounce::Debounce;
use super::figures::Figures;
use super::lease::Leases;
use super::message::{Command, Level, Update};
use super::registry::{Id, Registry};
use super::snapshot::Surveying;
use super::sync::Group;
use super::trackers::Trackers;
use super::will::Testament;
use super::{ElectionError, Options};
use crate::clock;
use crate::config::model::{Pacing, Statics};
use crate::guard::will::Will;
use crate::kernel::{Datapath, Paths, Report};
use crate::net::netlink::Netlink;
use crate::net::{Addresses, AdvertSender, Announcer, LinkEvent, Links, Monitor, Routing, Sysctls};

/// How long a warning that repeats itself is not told again.
pub(super) const QUIET: Duration = Duration::from_mins(1);

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
    pub(super) routing: Routing,
    /// When refused routes and rules are asked for again.
    pub(super) reroute_at: Option<Mono>,
    /// What is there whoever is MASTER.
    pub(super) statics: Statics,
    pub(super) announcer: Announcer,
    pub(super) sysctls: Sysctls,
    pub(super) debounce: Debounce,
    /// How fast announcements leave, by the names of interfaces.
    pub(super) pacing: Pacing,
    pub(super) trackers: Trackers,
    /// Sync groups.
    pub(super) groups: Vec<Group>,
    /// Members of these that were MASTER, until the others have followed them.
    pub(super) stepped_back: Vec<Id>,
    /// Times that the waiting adverts were sent; see [`super::instance::Instance::queued`].
    pub(super) flushes: u64,
    /// Transitions that are published once their work is done, and how long the node had heard nothing.
    pub(super) unpublished: Vec<(Id, Transition, Option<Duration>)>,
    /// Names of instances that a reload took out, published once what they held is released.
    pub(super) removed: Vec<String>,
    /// Whose claim is being acted upon: the data path reports for it already.
    pub(super) claimed: Option<Id>,
    /// When to try announcements again that met a full transmit queue.
    pub(super) stalled_until: Option<Mono>,
    pub(super) stopping: bool,
    /// Everybody else goes first.
    pub(super) drained: bool,
    pub(super) leases: Leases,
    pub(super) testament: Testament,
    /// When to read the links again, if that failed.
    pub(super) relist_at: Option<Mono>,
    pub(super) start: Start,
    /// The real-time priority that the configuration asks for.
    pub(super) realtime: Option<u8>,
    /// The CPUs that it asks for, and those that the thread had before the first such wish.
    pub(super) affinity: (Vec<usize>, Option<nix::sched::CpuSet>),
    /// When each topic may be warned of again.
    quiet: HashMap<&'static str, Mono>,
    updates: mpsc::Sender<Update>,
    /// Updates that found the channel full and are not confessed yet.
    dropped: u64,
    /// All of them.
    pub(super) all_dropped: u64,
    pub(super) lost: u64,
    pub(super) figures: Figures,
    /// Whose first address came and is not announced yet; see [`Figures`].
    pub(super) addressed: Vec<Id>,
    /// Who wants to know of all instances.
    pub(super) surveys: VecDeque<Surveying>,
    fds_changed: bool,
    reports: Vec<Report>,
    link_events: Vec<LinkEvent>,
}

/// How the agent begins.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Until then no instance takes part that is not gone on with (`vrrp_startup_delay`); `None` once that is over.
    pub(super) until: Option<Mono>,
    /// A configuration was taken: a delay in another one is for the next start.
    pub(super) configured: bool,
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
    pub(crate) fn new(
        options: &Options,
        will: Option<Will>,
        updates: mpsc::Sender<Update>,
    ) -> Result<Driver, ElectionError> {
        // The monitor first: no change may fall between the table and the stream.
        let monitor = Monitor::open()?;
        let mut netlink = Netlink::open()?;
        let links = Links::dump(&mut netlink)?;
        Ok(Driver {
            registry: Registry::default(),
            vips: HashMap::new(),
            deadlines: Deadlines::default(),
            paths: Paths::new(options.datapath, options.pins.as_deref().filter(|_| options.leases))?,
            netlink,
            monitor,
            links,
            sender: AdvertSender::new(),
            addresses: Addresses::open()?,
            routing: Routing::open()?,
            reroute_at: None,
            statics: Statics::default(),
            announcer: Announcer::new(),
            sysctls: Sysctls::default(),
            debounce: Debounce::default(),
            pacing: Pacing::default(),
            trackers: Trackers::default(),
            groups: Vec::new(),
            stepped_back: Vec::new(),
            flushes: 0,
            unpublished: Vec::new(),
            removed: Vec::new(),
            claimed: None,
            stalled_until: None,
            stopping: false,
            drained: false,
            leases: Leases::new(options.leases),
            testament: Testament::new(will),
            relist_at: None,
            start: Start::default(),
            realtime: None,
            affinity: (Vec::new(), None),
            quiet: HashMap::new(),
            updates,
            dropped: 0,
            all_dropped: 0,
            lost: 0,
            figures: Figures::new(),
            addressed: Vec::new(),
            surveys: VecDeque::new(),
            fds_changed: true,
            reports: Vec::new(),
            link_events: Vec::new(),
        })
    }

    /// One turn: takes all inputs, then does a slice of the work that they caused. `readable` says that one of
    /// [`Driver::fds`] may be; the data path is looked at in any case, for it has deadlines of its own.
    pub(crate) fn turn(&mut self, now: Mono, readable: bool, commands: impl Iterator<Item = Command>) {
        self.take_reports(now);
        if readable {
            self.take_link_events(now);
            self.routing.observe();
        }
        for command in commands {
            self.command(now, command);
        }
        if self.relist_at.is_some_and(|at| at <= now) {
            self.read_links_again(now);
        }
        self.end_startup_delay(now);
        self.end_holds(now);
        self.retry_routes(now);
        if self.debounce.settle(now) {
            self.reconsider_all(now);
        }
        for id in self.deadlines.due(now) {
            self.due(now, id);
        }
        self.face_depositions(now);
        // Before any address comes that must not be served without a lease.
        self.refresh_fences();
        self.finish_stop();
        self.work();
        self.rewrite_will();
        self.confess();
        self.survey();
    }

    /// Sends what has become due meanwhile. For long pieces of work, which would make other instances late.
    pub(super) fn keep_cadence(&mut self) {
        let now = clock::now();
        for id in self.deadlines.due(now) {
            self.due(now, id);
        }
        self.flush_adverts();
    }

    /// What is left to do, or when something is.
    pub(crate) fn next(&self) -> Next {
        let stalled = match self.urgency() {
            Next::Now => return Next::Now,
            Next::At(until) => Some(until),
            Next::Never => None,
        };
        let watch = self.paths.next_deadline().map(Mono);
        let planned = self
            .relist_at
            .into_iter()
            .chain(self.start.until)
            .chain(self.next_hold())
            .chain(self.debounce.next())
            .chain(self.reroute_at);
        match self.deadlines.next().into_iter().chain(watch).chain(stalled).chain(planned).min() {
            Some(at) => Next::At(at),
            None => Next::Never,
        }
    }

    /// The map of the leases, if there are any and they are wanted, for the guard.
    pub(crate) fn leases_fd(&self) -> Result<Option<OwnedFd>, ElectionError> {
        let fd = self.paths.leases_fd().filter(|_| self.leases.on);
        Ok(fd.map(|fd| fd.try_clone_to_owned()).transpose()?)
    }

    /// Descriptors whose readability asks for a turn.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = self.paths.fds();
        fds.push(self.monitor.fd());
        fds.extend(self.routing.fd());
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
        let some = !reports.is_empty();
        for report in reports.drain(..) {
            self.hear(now, &report);
        }
        self.reports = reports;
        // A ring that was full is not empty now; asking costs a system call.
        let lost = if some { self.paths.lost() } else { self.lost };
        if lost > self.lost {
            self.warn_rarely(
                "lost events",
                format!("{} events of the data path were lost; reading its state again", lost - self.lost),
            );
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
        if !matches!(event, Event::Tick | Event::Heard(_)) {
            self.testament.outdate();
        }
        let actions = instance.machine.handle(now, event);
        for action in actions {
            self.act(now, id, action);
        }
        self.schedule(id);
        self.face_refusal(now, id);
        self.follow_members(now);
    }

    /// Something worth a line, about the agent as a whole.
    pub(crate) fn warn(&mut self, text: String) {
        self.send(Update::Note { level: Level::Warn, instance: None, text });
    }

    /// The same about what can repeat itself without end: one line a minute on each topic.
    pub(super) fn warn_rarely(&mut self, topic: &'static str, text: String) {
        let now = clock::now();
        if self.quiet.get(topic).is_none_or(|until| *until <= now) {
            self.quiet.insert(topic, now + QUIET);
            self.warn(text);
        }
    }

    /// Says that news were dropped, once there is room to say so.
    fn confess(&mut self) {
        if self.dropped > 0 {
            let text =
                format!("the log did not keep up: {} lines or notifications were dropped", self.dropped);
            if self.updates.try_send(Update::Note { level: Level::Warn, instance: None, text }).is_ok() {
                self.dropped = 0;
            }
        }
    }

    /// Something worth a line, about one instance.
    pub(super) fn note(&mut self, id: Id, level: Level, text: String) {
        let instance = self.registry.get(id).map(|instance| instance.model.name.clone());
        self.send(Update::Note { level, instance, text });
    }

    pub(super) fn send(&mut self, update: Update) {
        if self.updates.try_send(update).is_err() {
            self.dropped += 1;
            self.all_dropped += 1;
        }
    }
}
