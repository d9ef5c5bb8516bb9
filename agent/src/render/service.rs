//! Starting the rendering half: in a thread with a runtime of its own beside the election, so that nothing here can delay
//! it, or alone, as confd.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::engine::{Engine, Options, ResourceReport, Templates};
use super::pending::Pending;
use super::reload::BackOff;
use super::resource::{self, Loaded};
use super::settings::{self, Invocation, Schedule, Settings};
use super::store::{self, Live};
use crate::config::diagnostic::Severity;
use crate::logging;

/// Exit status when anything failed.
const EXIT_FAILED: u8 = 1;
/// Exit status for a command line or a directory that cannot be used.
const EXIT_USAGE: u8 = 2;

/// Threads that render and write; more would only take memory.
const BLOCKING_THREADS: usize = 4;
/// Room for the deepest template, and no more: beside an election all memory is locked, used or not.
const BLOCKING_STACK: usize = 1 << 20;

/// Starts what keeps a tree current, for these paths of the store. Called within the rendering runtime.
pub type Store = Box<dyn FnOnce(Vec<String>, Live) -> JoinHandle<()> + Send>;

/// What the engine renders from.
pub struct Sources {
    /// The store.
    pub store: Store,
    /// The templates.
    pub templates: Arc<dyn Templates>,
}

/// What is to be rendered, from where, and how.
pub struct Work {
    /// How.
    pub settings: Settings,
    /// What.
    pub loaded: Loaded,
    /// From where.
    pub sources: Sources,
}

/// The rendering half beside the election, in a thread of its own.
#[derive(Debug)]
pub struct Rendering {
    /// What `status` shows of it.
    pub reports: watch::Receiver<Vec<ResourceReport>>,
    work: mpsc::Sender<Work>,
    thread: std::thread::JoinHandle<()>,
}

impl Rendering {
    /// Starts it.
    pub fn start(first: Work) -> Result<Rendering> {
        let runtime = runtime()?;
        let (reports, shown) = watch::channel(Vec::new());
        let (work, inbox) = mpsc::channel(1);
        let thread = std::thread::Builder::new()
            .name("render".to_owned())
            .spawn(move || runtime.block_on(serve(first, inbox, reports)))
            .context("cannot start the rendering thread")?;
        Ok(Rendering { reports: shown, work, thread })
    }

    /// Does this from now on in place of what it does. Commands that run are ended, and what they were to do is noted.
    /// The work comes back if another one still waits, or the thread has ended.
    pub fn replace(&self, work: Work) -> Result<(), Box<Work>> {
        self.work.try_send(work).map_err(|error| {
            let (TrySendError::Full(work) | TrySendError::Closed(work)) = error;
            Box::new(work)
        })
    }

    /// Ends it, with the commands that it runs. Waits for that.
    pub fn stop(self) {
        drop(self.work);
        if self.thread.join().is_err() {
            error!("the rendering thread ended by a panic");
        }
    }
}

/// One work after the other, until there is nobody who could send more.
async fn serve(first: Work, mut inbox: mpsc::Receiver<Work>, reports: watch::Sender<Vec<ResourceReport>>) {
    let mut next = Some(first);
    while let Some(work) = next {
        let (stop, stopped) = watch::channel(false);
        let (engine, follower) = prepare(work, reports.clone(), stopped);
        let running = engine.run();
        tokio::pin!(running);
        next = tokio::select! {
            next = inbox.recv() => next,
            () = &mut running => return,
        };
        // The engine listens until it ends.
        let _ = stop.send(true);
        running.await;
        follower.abort();
    }
}

/// `vipward confd`: the rendering half alone, by confd's command line. Gives the exit status.
pub fn confd(
    arguments: impl IntoIterator<Item = OsString>,
    sources: impl FnOnce(&Settings) -> Result<Sources, store::Error>,
) -> Result<u8> {
    let arguments = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    let (settings, warnings) = match settings::for_confd(arguments, |name| std::env::var(name).ok()) {
        Ok(Invocation::Run(settings, warnings)) => (settings, warnings),
        Ok(Invocation::Version) => {
            println!("confd (vipward {})", env!("CARGO_PKG_VERSION"));
            return Ok(0);
        }
        Ok(Invocation::Help) => {
            print!("{}", settings::help());
            return Ok(0);
        }
        Err(error) => {
            eprintln!("vipward confd: {error}");
            return Ok(EXIT_USAGE);
        }
    };
    let _flush = logging::start(None, settings.log_level.unwrap_or(tracing::Level::INFO));
    for warning in warnings {
        warn!("{warning}");
    }
    let sources = match sources(&settings) {
        Ok(sources) => sources,
        Err(error) => {
            eprintln!("vipward confd: {error}");
            return Ok(EXIT_USAGE);
        }
    };
    let loaded = resource::load(&settings.confdir, &settings.resource_defaults());
    let once = settings.schedule == Schedule::Once;
    let runtime = runtime()?;
    let (stop, stopped) = watch::channel(false);
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = stop.send(true);
        });
        // Nobody asks for its status.
        let (reports, _) = watch::channel(Vec::new());
        let (engine, _) = prepare(Work { settings, loaded, sources }, reports, stopped);
        if !once {
            engine.run().await;
            return Ok(0);
        }
        Ok(match engine.once().await {
            Ok(()) => 0,
            Err(failures) => {
                error!("not everything was rendered: {}", failures.join("; "));
                EXIT_FAILED
            }
        })
    })
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(BLOCKING_STACK)
        .build()
        .context("cannot start the rendering runtime")
}

