//! A store that is followed on a thread of its own, and what tests wait for.

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

/// A store being followed.
pub(crate) struct Following {
    pub(crate) live: Live,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Following {
    pub(crate) fn start(options: Options, prefixes: &[&str]) -> Following {
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
