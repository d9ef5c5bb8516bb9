//! Tracked processes: how many there are, told when that becomes enough or too few.
//!
//! The kernel tells of every fork, execution and end ([`connector`]), and /proc is read at the start and after messages
//! were lost. Where the kernel does not tell, which is in all network namespaces but the first, /proc is read every
//! [`LOOK`] instead. All of it is done by a thread of its own: on a machine that starts thousands of processes a
//! second nothing else may have to wait.

pub(crate) mod connector;
mod proc;
mod table;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::mpsc;
use tracing::{info, warn};

pub use self::table::{Match, ProcessSpec, Subject};

use self::connector::{Connector, Event, Received};
use self::table::{News, Table};
use super::tracking::{Kind, Reading, Report};

/// From one look at /proc to the next where the kernel does not tell.
const LOOK: Duration = Duration::from_millis(250);
/// Messages that are taken in a row before anything is told.
const BATCH: usize = 1024;
/// How long is waited after messages were lost before all processes are counted anew: there will be more of them.
const SETTLE: Duration = Duration::from_millis(100);

/// Tracks processes. Dropping it ends that.
#[derive(Debug)]
pub struct Processes {
    reports: mpsc::Sender<Report>,
    worker: Option<Worker>,
}

#[derive(Debug)]
struct Worker {
    specs: Sender<Vec<ProcessSpec>>,
    bell: Arc<EventFd>,
    /// Not waited for: it may be about to tell something that nobody takes any more.
    _thread: JoinHandle<()>,
}

impl Processes {
    /// Tracks nothing yet, and will report to `reports`.
    pub fn new(reports: mpsc::Sender<Report>) -> Processes {
        Processes { reports, worker: None }
    }

    /// Makes `specs` what is tracked, and reports the state of everything new.
    pub fn apply(&mut self, specs: Vec<ProcessSpec>) {
        if self.worker.is_none() && !specs.is_empty() {
            self.worker = Worker::start(self.reports.clone())
                .inspect_err(|error| warn!("processes cannot be tracked: {error}"))
                .ok();
        }
        if let Some(worker) = &self.worker {
            // A worker that has ended has said why.
            let _ = worker.specs.send(specs);
            worker.ring();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without its sender it ends at the next ring.
        let (gone, _) = channel();
        drop(std::mem::replace(&mut self.specs, gone));
        self.ring();
    }
}

impl Worker {
    fn start(reports: mpsc::Sender<Report>) -> std::io::Result<Worker> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let bell = Arc::new(bell);
        let (specs, inbox) = channel();
        let heard = Arc::clone(&bell);
        let thread = std::thread::Builder::new()
            .name("processes".to_owned())
            .spawn(move || Watch::new(reports, inbox, heard).run())?;
        Ok(Worker { specs, bell, _thread: thread })
    }

    fn ring(&self) {
        // A counter that is full has rung.
        let _ = self.bell.write(1);
    }
}

/// The thread's own.
struct Watch {
    reports: mpsc::Sender<Report>,
    inbox: Receiver<Vec<ProcessSpec>>,
    bell: Arc<EventFd>,
    connector: Option<Connector>,
    table: Table,
    /// When to count all processes anew.
    scan_at: Option<Instant>,
}

impl Watch {
    fn new(reports: mpsc::Sender<Report>, inbox: Receiver<Vec<ProcessSpec>>, bell: Arc<EventFd>) -> Watch {
        // Before the first count, so that nothing falls between.
        let connector = Connector::open()
            .inspect_err(|why| {
                warn!("process events cannot be had ({why}): /proc is read every {LOOK:?} instead");
            })
            .ok();
        Watch { reports, inbox, bell, connector, table: Table::default(), scan_at: None }
    }

    fn run(mut self) {
        loop {
            self.wait();
            let _ = self.bell.read();
            loop {
                match self.inbox.try_recv() {
                    Ok(specs) => {
                        self.table.configure(specs);
                        self.scan_at = Some(Instant::now());
                    }
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            self.take_events();
            let now = Instant::now();
            if self.scan_at.is_some_and(|at| at <= now) {
                self.table.scan(now, proc::all(&self.table));
                self.scan_at = (self.connector.is_none() && !self.table.is_empty()).then(|| now + LOOK);
            }
            for news in self.table.take_news(now) {
                if self.tell(news).is_err() {
                    return;
                }
            }
        }
    }

    fn wait(&self) {
        let next = self.table.next().into_iter().chain(self.scan_at).min();
        let timeout = next.map_or(PollTimeout::NONE, |at| {
            // Rounded up: a wait that ends too early would be repeated at once.
            let left = at.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
            PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![PollFd::new(std::os::fd::AsFd::as_fd(&*self.bell), PollFlags::POLLIN)];
        fds.extend(self.connector.iter().map(|connector| PollFd::new(connector.fd(), PollFlags::POLLIN)));
        // An interrupted wait is a turn without news.
        let _ = poll(&mut fds, timeout);
    }

    fn take_events(&mut self) {
        for _ in 0..BATCH {
            let Some(connector) = &self.connector else { return };
            let now = Instant::now();
            match connector.receive() {
                Received::Event(event) => {
                    if let Some(event) = event {
                        self.take(now, event);
                    }
                }
                Received::Nothing => return,
                Received::Overrun => _ = self.scan_at.get_or_insert(now + SETTLE),
                Received::Broken(errno) => self.give_up(now, errno),
            }
        }
    }

    fn give_up(&mut self, now: Instant, errno: Errno) {
        warn!("process events are over ({errno}): /proc is read every {LOOK:?} instead");
        self.connector = None;
        self.scan_at = Some(now);
    }

    fn take(&mut self, now: Instant, event: Event) {
        match event {
            Event::Forked { parent, child } => self.table.forked(now, parent, child),
            Event::Executed { pid } => {
                // One that has ended meanwhile is told of next.
                if let Some(process) = proc::one(&self.table, pid) {
                    self.table.executed(now, pid, &process);
                }
            }
            Event::Renamed { pid, name } => self.table.renamed(now, pid, &name),
            Event::Ended { pid } => self.table.ended(now, pid),
        }
    }

    fn tell(&self, news: News) -> Result<(), mpsc::error::SendError<Report>> {
        let News { name, up, count } = news;
        if up {
            info!("process {name} is up: {count} of them");
        } else {
            warn!("process {name} is down: {count} of them");
        }
        let reading = if up { Reading::Up } else { Reading::Down };
        self.reports.blocking_send(Report { kind: Kind::Process, name, reading })
    }
}
