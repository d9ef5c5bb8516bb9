//! The running agent: starts the election thread, the scripts and the control socket, carries news between them,
//! and obeys signals. This is the ordinary half: it may log, allocate and wait, for no election depends on it.

mod alone;
mod chronicle;
mod complaints;
mod groups;
mod mail;
mod manager;
mod news;
mod orders;
mod rendering;
mod signals;
mod status;
mod told;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::check::fifo::Fifos;
use crate::check::file::Files;
use crate::check::notify::{self, Notifier, Subject, Told};
use crate::check::plan::{LifeSpec, Plan};
use crate::check::processes::Processes;
use crate::check::runner::{Runner, ScriptResult};
use crate::check::tracking::{Kind, Reading, Report};
use crate::cli::{self, Switch};
use crate::config::{self, model::Config};
use crate::control::rundir::RunDir;
use crate::control::server::Server;
use crate::election::Options;
use crate::election::message::{Changes, Command, Survey, Update};
use crate::election::thread::Election;
use crate::guard::launch::Guard;
use crate::guard::will::{Ending, Will};
use crate::journal::Journal;
use crate::journal::record::Record;
use crate::metrics::{Listeners, Metrics};
use crate::privileges;
use groups::Groups;
use mail::Alerts;
use manager::Manager;
use orders::{Desk, Order};
use rendering::{Half, Prepared};
use signals::Signals;
use status::History;

/// Exit status for a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;
/// Requests of the control socket that wait for the agent.
const ORDERS: usize = 64;
/// Script verdicts that wait for the agent.
const RESULTS: usize = 1024;
/// The answer of an agent that no longer takes orders.
const STOPPING: &str = "the agent is stopping";
/// How long notify scripts get to finish when the agent stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Runs the agent until SIGTERM or SIGINT; returns the exit status.
pub fn run(options: &cli::Run) -> Result<u8> {
    let refuse = |why: String| {
        eprintln!("{why}");
        Ok(EXIT_CONFIG)
    };
    let prepared = match rendering::prepare(&options.render, &options.run_dir.run_dir) {
        Ok(prepared) => prepared,
        Err(why) => return refuse(why),
    };
    // Before anything is changed on the network: a port that is taken is no reason for a failover.
    let listeners = Listeners::bind(&options.metrics)?;
    if options.render_only || cli::is_absent_default(&options.file) {
        return match prepared {
            Some(prepared) => alone::run(options, prepared, listeners),
            None if options.render_only => refuse(
                "vipward: there is nothing to render: name a confd directory with --confdir DIR".to_owned(),
            ),
            None => refuse(format!(
                "vipward: there is no {}: name the configuration of the VIPs with -f FILE, or what to render with \
                 --confdir DIR",
                options.file.display()
            )),
        };
    }
    let loaded = match load(options) {
        Ok(loaded) => loaded,
        Err(why) => return refuse(why),
    };
    info!(
        "vipward {} starts as {} with {}",
        env!("CARGO_PKG_VERSION"),
        router_id(&loaded.config),
        options.file.display()
    );
    let missing = privileges::missing(&[privileges::NET_ADMIN, privileges::NET_RAW]);
    if !missing.is_empty() {
        bail!(
            "this process lacks {}: run it as root, or grant them (AmbientCapabilities=)",
            missing.join(" and ")
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // First of all: a start takes a second, and whoever signals meanwhile must not end it the hard way.
        let mut signals = Signals::listen()?;
        if !told::startup(loaded.plan.startup.as_ref(), &mut signals).await {
            return Ok(());
        }
        let mut agent = Agent::start(options, loaded, prepared, listeners)?;
        agent.serve(signals).await
    })?;
    Ok(0)
}

/// A configuration that can be taken as it is.
struct Loaded {
    config: Arc<Config>,
    plan: Plan,
    warnings: Vec<String>,
}

/// Reads and checks the configuration; the error is for a person, and says what to do.
fn load(options: &cli::Run) -> Result<Loaded, String> {
    let read = config::Options { lenient: options.lenient, config_id: options.config_id.config_id.clone() };
    let loaded = config::load_and_look(&options.file, &read);
    let findings: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    let Some(config) = loaded.config else {
        let file = options.file.display();
        return Err(format!(
            "{}\nvipward: {file} cannot be used; mend it, or name another file with -f",
            findings.join("\n")
        ));
    };
    let plan = Plan::new(&config).map_err(|error| error.to_string())?;
    Ok(Loaded { config: Arc::new(config), plan, warnings: findings })
}

/// This machine's name in messages.
fn router_id(config: &Config) -> String {
    config.globals.router_id.clone().unwrap_or_else(host)
}

fn host() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}

