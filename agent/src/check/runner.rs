//! The health scripts: one task each, which reports when the verdict on its script changes.
//!
//! A task owns its script's counter and its child; nothing is shared but the channel of results. A run starts
//! every interval; while one lasts, the starts that fall into it are skipped. Cancelling ends the child's whole
//! process group and reaps it before the task ends. Scripts that nobody tracks are not given to the runner.
//!
//! A reload that changes how a command is run, and not the command, leaves its task and so its verdict: `fall` is
//! there so that one failure means nothing, and a reload is no reason to forget that.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{debug, warn};

use super::launch::Launch;
use super::process::{self, Exit, Finished};
use super::tally::{Ledger, Tally};
use super::verdict::Verdict;

/// A health script, as its task needs it. What it does to priorities is [`super::tracking`]'s business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSpec {
    /// Unique name.
    pub name: String,
    /// What to run.
    pub launch: Launch,
    /// From one start to the next; zero is taken as one millisecond.
    pub interval: Duration,
    /// How long a run may take before it is ended and counts as failed.
    pub timeout: Duration,
    /// Successes in a row until it counts as up.
    pub rise: u32,
    /// Failures in a row until it counts as down.
    pub fall: u32,
    /// It counts as down until it succeeded `rise` times; else the first run decides alone.
    pub init_fail: bool,
}

/// The verdict on a script changed, or is the first one.
#[derive(Debug)]
pub struct ScriptResult {
    /// The script.
    pub name: String,
    /// Whether it counts as up.
    pub up: bool,
    /// How the run that decided ended.
    pub exit: Exit,
    /// How long that run took.
    pub duration: Duration,
    /// The end of what it printed, as one line of text.
    pub output: String,
}

/// Runs scripts. Dropping it ends them, but only [`Runner::shutdown`] waits for their end.
#[derive(Debug)]
pub struct Runner {
    results: mpsc::Sender<ScriptResult>,
    running: HashMap<String, Running>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Running {
    /// How the task is to run the script. The task ends by [`Running::cancel`] and not with this.
    spec: watch::Sender<ScriptSpec>,
    ledger: Ledger,
    cancel: watch::Sender<bool>,
}

impl Running {
    /// Hands the task another way to run the same command, if it is another.
    fn adopt(&self, spec: ScriptSpec) {
        self.spec.send_if_modified(|current| {
            let differs = *current != spec;
            *current = spec;
            differs
        });
    }
}

impl Runner {
    /// A runner without scripts that reports to `results`. While that channel is full, the script that has
    /// something to report does not run.
    pub fn new(results: mpsc::Sender<ScriptResult>) -> Runner {
        Runner { results, running: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Makes `specs` the scripts that run. Those whose command did not change go on, counters included, with their new
    /// settings from the next run on; another command starts afresh, so that its first run is reported. Must be called
    /// within a tokio runtime.
    pub fn apply(&mut self, specs: Vec<ScriptSpec>) {
        while self.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut self.running);
        for spec in specs {
            let name = spec.name.clone();
            let running = match before.remove(&name) {
                Some(running) if running.spec.borrow().launch.program == spec.launch.program => {
                    running.adopt(spec);
                    running
                }
                // The old task's sender goes with it, which ends the task. Whoever listens may remember that the
                // script was up, so its successor assumes nothing and reports its first run.
                Some(_changed) => self.start(spec, false),
                None => {
                    let init_fail = spec.init_fail;
                    self.start(spec, init_fail)
                }
            };
            self.running.insert(name, running);
        }
    }

    /// What became of the runs of each script so far. Another command begins at zero.
    pub fn tallies(&self) -> Vec<(String, Tally)> {
        let running = self.running.iter();
        running.map(|(name, running)| (name.clone(), running.ledger.read())).collect()
    }

    /// Ends all scripts and waits until they are reaped, at most [`process::KILL_DELAY`] and a little.
    pub async fn shutdown(mut self) {
        for running in self.running.values() {
            // Nobody listening means that the task ended already.
            let _ = running.cancel.send(true);
        }
        self.running.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    fn start(&mut self, spec: ScriptSpec, init_fail: bool) -> Running {
        let (cancel, cancelled) = watch::channel(false);
        let verdict = Verdict::new(spec.rise, spec.fall, init_fail);
        let (sender, specs) = watch::channel(spec.clone());
        let ledger = Ledger::default();
        let (results, kept) = (self.results.clone(), ledger.clone());
        let task = Task { verdict, spec, specs, results, ledger: kept, complaint: None };
        self.tasks.spawn(task.run(cancelled));
        Running { spec: sender, ledger, cancel }
    }
}

struct Task {
    spec: ScriptSpec,
    /// What is to become of [`Task::spec`].
    specs: watch::Receiver<ScriptSpec>,
    verdict: Verdict,
    results: mpsc::Sender<ScriptResult>,
    ledger: Ledger,
    /// The last reason why a run did not even start, so that it is logged once and not every interval.
    complaint: Option<String>,
}

impl Task {
    async fn run(mut self, mut cancel: watch::Receiver<bool>) {
        let mut starts = self.schedule();
        loop {
            tokio::select! {
                biased;
                () = process::cancelled(&mut cancel) => return,
                Ok(()) = self.specs.changed() => {
                    if self.adopt() {
                        starts = self.schedule();
                    }
                    continue;
                }
                _ = starts.tick() => {}
            }
            self.ledger.begin();
            let finished = process::run(&self.spec.launch, &[], self.spec.timeout, &mut cancel).await;
            self.ledger.end(finished.duration, finished.exit.failed());
            let Some(result) = self.judge(finished) else { continue };
            tokio::select! {
                biased;
                () = process::cancelled(&mut cancel) => return,
                sent = self.results.send(result) => if sent.is_err() { return },
            }
        }
    }

    /// From now on.
    fn schedule(&self) -> Interval {
        let mut starts = tokio::time::interval(self.spec.interval.max(Duration::from_millis(1)));
        starts.set_missed_tick_behavior(MissedTickBehavior::Skip);
        starts
    }

    /// Takes the newest settings; returns whether they ask for another schedule.
    fn adopt(&mut self) -> bool {
        let spec = self.specs.borrow_and_update().clone();
        self.verdict.set_limits(spec.rise, spec.fall);
        let interval = std::mem::replace(&mut self.spec, spec).interval;
        interval != self.spec.interval
    }

    fn judge(&mut self, finished: Finished) -> Option<ScriptResult> {
        let Finished { exit, duration, output } = finished;
        match &exit {
            Exit::Cancelled => return None,
            Exit::NoResources(_) => {
                self.complain(&exit, "script skipped");
                return None;
            }
            Exit::NotStarted(..) | Exit::Insecure(_) | Exit::Lost(_) => {
                self.complain(&exit, "script cannot be run and counts as failed");
            }
            Exit::Status(_) | Exit::Signal(_) | Exit::TimedOut(_) => self.complaint = None,
        }
        let name = &self.spec.name;
        let Some(up) = self.verdict.count(exit.is_success()) else {
            debug!(script = name, %exit, ?duration, output, "script ran");
            return None;
        };
        Some(ScriptResult { name: name.clone(), up, exit, duration, output })
    }

    fn complain(&mut self, exit: &Exit, consequence: &str) {
        let complaint = exit.to_string();
        if self.complaint.as_ref() != Some(&complaint) {
            warn!(script = self.spec.name, "{consequence}: {complaint}");
            self.complaint = Some(complaint);
        }
    }
}
