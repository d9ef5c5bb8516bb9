//! What the control socket asks of the agent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, info};

use super::{Agent, STOPPING, load, rendering};
use crate::cli::Switch;
use crate::control::protocol::{Level, ReloadReport};
use crate::control::server::Handler;
use crate::control::status::StatusSnapshot;
use crate::election::ElectionError;
use crate::election::message::{Changes, Command, Survey};
use crate::guard::will::Ending;
use crate::journal::record::Record;
use crate::logging;
use crate::metrics::observation::{Observation, Observe};

/// What the control socket asks for.
#[derive(Debug)]
pub(super) enum Order {
    /// Answered by the election thread; not at all if that one does not answer.
    Ping(oneshot::Sender<()>),
    Status(oneshot::Sender<Result<StatusSnapshot, String>>),
    Observe(oneshot::Sender<Result<Observation, String>>),
    Reload(oneshot::Sender<Result<ReloadReport, String>>),
    Drain(bool, oneshot::Sender<Result<String, String>>),
    Hold(Duration, oneshot::Sender<Result<String, String>>),
}

impl Agent {
    pub(super) fn order(&mut self, order: Order) {
        match order {
            Order::Ping(answer) => self.ping(answer),
            Order::Status(answer) => self.status(answer),
            Order::Observe(answer) => self.observe(answer),
            Order::Reload(answer) => self.reload(answer),
            Order::Drain(on, answer) => self.drain(on, answer),
            Order::Hold(keep, answer) => _ = answer.send(self.hold(keep)),
        }
    }

    /// Whoever asked is told by the dropped channel that there will be no answer.
    pub(super) fn ping(&self, answer: oneshot::Sender<()>) {
        if let Err(error) = self.election.send(Command::Ping(answer)) {
            error!("no life sign of the election thread: {error}");
        }
    }

    fn drain(&self, on: bool, answer: oneshot::Sender<Result<String, String>>) {
        let what = if on { "draining: everybody else goes first" } else { "no longer drained" };
        info!("{what}");
        self.journal.note(Record::new("drain", what));
        let (reply, masters) = oneshot::channel();
        if let Err(error) = self.election.send(Command::Drain(on, reply)) {
            let _ = answer.send(Err(error.to_string()));
            return;
        }
        tokio::spawn(async move {
            let masters = masters.await.map_err(|_| ElectionError::Gone.to_string());
            let _ = answer.send(masters.map(|masters| match (on, masters) {
                (true, 0) => "drained; nothing was served here".to_owned(),
                (true, masters) => format!("handing over {masters} instances"),
                (false, _) => "no longer drained".to_owned(),
            }));
        });
    }

