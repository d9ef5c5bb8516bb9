//! Following a store through everything that happens to it.
//!
//! A *session* is one stretch of following: connect to a node, read or resume, apply events until something fails. It
//! tries every node before it gives up. Between sessions there is a growing wait; the tree keeps the last known keys.
//! An outage is logged when it begins and when it ends, however many tries lie between.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::consul::Consul;
use super::env;
use super::error::Error;
use super::etcd::Etcd;
use super::etcd2::Etcd2;
use super::etcd3::Etcd3;
use super::file::Files;
use super::health::Health;
use super::live::{Batch, Live};
use super::options::{Backend, Options};
use super::prefixes::Prefixes;
use super::redis::Redis;
use super::zookeeper::Zookeeper;
use crate::render::keys::Keys;

/// A session that held this long was a good one: the next wait is a short one again.
const STEADY: Duration = Duration::from_secs(10);

/// One kind of store being followed, with what it must remember from session to session.
#[derive(Clone, Debug)]
pub(super) enum Follower {
    Etcd(Box<Etcd>),
    EtcdV2(Etcd2),
    EtcdV3(Box<Etcd3>),
    Consul(Consul),
    Redis(Redis),
    Zookeeper(Zookeeper),
    File(Files),
    Env,
}

impl Follower {
    pub(super) fn new(options: &Options) -> Result<Follower, Error> {
        Ok(match options.backend {
            Backend::Etcd => Follower::Etcd(Box::new(Etcd::new(options)?)),
            Backend::EtcdV2 => Follower::EtcdV2(Etcd2::new(options)?),
            Backend::EtcdV3 => Follower::EtcdV3(Box::new(Etcd3::new(options)?)),
            Backend::File => Follower::File(Files::new(options)?),
            Backend::Env => Follower::Env,
            Backend::Consul => Follower::Consul(Consul::new(options)?),
            Backend::Redis => Follower::Redis(Redis::new(options)?),
            Backend::Zookeeper => Follower::Zookeeper(Zookeeper::new(options)?),
        })
    }

    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        match self {
            Follower::Etcd(store) => store.read(prefixes).await,
            Follower::EtcdV2(store) => store.read(prefixes).await,
            Follower::EtcdV3(store) => store.read(prefixes).await,
            Follower::Consul(store) => store.read(prefixes).await,
            Follower::Redis(store) => store.read(prefixes).await,
            Follower::Zookeeper(store) => store.read(prefixes).await,
            Follower::File(store) => store.read(prefixes).await,
            Follower::Env => Ok(env::read(prefixes)),
        }
    }

    async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        match self {
            Follower::Etcd(store) => Box::pin(store.session(prefixes, feed)).await,
            Follower::EtcdV2(store) => store.session(prefixes, feed).await,
            Follower::EtcdV3(store) => Box::pin(store.session(prefixes, feed)).await,
            Follower::Consul(store) => store.session(prefixes, feed).await,
            Follower::Redis(store) => store.session(prefixes, feed).await,
            Follower::Zookeeper(store) => store.session(prefixes, feed).await,
            Follower::File(store) => store.session(prefixes, feed).await,
            Follower::Env => match env::follow(prefixes, feed).await {},
        }
    }
}

/// See [`super::Store::follow`].
pub(super) async fn forever(
    mut follower: Follower,
    prefixes: Prefixes,
    live: Live,
    backend: Backend,
) -> Infallible {
    let mut feed = Feed::new(live, backend);
    let mut backoff = Backoff::new();
    loop {
        let error = Box::pin(follower.session(&prefixes, &mut feed)).await;
        if feed.began.is_some_and(|began| began.elapsed() >= STEADY) {
            backoff.reset();
        }
        feed.lost(&error);
        tokio::time::sleep(backoff.wait()).await;
    }
}

/// See [`super::Store::poll`].
pub(super) async fn poll(
    mut follower: Follower,
    prefixes: Prefixes,
    live: Live,
    backend: Backend,
    every: Duration,
) -> Infallible {
    let mut feed = Feed::new(live, backend);
    let mut backoff = Backoff::new();
    loop {
        let wait = match Box::pin(follower.read(&prefixes)).await {
            Ok(keys) => {
                backoff.reset();
                feed.whole(keys);
                every
            }
            Err(error) => {
                feed.lost(&error);
                backoff.wait().min(every)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// See [`super::Store::load`].
pub(super) async fn once(mut follower: Follower, prefixes: &Prefixes, live: Live, backend: Backend) {
    let mut feed = Feed::new(live, backend);
    match Box::pin(follower.read(prefixes)).await {
        Ok(keys) => feed.whole(keys),
        Err(error) => feed.lost(&error),
    }
}

/// Where a session's findings go.
pub(super) struct Feed {
    live: Live,
    backend: Backend,
    /// Since when nothing is heard from the store.
    outage: Option<Instant>,
    /// When an outage was last logged.
    warned: Option<Instant>,
    /// This outage follows so soon on that one that it is not logged again.
    quiet: bool,
    /// When the present or last session began to deliver.
    began: Option<Instant>,
}

impl Feed {
    fn new(live: Live, backend: Backend) -> Feed {
        Feed { live, backend, outage: None, warned: None, quiet: false, began: None }
    }

    /// The whole of what the store holds, from whichever node answered.
    fn whole(&mut self, keys: Keys) {
        let revision = self.live.revision() + 1;
        self.all(self.backend.name(), keys, revision);
    }

    /// The whole of what the store holds, read just now from `node`.
    pub(super) fn all(&mut self, node: &str, keys: Keys, revision: u64) {
        self.live.replace(keys, revision);
        self.connected(node);
    }

    /// Some changes.
    pub(super) fn some(&self, revision: u64, change: impl FnOnce(&mut Batch<'_>)) {
        self.live.update(revision, change);
    }

    /// What has been fed so far.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// The keys are current, by what `node` says.
    pub(super) fn connected(&mut self, node: &str) {
        let now = Instant::now();
        if !self.live.health().connected() {
            self.began = Some(now);
            self.live.set_health(Health::Connected { since: now, node: node.to_owned() });
        }
        let store = self.backend;
        match self.outage.take() {
            None => {}
            Some(since) if self.quiet => debug!(%store, node, after = ?since.elapsed(), "the store is back"),
            Some(since) => info!(%store, node, after = ?since.elapsed(), "the store is back"),
        }
    }

    fn lost(&mut self, error: &Error) {
        let now = Instant::now();
        let store = self.backend;
        let why = error.to_string();
        if self.outage.is_some() {
            debug!(%store, why, "the store still cannot be followed");
        } else {
            self.quiet = self.warned.is_some_and(|warned| now.duration_since(warned) < STEADY);
            if self.quiet {
                debug!(%store, why, "the store cannot be followed again");
            } else {
                self.warned = Some(now);
                warn!(%store, why, "the store cannot be followed; the last known keys stay in use");
            }
        }
        let since = *self.outage.get_or_insert(now);
        self.live.set_health(match (self.live.health(), self.began) {
            (_, None) => Health::Never { why, since },
            (_, Some(_)) => Health::Lost { why, since },
        });
    }
}
