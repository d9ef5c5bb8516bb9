//! ZooKeeper: a node without children is a key; one with children is a folder, as in confd.
//!
//! One recursive watch for each prefix stays armed by itself (ZooKeeper 3.6 and later), so that none has to be armed
//! again between two events. It tells of nothing that happened while the connection was lost, so then the session ends
//! and everything is read again. Servers without such watches are read every few seconds.

mod tree;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use zookeeper_client::{
    AddWatchMode, Client, Connector, Error as Fault, EventType, PersistentWatcher, SessionState, WatchedEvent,
};

use super::error::Error;
use super::follow::Feed;
use super::options::{Options, Secret, Timeouts};
use super::prefixes::Prefixes;
use crate::render::keys::{Keys, canonical};
use tree::Server;

/// Sessions are ours to lose: nothing in the store depends on them.
const SESSION: Duration = Duration::from_secs(10);
/// Between two full reads of a server without recursive watches, at least.
const POLL: Duration = Duration::from_secs(2);
/// Events that are handled together.
const BURST: usize = 1_000;

/// A follower of ZooKeeper.
#[derive(Clone, Debug)]
pub(super) struct Zookeeper {
    /// All servers, as the client wants them: it chooses among them itself.
    cluster: String,
    user: Option<(String, Secret)>,
    timeouts: Timeouts,
    /// That the server is an old one has been said.
    said: bool,
}

impl Zookeeper {
    pub(super) fn new(options: &Options) -> Result<Zookeeper, Error> {
        for node in options.nodes() {
            let port = node
                .rsplit_once(':')
                .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
            if port.is_none() || node.contains(['/', ',']) {
                let why = format!("`{node}`: write HOST:PORT, and each server with a --node of its own");
                return Err(Error::Option { option: "--node", why });
            }
        }
        let user = options.username.clone().zip(options.password.clone());
        let cluster = options.nodes().join(",");
        Ok(Zookeeper { cluster, user, timeouts: options.timeouts, said: false })
    }

    async fn connect(&self) -> Result<Server, Error> {
        let mut connector: Connector = Client::connector()
            .with_session_timeout(SESSION.min(self.timeouts.request * 2))
            .with_connection_timeout(self.timeouts.connect)
            .with_fail_eagerly();
        if let Some((user, password)) = &self.user {
            connector = connector.with_auth("digest", format!("{user}:{}", password.expose()).as_bytes());
        }
        let limit = self.timeouts.connect + self.timeouts.request;
        match tokio::time::timeout(limit, connector.connect(&self.cluster)).await {
            Err(_) => Err(Error::Timeout { node: self.cluster.clone(), what: "a connection", limit }),
            Ok(Err(Fault::AuthFailed)) => Err(self.refused()),
            Ok(Err(Fault::NoHosts)) => {
                let why = format!("no server answered as ZooKeeper does within {:?}", self.timeouts.connect);
                Err(Error::Unreachable { node: self.cluster.clone(), why })
            }
            Ok(Err(fault)) => Err(Error::Unreachable { node: self.cluster.clone(), why: fault.to_string() }),
            Ok(Ok(client)) => Ok(Server { name: self.cluster.clone(), client, limit: self.timeouts.request }),
        }
    }

    fn refused(&self) -> Error {
        Error::Refused { node: self.cluster.clone(), why: Fault::AuthFailed.to_string() }
    }

    /// Reads everything once.
    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        self.connect().await?.all(prefixes).await
    }

    /// Follows until something fails.
    pub(super) async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let followed = async {
            let server = self.connect().await?;
            let mut watchers = Vec::new();
            for prefix in prefixes.iter() {
                // Watched before the read, so that nothing falls between. The node need not be there.
                let watch = server.client.watch(prefix, AddWatchMode::PersistentRecursive);
                match server.within("a watch", watch).await? {
                    Ok(watcher) => watchers.push(watcher),
                    Err(Fault::Unimplemented) => return self.poll(&server, prefixes, feed).await,
                    Err(fault) => return Err(server.meaning(prefix, &fault)),
                }
            }
            self.follow(&server, watchers, prefixes, feed).await
        };
        match followed.await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn follow(
        &self,
        server: &Server,
        watchers: Vec<PersistentWatcher>,
        prefixes: &Prefixes,
        feed: &mut Feed,
    ) -> Result<std::convert::Infallible, Error> {
        let mut revision = feed.live().revision() + 1;
        feed.all(&server.name, server.all(prefixes).await?, revision);
        let mut events: FuturesUnordered<_> = watchers.into_iter().map(next).collect();
        while let Some((first, mut watcher)) = events.next().await {
            let mut changed = BTreeSet::new();
            let mut event = Some(first);
            while let Some(now) = event {
                self.note(&now, &mut changed)?;
                event = if changed.len() < BURST { watcher.changed().now_or_never() } else { None };
            }
            events.push(next(watcher));
            changed.retain(|path| prefixes.covers(path));
            let fetched = server.some(&changed).await?;
            revision += 1;
            feed.some(revision, |batch| {
                for (path, value) in fetched {
                    match value {
                        Some(value) => batch.put(&path, &value),
                        None => batch.delete(&path),
                    }
                }
            });
        }
        Err(server.failed("there is nothing to watch"))
    }

    /// Notes which nodes may no longer be what they were. An event about the session ends it.
    fn note(&self, event: &WatchedEvent, changed: &mut BTreeSet<String>) -> Result<(), Error> {
        let lost = |why: &str| Error::Failed { node: self.cluster.clone(), why: why.to_owned() };
        match event.event_type {
            EventType::Session => Err(match event.session_state {
                SessionState::AuthFailed => self.refused(),
                SessionState::Expired => lost("the session expired"),
                _ => lost("the connection was lost"),
            }),
            EventType::NodeCreated | EventType::NodeDeleted => {
                // The parent may have become a folder, or a key again.
                if let Some((parent, _)) = event.path.rsplit_once('/') {
                    changed.insert(canonical(parent));
                }
                changed.insert(canonical(&event.path));
                Ok(())
            }
            EventType::NodeDataChanged | EventType::NodeChildrenChanged => {
                changed.insert(canonical(&event.path));
                Ok(())
            }
        }
    }

    async fn poll(
        &mut self,
        server: &Server,
        prefixes: &Prefixes,
        feed: &mut Feed,
    ) -> Result<std::convert::Infallible, Error> {
        if !self.said {
            self.said = true;
            let node = &server.name;
            tracing::warn!(
                node,
                "this ZooKeeper has no recursive watches, so all keys are read every few seconds"
            );
        }
        let mut revision = feed.live().revision();
        loop {
            let began = Instant::now();
            let keys = server.all(prefixes).await?;
            revision += 1;
            feed.all(&server.name, keys, revision);
            tokio::time::sleep(POLL.max(began.elapsed() * 10)).await;
        }
    }
}

async fn next(mut watcher: PersistentWatcher) -> (WatchedEvent, PersistentWatcher) {
    (watcher.changed().await, watcher)
}