/// Connects the store with an engine. Called within the rendering runtime.
fn prepare(
    work: Work,
    reports: watch::Sender<Vec<ResourceReport>>,
    stop: watch::Receiver<bool>,
) -> (Engine, JoinHandle<()>) {
    let Work { settings, loaded, sources } = work;
    for finding in &loaded.findings {
        match finding.severity {
            Severity::Error => error!("{finding}"),
            Severity::Warning => warn!("{finding}"),
        }
    }
    let nodes =
        if settings.nodes.is_empty() { String::new() } else { format!(" at {}", settings.nodes.join(", ")) };
    let backend = settings.backend.name();
    info!("{} resources of {} follow {backend}{nodes}", loaded.resources.len(), settings.confdir.display());
    let pending = Pending::open(&settings.run_dir).unwrap_or_else(|error| {
        warn!("{error}: reloads that fail are forgotten when vipward restarts");
        Pending::default()
    });
    let paths = loaded.resources.iter().flat_map(resource::Resource::paths).collect();
    let live = Live::default();
    let options = Options {
        apply: settings.apply,
        wait: settings.wait,
        schedule: settings.schedule,
        back_off: BackOff::default(),
        colour: std::io::stdout().is_terminal(),
    };
    let engine = Engine::new(loaded, options, live.clone(), sources.templates, pending, reports, stop);
    (engine, (sources.store)(paths, live))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Instant;

    use super::super::engine::{Render, RenderError};
    use super::super::keys::Keys;
    use super::*;

    struct Fixed;

    impl Render for Fixed {
        fn render(&self, keys: &Keys) -> Result<String, RenderError> {
            keys.get("/k").map(str::to_owned).ok_or_else(|| RenderError::Failed("no /k".to_owned()))
        }

        fn files(&self) -> Vec<PathBuf> {
            Vec::new()
        }
    }

    impl Templates for Fixed {
        fn load(&self, _: &Path) -> Result<Arc<dyn Render>, String> {
            Ok(Arc::new(Fixed))
        }
    }

    fn sources(value: Option<&'static str>) -> Sources {
        let store: Store = Box::new(move |paths, live| {
            assert_eq!(paths, ["/k"]);
            let mut keys = Keys::default();
            if let Some(value) = value {
                keys.set("/k", value);
            }
            tokio::spawn(async move {
                live.replace(keys, 1);
                live.set_health(store::Health::Connected { since: Instant::now(), node: "here".into() });
            })
        });
        Sources { store, templates: Arc::new(Fixed) }
    }

    fn confdir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(dir.path().join("conf.d")).expect("created");
        fs::create_dir(dir.path().join("templates")).expect("created");
        fs::write(dir.path().join("templates/a.tmpl"), "").expect("written");
        let text = format!(
            "[template]\nsrc=\"a.tmpl\"\ndest=\"{}\"\nkeys=[\"/k\"]\n",
            dir.path().join("out").display()
        );
        fs::write(dir.path().join("conf.d/a.toml"), text).expect("written");
        dir
    }

    #[test]
    fn confd_renders_once_and_says_by_its_exit_status_whether_all_went_well() {
        let dir = confdir();
        let run = |value, extra: &[&str]| {
            let folder = dir.path().display().to_string();
            let run_dir = dir.path().join("run").display().to_string();
            let words = ["-onetime", "-confdir", &folder, "-run-dir", &run_dir, "-backend", "env"];
            let words: Vec<OsString> = words.iter().chain(extra).map(OsString::from).collect();
            confd(words, |_| Ok(sources(value))).expect("runs")
        };
        assert_eq!(run(Some("v"), &[]), 0);
        assert_eq!(fs::read_to_string(dir.path().join("out")).expect("rendered"), "v");
        assert_eq!(run(None, &[]), EXIT_FAILED);
        assert_eq!(fs::read_to_string(dir.path().join("out")).expect("stays"), "v");
        assert_eq!(run(None, &["-backnd", "x"]), EXIT_USAGE);
        assert_eq!(run(None, &["-version"]), 0);
    }

    #[test]
    fn it_runs_in_a_thread_until_it_is_stopped_and_takes_other_work_meanwhile() {
        let dir = confdir();
        let work = |value| {
            let words = ["-watch", "-confdir", &dir.path().display().to_string(), "-backend", "env"];
            let parsed = settings::for_confd(words.map(str::to_owned), |_| None);
            let Ok(Invocation::Run(mut settings, _)) = parsed else { panic!("parses") };
            settings.run_dir = dir.path().join("run");
            let loaded = resource::load(&settings.confdir, &settings.resource_defaults());
            Work { settings, loaded, sources: sources(Some(value)) }
        };
        let out = || fs::read_to_string(dir.path().join("out")).unwrap_or_default();
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        let rendering = Rendering::start(work("v")).expect("starts");
        while out() != "v" || rendering.reports.borrow().iter().all(|report| report.last_success.is_none()) {
            assert!(Instant::now() < deadline, "never rendered");
            std::thread::yield_now();
        }
        assert!(rendering.replace(work("w")).is_ok());
        while out() != "w" {
            assert!(Instant::now() < deadline, "never replaced");
            std::thread::yield_now();
        }
        rendering.stop();
    }
}