struct Agent {
    options: cli::Run,
    /// The configuration that was taken last.
    config: Arc<Config>,
    election: Election,
    /// None once it was left to itself.
    guard: Option<Guard>,
    /// Until then a stop is a restart.
    held_until: Option<Instant>,
    news: mpsc::Receiver<Update>,
    runner: Runner,
    results: mpsc::Receiver<ScriptResult>,
    files: Files,
    processes: Processes,
    readings: mpsc::Receiver<Report>,
    notifier: Notifier,
    fifos: Fifos,
    alerts: Alerts,
    /// What runs at the very end.
    shutdown: Option<LifeSpec>,
    groups: Groups,
    history: History,
    journal: Journal,
    orders: mpsc::Receiver<Order>,
    control: tokio::task::JoinHandle<()>,
    complaints: tokio::task::JoinHandle<()>,
    manager: Arc<Manager>,
    life_signs: tokio::task::JoinHandle<()>,
    rendering: Half,
    /// FIFOs are to be told how everything stands, once that is known.
    standing: Option<oneshot::Receiver<Survey>>,
    /// Ends with the agent.
    _metrics: Option<Metrics>,
}

impl Agent {
    fn start(
        options: &cli::Run,
        loaded: Loaded,
        prepared: Option<Prepared>,
        listeners: Listeners,
    ) -> Result<Agent> {
        let run_dir = Arc::new(RunDir::open(&options.run_dir.run_dir)?);
        let server = Server::bind(Arc::clone(&run_dir))?;
        let journal = Journal::open(Arc::clone(&run_dir)).context("the journal of events")?;
        journal.note(Record::new("agent", concat!("vipward ", env!("CARGO_PKG_VERSION"), " starts")));
        let (orders, inbox) = mpsc::channel(ORDERS);
        let complaints = tokio::spawn(complaints::watch(orders.clone()));
        let manager = Arc::new(Manager::of_environment());
        let life_signs = manager::watch(Arc::clone(&manager), orders.clone());
        let desk = Arc::new(Desk { orders });
        let metrics = listeners.serve(&desk, options.metrics_compat)?;
        let control = tokio::spawn(server.serve(desk));
        let (verdicts, results) = mpsc::channel(RESULTS);
        let (reports, readings) = mpsc::channel(RESULTS);
        let will = Will::create().context("memory for the guard")?;
        let election = Options {
            datapath: options.datapath,
            leases: options.lease == Switch::On,
            pins: Some(run_dir.path().to_owned()),
        };
        let (election, news, leases) =
            Election::start(election, will.share().context("memory for the guard")?)?;
        let guard = Guard::start(will, leases, options.on_crash.keep()).context("the guard")?;
        let mut agent = Agent {
            options: options.clone(),
            config: Arc::clone(&loaded.config),
            election,
            guard: Some(guard),
            held_until: None,
            news,
            runner: Runner::new(verdicts),
            results,
            files: Files::new(reports.clone()),
            processes: Processes::new(reports),
            readings,
            notifier: Notifier::new(notify::TIMEOUT),
            fifos: Fifos::default(),
            alerts: Alerts::default(),
            shutdown: None,
            groups: Groups::default(),
            history: History::new(),
            journal,
            orders: inbox,
            control,
            complaints,
            manager,
            life_signs,
            rendering: Half::start(prepared)?,
            standing: None,
            _metrics: metrics,
        };
        let (reply, taken) = oneshot::channel();
        agent.take(loaded, reply).context("the first configuration")?;
        let manager = Arc::clone(&agent.manager);
        tokio::spawn(async move {
            if taken.await.is_ok() {
                manager.ready();
            }
        });
        Ok(agent)
    }

    /// Hands a configuration to everybody whom it concerns.
    fn take(&mut self, loaded: Loaded, reply: oneshot::Sender<Changes>) -> Result<()> {
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let router_id = router_id(&loaded.config);
        let (file, count) = (self.options.file.display(), loaded.config.instances.len());
        self.journal.note(Record::new("configuration", format!("{file} with {count} instances")));
        self.election.send(Command::Configure(Arc::clone(&loaded.config), reply))?;
        self.history.list_instances(router_id, &loaded.config);
        self.groups.configure(&loaded.config);
        self.alerts.configure(&loaded.config);
        self.config = loaded.config;
        self.history.list_scripts(loaded.plan.scripts.iter().map(|script| script.name.clone()));
        self.fifos.apply(&loaded.plan.fifos);
        self.shutdown = loaded.plan.shutdown;
        self.notifier.apply(loaded.plan.hooks);
        self.runner.apply(loaded.plan.scripts);
        self.files.apply(loaded.plan.files);
        self.processes.apply(loaded.plan.processes);
        Ok(())
    }

    async fn serve(&mut self, mut signals: Signals) -> Result<()> {
        loop {
            tokio::select! {
                Some(update) = self.news.recv() => self.update(update),
                Some(result) = self.results.recv() => self.verdict(&result),
                Some(report) = self.readings.recv() => self.track(report),
                Some(order) = self.orders.recv() => self.order(order),
                _ = signals.hang_up.recv() => {
                    let (answer, _) = oneshot::channel();
                    self.reload(answer);
                }
                Some(survey) = known(&mut self.standing) => self.tell_standing(&survey),
                () = until(self.held_until) => self.end_hold(),
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
            }
        }
        self.manager.stopping();
        self.journal.note(Record::new("agent", "told to stop"));
        if self.held_until.is_some() {
            self.leave().await;
            return Ok(());
        }
        self.stop(&mut signals).await
    }