    /// From now on, and for that long, a stop is a restart.
    fn hold(&mut self, keep: Duration) -> Result<String, String> {
        if self.options.lease == Switch::Off {
            return Err("without leases (--lease off) VIPs cannot be left to the next agent".to_owned());
        }
        let Some(guard) = &self.guard else { return Err(STOPPING.to_owned()) };
        guard.will().plan(Ending::Keep(u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX)));
        self.held_until = Some(Instant::now() + keep);
        Ok(format!("if this agent ends within {keep:?}, its VIPs are kept for the next one for as long"))
    }

    pub(super) fn status(&self, answer: oneshot::Sender<Result<StatusSnapshot, String>>) {
        let Some(survey) = self.survey(answer) else { return };
        let (history, resources) = (self.history.clone(), self.rendering.reports());
        survey.then(move |survey| history.status(survey.instances, resources));
    }

    /// The same with all that is measured, for metrics and the status page.
    pub(super) fn observe(&self, answer: oneshot::Sender<Result<Observation, String>>) {
        let Some(survey) = self.survey(answer) else { return };
        let (history, resources) = (self.history.clone(), self.rendering.reports());
        let (scripts, notified) = (self.runner.tallies(), self.notifier.tally());
        let config = Some(Arc::clone(&self.config));
        survey.then(move |survey| Observation {
            started: history.started(),
            timeline: history.timeline(),
            status: history.status(survey.instances, resources),
            figures: survey.figures,
            scripts,
            notified,
            config,
        });
    }

    /// Asks the election how it stands. If that cannot be done, `answer` gets the error.
    fn survey<T>(&self, answer: oneshot::Sender<Result<T, String>>) -> Option<Awaited<T>> {
        let (reply, survey) = oneshot::channel();
        match self.election.send(Command::Survey(reply)) {
            Ok(()) => Some(Awaited { survey, answer }),
            Err(error) => {
                let _ = answer.send(Err(error.to_string()));
                None
            }
        }
    }

    /// Checks first; a configuration with errors changes nothing.
    pub(super) fn reload(&mut self, answer: oneshot::Sender<Result<ReloadReport, String>>) {
        let file: PathBuf = self.options.file.clone();
        let checked = load(&self.options).and_then(|loaded| {
            let prepared = rendering::checked(&self.options)?;
            Ok((loaded, prepared))
        });
        let (loaded, prepared) = match checked {
            Ok(checked) => checked,
            Err(why) => {
                error!("reload refused, the old configuration stays: {why}");
                let _ = answer.send(Err(why));
                return;
            }
        };
        let mut warnings = loaded.warnings.clone();
        warnings.extend(prepared.iter().flat_map(|prepared| prepared.warnings.iter().cloned()));
        // First what may still be refused.
        if let Err(why) = self.rendering.replace(prepared) {
            let _ = answer.send(Err(why));
            return;
        }
        let (reply, changes) = oneshot::channel();
        if let Err(error) = self.take(loaded, reply) {
            let _ = answer.send(Err(error.to_string()));
            return;
        }
        if self.config.globals.tells_states_on_reload {
            self.ask_standing();
        }
        tokio::spawn(async move {
            let Ok(changes) = changes.await else {
                let _ = answer.send(Err(ElectionError::Gone.to_string()));
                return;
            };
            info!("reloaded {}: {changes}", file.display());
            let Changes { added, removed, changed, unchanged } = changes;
            let _ = answer.send(Ok(ReloadReport { added, removed, changed, unchanged, warnings }));
        });
    }
}

/// A survey of the election that is under way, and who waits for what is made of it.
struct Awaited<T> {
    survey: oneshot::Receiver<Survey>,
    answer: oneshot::Sender<Result<T, String>>,
}

impl<T: Send + 'static> Awaited<T> {
    /// Answers when the survey is there. Nothing waits for that meanwhile.
    fn then(self, make: impl FnOnce(Survey) -> T + Send + 'static) {
        tokio::spawn(async move {
            let survey = self.survey.await.map_err(|_| ElectionError::Gone.to_string());
            let _ = self.answer.send(survey.map(make));
        });
    }
}

/// Passes requests of the control socket to the agent's loop, which owns everything.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) orders: mpsc::Sender<Order>,
}

impl Handler for Desk {
    async fn status(&self) -> Result<StatusSnapshot, String> {
        let (answer, status) = oneshot::channel();
        let _ = self.orders.send(Order::Status(answer)).await;
        status.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
    }

    async fn drain(&self, on: bool) -> Result<String, String> {
        let (answer, done) = oneshot::channel();
        let _ = self.orders.send(Order::Drain(on, answer)).await;
        done.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
    }

    async fn hold(&self, keep: Duration) -> Result<String, String> {
        let (answer, done) = oneshot::channel();
        let _ = self.orders.send(Order::Hold(keep, answer)).await;
        done.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
    }

    /// Of the process, and nobody's to wait for.
    fn log_level(&self, level: Level) -> Result<String, String> {
        let before = logging::level();
        logging::set_level(level.into()).map_err(|error| error.to_string())?;
        let word = |level: tracing::Level| level.to_string().to_lowercase();
        let was = before.map(|before| format!(" (it was {})", word(before))).unwrap_or_default();
        let said = format!("the log's level is {} now{was}", word(level.into()));
        info!("{said}");
        Ok(said)
    }

    async fn reload(&self) -> Result<ReloadReport, String> {
        let (answer, report) = oneshot::channel();
        let _ = self.orders.send(Order::Reload(answer)).await;
        report.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
    }
}

impl Observe for Desk {
    async fn observe(&self) -> Result<Observation, String> {
        let (answer, observation) = oneshot::channel();
        let _ = self.orders.send(Order::Observe(answer)).await;
        observation.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
    }
}
