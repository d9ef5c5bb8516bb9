//! etcd through its v2 HTTP API.
//!
//! One long poll for each prefix, each from the index after the last event that it has seen, so that nothing is lost
//! between two polls. The server keeps a thousand events: whoever asks for older ones is told so and reads again.

pub(crate) mod api;
pub(crate) mod poll;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

pub(crate) use api::{Api, Node, garbage};

use super::backoff::Backoff;
use super::error::Error;
use super::follow::Feed;
use super::live::set;
use super::options::Options;
use super::prefixes::Prefixes;
use crate::render::keys::Keys;
use poll::Polled;

/// A follower of etcd v2.
#[derive(Clone, Debug)]
pub(crate) struct Etcd2 {
    api: Api,
    urls: Vec<String>,
    next: usize,
}

/// Everything, and the index up to which each prefix is known.
struct Read {
    keys: Keys,
    cluster: Option<String>,
    seen: Vec<u64>,
}

impl Etcd2 {
    pub(super) fn new(options: &Options) -> Result<Etcd2, Error> {
        Ok(Etcd2 { api: Api::new(options)?, urls: options.urls()?, next: 0 })
    }

    /// Reads everything once.
    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        let mut errors = Vec::new();
        for url in &self.urls {
            match self.all(url, prefixes).await {
                Ok(read) => return Ok(read.keys),
                Err(error) => errors.push(error),
            }
        }
        Err(Error::of_nodes(errors))
    }

    /// Whether any key is there; an error too if there is no such API.
    pub(super) async fn has_keys(&mut self, prefixes: &Prefixes) -> Result<bool, Error> {
        Ok(!self.read(prefixes).await?.is_empty())
    }

    /// Follows until something fails.
    pub(super) async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let mut errors = Vec::new();
        for _ in 0..self.urls.len() {
            let index = self.next;
            self.next = (index + 1) % self.urls.len();
            let Some(url) = self.urls.get(index).cloned() else { break };
            match self.all(&url, prefixes).await {
                Ok(read) => return self.follow(&url, prefixes, read, feed).await,
                Err(error) => errors.push(error),
            }
        }
        Error::of_nodes(errors)
    }

    async fn all(&self, url: &str, prefixes: &Prefixes) -> Result<Read, Error> {
        let mut read = Read { keys: Keys::default(), cluster: None, seen: Vec::new() };
        for prefix in prefixes.iter() {
            let found = self.api.read(url, prefix, true).await?;
            read.cluster = read.cluster.or(found.cluster);
            read.seen.push(found.index);
            if let Some(node) = found.node {
                node.leaves(&mut |key, value| {
                    set(&mut read.keys, key, value.as_bytes());
                });
            }
        }
        Ok(read)
    }

    async fn follow(&self, url: &str, prefixes: &Prefixes, mut read: Read, feed: &mut Feed) -> Error {
        let mut backoff = Backoff::new();
        loop {
            let revision = read.seen.iter().copied().max().unwrap_or(0);
            feed.all(url, std::mem::take(&mut read.keys), revision);
            match self.poll(url, prefixes, &read, feed).await {
                Ok(why) => tracing::info!(node = url, why, "reading all keys of etcd v2 again"),
                Err(error) => return error,
            }
            tokio::time::sleep(backoff.wait()).await;
            read = match self.all(url, prefixes).await {
                Ok(read) => read,
                Err(error) => return error,
            };
        }
    }

    /// Applies events until everything must be read again, which is `Ok` with the reason, or the node fails.
    async fn poll(
        &self,
        url: &str,
        prefixes: &Prefixes,
        read: &Read,
        feed: &mut Feed,
    ) -> Result<&'static str, Error> {
        let cluster = read.cluster.as_deref();
        let mut polls = FuturesUnordered::new();
        for (prefix, seen) in prefixes.iter().zip(&read.seen) {
            polls.push(poll::once(&self.api, url, prefix, *seen, cluster, Duration::ZERO));
        }
        while let Some(polled) = polls.next().await {
            let (prefix, seen, pause) = match polled? {
                Polled::Reread(why) => return Ok(why),
                Polled::Nothing { prefix, seen, pause } => (prefix, seen, pause),
                Polled::Event { prefix, event } => {
                    let seen = event.index();
                    feed.some(seen, |batch| event.apply(batch));
                    (prefix, seen, Duration::ZERO)
                }
            };
            polls.push(poll::once(&self.api, url, prefix, seen, cluster, pause));
        }
        Ok("there is nothing to poll for")
    }
}
