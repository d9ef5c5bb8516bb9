//! Notify scripts: telling the world of transitions, in order and without delaying anybody.
//!
//! Each instance, and each sync group, has one place for the state that is to be told next. A transition fills it, replacing a state
//! that nobody was told yet; one task per instance empties it and runs the scripts of that state one after the
//! other, `notify_STATE` first and `notify` after it, as keepalived orders them. So:
//!
//! * scripts of one instance never overlap and never run out of order;
//! * the newest state is always the last one told;
//! * a state that came and went while an earlier script still ran is skipped, with a line in the log;
//! * once the scripts of a state were started, all of them are run;
//! * a script that hangs delays its own instance only, for [`TIMEOUT`] at most, and then its process group is
//!   ended.
//!
//! A task exists only while its instance has something to tell.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::launch::Launch;
use super::process::{self, Exit};
use super::tally::{Ledger, Tally};

/// How long a notify script may run. keepalived has no limit; a minute is longer than any script that still
/// tells something new.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// What is told. The names are those that scripts get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The instance became MASTER.
    Master,
    /// The instance became BACKUP.
    Backup,
    /// The instance went into FAULT, or is gone from the configuration.
    Fault,
    /// The agent stops.
    Stop,
    /// The instance is gone from the configuration, and wants that told as such.
    Deleted,
    /// The instance is MASTER and heard an advert of lower priority. No state: only a script of its own is told.
    LowerPriority,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Told::Master => "MASTER",
            Told::Backup => "BACKUP",
            Told::Fault => "FAULT",
            Told::Stop => "STOP",
            Told::Deleted => "DELETED",
            Told::LowerPriority => "MASTER_RX_LOWER_PRI",
        })
    }
}

/// Whom something is told of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A `vrrp_instance`, by its name.
    Instance(String),
    /// A `vrrp_sync_group`, by its name.
    Group(String),
}

impl Subject {
    /// What it is and its name, as scripts get them.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Subject::Instance(name) => ("INSTANCE", name),
            Subject::Group(name) => ("GROUP", name),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Instance(name) => f.write_str(name),
            Subject::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// The notify scripts of one instance or group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `notify`: any state, with `INSTANCE` or `GROUP`, the name, the state and the priority as last arguments.
    pub any: Option<Launch>,
    /// `notify_master`.
    pub master: Option<Launch>,
    /// `notify_backup`.
    pub backup: Option<Launch>,
    /// `notify_fault`.
    pub fault: Option<Launch>,
    /// `notify_stop`.
    pub stop: Option<Launch>,
    /// `notify_deleted`: the end of an instance is told as [`Told::Deleted`].
    pub tells_deleted: bool,
    /// The script of `notify_deleted`.
    pub deleted: Option<Launch>,
    /// `notify_master_rx_lower_pri`.
    pub lower_priority: Option<Launch>,
}

impl Hooks {
    /// The scripts to run for `event`, in order, each with the arguments to append.
    fn runs(&self, subject: &Subject, event: Event) -> Vec<(Launch, Vec<String>)> {
        let specific = match event.told {
            Told::Master => &self.master,
            Told::Backup => &self.backup,
            Told::Fault => &self.fault,
            Told::Stop => &self.stop,
            Told::Deleted => &self.deleted,
            Told::LowerPriority => &self.lower_priority,
        };
        let arguments = || {
            let (told, priority) = (event.told.to_string(), event.priority.to_string());
            let (kind, name) = subject.words();
            vec![kind.to_owned(), name.to_owned(), told, priority]
        };
        let specific = specific.iter().map(|launch| (launch.clone(), Vec::new()));
        let any = self.any.iter().filter(|_| event.told != Told::LowerPriority);
        specific.chain(any.map(|launch| (launch.clone(), arguments()))).collect()
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    told: Told,
    priority: u8,
}

/// One instance's or group's place for what is told next.
#[derive(Debug)]
struct Slot {
    subject: Subject,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    hooks: Hooks,
    standing: Standing,
    next: Option<Event>,
    /// Whether a task serves this slot.
    busy: bool,
}

/// Whether an instance is still to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is in the configuration.
    Configured,
    /// A reload took it out, and what became of it is not told yet.
    Leaving,
    /// There will be nothing more to tell.
    Forgotten,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The data is whole at every moment, so a panic elsewhere is no reason to stop telling.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next scripts to run; `None` also ends the slot's being served.
    fn take(&self) -> Option<Vec<(Launch, Vec<String>)>> {
        let mut inner = self.lock();
        let Some(event) = inner.next.take() else {
            inner.busy = false;
            return None;
        };
        Some(inner.hooks.runs(&self.subject, event))
    }
}

/// Runs notify scripts. [`Notifier::tell`] never waits.
#[derive(Debug)]
pub struct Notifier {
    slots: HashMap<Subject, Arc<Slot>>,
    tasks: JoinSet<()>,
    cancel: watch::Sender<bool>,
    timeout: Duration,
    ledger: Ledger,
}

