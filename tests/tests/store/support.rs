//! A store that is followed on a thread of its own, and what tests wait for.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use vipward::render::keys::Keys;
use vipward::render::store::{Backend, Error, Health, Live, Options, Store, Timeouts};
use vipward_tests::lab::wait;

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Options with short time-outs, so that faults are noticed soon.
pub(crate) fn options(backend: Backend, nodes: &[String]) -> Options {
    let mut options = Options::new(backend);
    options.nodes = nodes.to_vec();
    options.timeouts = Timeouts {
        connect: Duration::from_secs(2),
        request: Duration::from_secs(3),
        check: Duration::from_millis(500),
    };
    options
}

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines that name a node.
    pub(crate) fn of(&self, node: &str) -> Vec<String> {
        let all = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        // Not those of a port whose number only begins like that.
        let names = |line: &&str| {
            line.match_indices(node)
                .any(|(at, _)| !line[at + node.len()..].starts_with(|c: char| c.is_ascii_digit()))
        };
        all.lines().filter(names).map(str::to_owned).collect()
    }
}

/// What all followers of this process log. A subscriber of one thread would not do: whether a message is wanted is
/// remembered for all threads.
pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false);
        lines.with_env_filter("vipward=debug").init();
        log
    })
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A store being followed.
pub(crate) struct Following {
    pub(crate) live: Live,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Following {
    pub(crate) fn start(options: Options, prefixes: &[&str]) -> Following {
        log();
        let live = Live::default();
        let (end, ended) = oneshot::channel();
        let store = Store::open(options).unwrap();
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        let writer = live.clone();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                tokio::select! {
                    _ = store.follow(&prefixes, &writer) => {}
                    _ = ended => {}
                }
            });
        });
        Following { live, end: Some(end), thread: Some(thread) }
    }

    /// Waits until the keys are current.
    pub(crate) fn connected(&self) {
        self.until("the store to be connected", |live| live.health().connected());
    }

    /// Waits until they are known not to be.
    pub(crate) fn lost(&self) {
        self.until("the loss to be noticed", |live| !live.health().connected());
    }

    pub(crate) fn has(&self, path: &str, value: &str) {
        self.until(&format!("{path} to be {value}"), |live| live.keys().get(path) == Some(value));
    }

    pub(crate) fn lacks(&self, path: &str) {
        self.until(&format!("{path} to be gone"), |live| live.keys().get(path).is_none());
    }

    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut(&Live) -> bool) {
        let waited = wait::until(what, LIMIT, || condition(&self.live));
        assert!(waited.is_ok(), "{}; health {:?}", waited.unwrap_err(), self.live.health());
    }

    /// Records the values of `paths` at every change from now on.
    pub(crate) fn record(&self, paths: &[&str]) -> Arc<Mutex<Vec<Vec<Option<String>>>>> {
        let states = Arc::new(Mutex::new(Vec::new()));
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let mut changes = self.live.subscribe();
        let (live, record) = (self.live.clone(), states.clone());
        // Waits for ever in the end, and ends with the process.
        thread::spawn(move || {
            runtime().block_on(async {
                loop {
                    changes.next().await;
                    let keys = live.keys();
                    let state = paths.iter().map(|path| keys.get(path).map(str::to_owned)).collect();
                    record.lock().unwrap().push(state);
                }
            });
        });
        states
    }

    /// Waits until following fails, and says why.
    pub(crate) fn why(&self) -> String {
        self.until("a reason", |live| live.health().why().is_some());
        self.live.health().why().unwrap_or_default().to_owned()
    }

    pub(crate) fn node(&self) -> String {
        match self.live.health() {
            Health::Connected { node, .. } => node,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the follower panicked");
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn read_once(options: Options, prefixes: &[&str]) -> Result<Keys, Error> {
    let store = Store::open(options)?;
    runtime().block_on(store.read_once(prefixes))
}

/// Keys and values, for comparing.
pub(crate) fn pairs(keys: &Keys) -> Vec<(String, String)> {
    keys.iter().map(|(path, value)| (path.to_owned(), value.to_owned())).collect()
}