    /// Nobody stopped the agent in the time that was announced: a stop is a stop again.
    fn end_hold(&mut self) {
        self.held_until = None;
        if let Some(guard) = &self.guard {
            guard.will().plan(Ending::Release);
        }
    }

    /// Hands over and releases everything: the addresses first, the rest as fast as it goes.
    async fn stop(&mut self, signals: &mut Signals) -> Result<()> {
        info!("stopping: what is served here is served until a successor is heard; another signal ends that");
        self.election.send(Command::Shutdown)?;
        loop {
            tokio::select! {
                update = self.news.recv() => match update {
                    Some(update) => self.update(update),
                    // The thread closes its end of the channel when it has released everything.
                    None => break,
                },
                // A service that goes down now is not served any longer.
                Some(result) = self.results.recv() => self.verdict(&result),
                Some(report) = self.readings.recv() => self.track(report),
                Some(order) = self.orders.recv() => match order {
                    Order::Status(answer) => self.status(answer),
                    Order::Observe(answer) => self.observe(answer),
                    Order::Ping(answer) => self.ping(answer),
                    Order::Reload(answer) => _ = answer.send(Err(STOPPING.to_owned())),
                    Order::Drain(_, answer) | Order::Hold(_, answer) => {
                        let _ = answer.send(Err(STOPPING.to_owned()));
                    }
                },
                _ = signals.terminate.recv() => self.hurry(),
                _ = signals.interrupt.recv() => self.hurry(),
            }
        }
        if let Some(guard) = self.guard.take() {
            guard.leave();
        }
        self.end_scripts().await;
        told::shutdown(self.shutdown.as_ref()).await;
        Ok(())
    }

    /// Leaves everything as it is for the next agent, which the guard bridges the time to.
    async fn leave(&mut self) {
        info!("leaving everything to the next agent");
        self.end_scripts().await;
        if let Some(guard) = self.guard.take() {
            guard.leave();
        }
    }

    async fn end_scripts(&mut self) {
        self.rendering.stop().await;
        let (verdicts, _) = mpsc::channel(1);
        let notifier = std::mem::replace(&mut self.notifier, Notifier::new(notify::TIMEOUT));
        let alerts = std::mem::take(&mut self.alerts);
        tokio::join!(notifier.shutdown(STOP_GRACE), alerts.shutdown(STOP_GRACE));
        std::mem::take(&mut self.fifos).shutdown(STOP_GRACE).await;
        std::mem::replace(&mut self.runner, Runner::new(verdicts)).shutdown().await;
        self.complaints.abort();
        self.life_signs.abort();
        self.control.abort();
    }

    /// Lets go without a successor.
    fn hurry(&self) {
        info!("stopping at once");
        // A thread that has ended meanwhile has let go.
        let _ = self.election.send(Command::Shutdown);
    }

    fn update(&mut self, update: Update) {
        if let Some(record) = chronicle::of(&update) {
            self.journal.note(record);
        }
        match update {
            Update::Transition(transition) => {
                news::transition(&transition);
                self.history.transition(&transition);
                self.tell_transition(&transition);
            }
            Update::Priority { instance, master, priority } => self.tell_priority(instance, master, priority),
            Update::LowerPriority { instance, priority } => {
                self.tell(&Subject::Instance(instance), Told::LowerPriority, priority, None);
            }
            Update::Note { level, instance, text } => news::note(level, instance.as_deref(), &text),
            Update::Removed { instance } => {
                self.groups.removed(&instance);
                self.history.removed(&instance);
                self.tell_removal(instance);
            }
            Update::Renamed { from, to } => {
                self.notifier.forget(&from);
                self.groups.renamed(&from, &to);
                self.history.renamed(&from, &to);
            }
        }
    }

    fn verdict(&mut self, result: &ScriptResult) {
        news::script(result);
        self.journal.note(chronicle::of_script(result));
        self.history.script(result);
        let reading = if result.up { Reading::Up } else { Reading::Down };
        self.track(Report { kind: Kind::Script, name: result.name.clone(), reading });
    }

    fn track(&self, report: Report) {
        let what = format!("{} {}", report.kind.name(), report.name);
        if let Err(error) = self.election.send(Command::Track(report)) {
            error!("the verdict on {what} is lost: {error}");
        }
    }
}

/// Waits for an answer, or for ever. An election that has ended gives none.
async fn known(survey: &mut Option<oneshot::Receiver<Survey>>) -> Option<Survey> {
    let Some(awaited) = survey else { return std::future::pending().await };
    let answer = awaited.await.ok();
    *survey = None;
    answer
}

/// Waits for a time, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
