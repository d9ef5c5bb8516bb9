//! Notify scripts: telling the world of transitions, in order and without delaying anybody.
//!
//! Each instance has one place for the state that is to be told next. A transition fills it, replacing a state
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
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Told::Master => "MASTER",
            Told::Backup => "BACKUP",
            Told::Fault => "FAULT",
            Told::Stop => "STOP",
        })
    }
}

/// The notify scripts of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `notify`: any state, with `INSTANCE`, the name, the state and the priority as last arguments.
    pub any: Option<Launch>,
    /// `notify_master`.
    pub master: Option<Launch>,
    /// `notify_backup`.
    pub backup: Option<Launch>,
    /// `notify_fault`.
    pub fault: Option<Launch>,
    /// `notify_stop`.
    pub stop: Option<Launch>,
}

impl Hooks {
    /// The scripts to run for `event`, in order, each with the arguments to append.
    fn runs(&self, instance: &str, event: Event) -> Vec<(Launch, Vec<String>)> {
        let specific = match event.told {
            Told::Master => &self.master,
            Told::Backup => &self.backup,
            Told::Fault => &self.fault,
            Told::Stop => &self.stop,
        };
        let arguments = || {
            let (told, priority) = (event.told.to_string(), event.priority.to_string());
            vec!["INSTANCE".to_owned(), instance.to_owned(), told, priority]
        };
        let specific = specific.iter().map(|launch| (launch.clone(), Vec::new()));
        specific.chain(self.any.iter().map(|launch| (launch.clone(), arguments()))).collect()
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    told: Told,
    priority: u8,
}

/// One instance's place for what is told next.
#[derive(Debug)]
struct Slot {
    instance: String,
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
        Some(inner.hooks.runs(&self.instance, event))
    }
}

/// Runs notify scripts. [`Notifier::tell`] never waits.
#[derive(Debug)]
pub struct Notifier {
    slots: HashMap<String, Arc<Slot>>,
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

    /// Makes `instances` the ones of the configuration. One that is gone keeps its scripts until
    /// [`Notifier::forget`]: it may have to be told how it ended.
    pub fn apply(&mut self, instances: Vec<(String, Hooks)>) {
        for slot in self.slots.values() {
            let mut inner = slot.lock();
            if inner.standing == Standing::Configured {
                inner.standing = Standing::Leaving;
            }
        }
        for (name, hooks) in instances {
            if let Some(slot) = self.slots.get(&name) {
                let mut inner = slot.lock();
                (inner.hooks, inner.standing) = (hooks, Standing::Configured);
                continue;
            }
            let inner = Mutex::new(Inner { hooks, standing: Standing::Configured, next: None, busy: false });
            self.slots.insert(name.clone(), Arc::new(Slot { instance: name, inner }));
        }
        self.sweep();
    }

    /// Forgets the scripts of an instance that is gone, once what it has to tell is told. One that the configuration
    /// names, as it names a new instance like an old one, stays.
    pub fn forget(&mut self, instance: &str) {
        if let Some(slot) = self.slots.get(instance) {
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

    /// Tells the scripts of `instance` of its new state. Returns at once; must be called within a tokio runtime.
    pub fn tell(&mut self, instance: &str, told: Told, priority: u8) {
        while self.tasks.try_join_next().is_some() {}
        let known = self.slots.get(instance);
        let Some(slot) = known.filter(|slot| slot.lock().standing != Standing::Forgotten) else {
            debug!(instance, %told, "no such instance to notify of");
            return;
        };
        let mut inner = slot.lock();
        if let Some(skipped) = inner.next.replace(Event { told, priority }) {
            info!(instance, skipped = %skipped.told, by = %told, "state came and went before it was notified");
        }
        if !inner.busy {
            inner.busy = true;
            let (slot, cancel, timeout) = (Arc::clone(slot), self.cancel.subscribe(), self.timeout);
            let ledger = self.ledger.clone();
            self.tasks.spawn(serve(slot, timeout, ledger, cancel));
        }
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
            let (instance, exit, duration) = (&slot.instance, finished.exit, finished.duration);
            let (output, arguments) = (finished.output, arguments.join(" "));
            let script = launch.program.to_string();
            match exit {
                Exit::Status(0) => debug!(instance, script, arguments, ?duration, output, "notified"),
                Exit::Cancelled => return,
                _ => warn!(instance, script, arguments, ?duration, output, "notify script failed: {exit}"),
            }
        }
    }
}