impl Notifier {
    /// A notifier without instances, whose scripts may run for `timeout`, normally [`TIMEOUT`].
    pub fn new(timeout: Duration) -> Notifier {
        Notifier {
            slots: HashMap::new(),
            tasks: JoinSet::new(),
            cancel: watch::Sender::new(false),
            timeout,
            ledger: Ledger::default(),
        }
    }

    /// Makes `subjects` the ones of the configuration. An instance that is gone keeps its scripts until
    /// [`Notifier::forget`]: it may have to be told how it ended. Of a group that is gone nothing is told.
    pub fn apply(&mut self, subjects: Vec<(Subject, Hooks)>) {
        for slot in self.slots.values() {
            let mut inner = slot.lock();
            if inner.standing == Standing::Configured {
                inner.standing = match slot.subject {
                    Subject::Instance(_) => Standing::Leaving,
                    Subject::Group(_) => Standing::Forgotten,
                };
            }
        }
        for (subject, hooks) in subjects {
            if let Some(slot) = self.slots.get(&subject) {
                let mut inner = slot.lock();
                (inner.hooks, inner.standing) = (hooks, Standing::Configured);
                continue;
            }
            let inner = Mutex::new(Inner { hooks, standing: Standing::Configured, next: None, busy: false });
            self.slots.insert(subject.clone(), Arc::new(Slot { subject, inner }));
        }
        self.sweep();
    }

    /// Forgets the scripts of an instance that is gone, once what it has to tell is told. One that the configuration
    /// names, as it names a new instance like an old one, stays.
    pub fn forget(&mut self, instance: &str) {
        if let Some(slot) = self.slots.get(&Subject::Instance(instance.to_owned())) {
            let mut inner = slot.lock();
            if inner.standing == Standing::Leaving {
                inner.standing = Standing::Forgotten;
            }
        }
        self.sweep();
    }

    /// A busy slot stays, so that an instance which comes back at the next reload is served by one task.
    fn sweep(&mut self) {
        self.slots.retain(|_, slot| {
            let inner = slot.lock();
            inner.standing != Standing::Forgotten || inner.busy
        });
    }

    /// What became of all runs so far.
    pub fn tally(&self) -> Tally {
        self.ledger.read()
    }

    /// Tells the scripts of `subject` of its new state. Returns at once; must be called within a tokio runtime.
    pub fn tell(&mut self, subject: &Subject, told: Told, priority: u8) {
        while self.tasks.try_join_next().is_some() {}
        let known = self.slots.get(subject);
        let Some(slot) = known.filter(|slot| slot.lock().standing != Standing::Forgotten) else {
            debug!(%subject, %told, "no such instance to notify of");
            return;
        };
        let mut inner = slot.lock();
        if told == Told::LowerPriority && inner.next.is_some() {
            debug!(%subject, "an advert of lower priority is not told, for something else waits to be");
            return;
        }
        if let Some(skipped) = inner.next.replace(Event { told, priority }) {
            info!(%subject, skipped = %skipped.told, by = %told, "state came and went before it was notified");
        }
        if !inner.busy {
            inner.busy = true;
            let (slot, cancel, timeout) = (Arc::clone(slot), self.cancel.subscribe(), self.timeout);
            let ledger = self.ledger.clone();
            self.tasks.spawn(serve(slot, timeout, ledger, cancel));
        }
    }

    /// As what the end of an instance is told that a reload took out: keepalived's word for it is FAULT.
    pub fn end_of(&self, instance: &str) -> Told {
        let slot = self.slots.get(&Subject::Instance(instance.to_owned()));
        if slot.is_some_and(|slot| slot.lock().hooks.tells_deleted) { Told::Deleted } else { Told::Fault }
    }

    /// Lets scripts that run or wait finish for `grace`, then ends them and waits until they are reaped.
    pub async fn shutdown(mut self, grace: Duration) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_ok() {
            return;
        }
        warn!(?grace, "notify scripts are still running at shutdown and are ended");
        self.cancel.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn serve(slot: Arc<Slot>, timeout: Duration, ledger: Ledger, mut cancel: watch::Receiver<bool>) {
    while let Some(runs) = slot.take() {
        for (launch, arguments) in runs {
            ledger.begin();
            let finished = process::run(&launch, &arguments, timeout, &mut cancel).await;
            ledger.end(finished.duration, finished.exit.failed());
            let (subject, exit, duration) = (&slot.subject, finished.exit, finished.duration);
            let (output, arguments) = (finished.output, arguments.join(" "));
            let script = launch.program.to_string();
            match exit {
                Exit::Status(0) => debug!(%subject, script, arguments, ?duration, output, "notified"),
                Exit::Cancelled => return,
                _ => warn!(%subject, script, arguments, ?duration, output, "notify script failed: {exit}"),
            }
        }
    }
}
