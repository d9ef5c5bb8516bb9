//! Redis: strings are keys, and fields of hashes are keys below them.
//!
//! Keyspace notifications tell which keys to fetch. They are not kept for whoever is away, so every session begins with
//! a full read; and they do not tell of everything (a flushed database), so now and then there is another. Where they
//! are off, which is Redis's default, that is said once and everything is read every few seconds instead.

mod connect;
pub(crate) mod fetch;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use redis::Msg;
use tokio::time::{MissedTickBehavior, interval_at};

use super::error::Error;
use super::follow::Feed;
use super::options::Options;
use super::prefixes::Prefixes;
use crate::render::keys::Keys;
use connect::{Node, Nodes};
use fetch::{Mirror, Names};

/// Between two full reads where there are no notifications, at least.
const POLL: Duration = Duration::from_secs(2);
/// Between two full reads where there are.
const RECONCILE: Duration = Duration::from_mins(5);
/// Keys that are fetched for one burst of notifications.
const BURST: usize = 1_000;

/// A follower of Redis.
#[derive(Clone, Debug)]
pub(super) struct Redis {
    nodes: Nodes,
    names: Names,
    next: usize,
    /// That notifications are off has been said.
    said: bool,
}

/// Whether Redis tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notifications {
    On,
    Off,
    /// We may not ask.
    Unknown,
}

impl Redis {
    pub(super) fn new(options: &Options) -> Result<Redis, Error> {
        Ok(Redis { nodes: Nodes::new(options)?, names: Names::new(&options.separator), next: 0, said: false })
    }

    /// Reads everything once.
    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        let mut errors = Vec::new();
        for index in 0..self.nodes.len() {
            let read = async {
                let node = self.nodes.connect(index).await?;
                Mirror::default().all(&node, &self.names, prefixes).await
            };
            match read.await {
                Ok(keys) => return Ok(keys),
                Err(error) => errors.push(error),
            }
        }
        Err(Error::of_nodes(errors))
    }

    /// Follows until something fails.
    pub(super) async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let mut errors = Vec::new();
        for _ in 0..self.nodes.len() {
            let index = self.next;
            self.next = (index + 1) % self.nodes.len();
            match self.nodes.connect(index).await {
                Ok(node) => match self.follow(node, prefixes, feed).await {
                    Ok(never) => match never {},
                    Err(error) => return error,
                },
                Err(error) => errors.push(error),
            }
        }
        Error::of_nodes(errors)
    }

    async fn follow(
        &mut self,
        node: Node,
        prefixes: &Prefixes,
        feed: &mut Feed,
    ) -> Result<std::convert::Infallible, Error> {
        let notifications = notifications(&node).await?;
        if notifications == Notifications::Off {
            return self.poll(&node, prefixes, feed).await;
        }
        // Subscribed before the read, so that nothing falls between.
        let mut patterns = Vec::new();
        for prefix in prefixes.iter() {
            let channel = format!("__keyspace@{}__:", node.database());
            patterns
                .extend(self.names.patterns(prefix).into_iter().map(|pattern| format!("{channel}{pattern}")));
        }
        let (mut sink, mut news) = node.subscribe(&patterns).await?.split();
        let mut mirror = Mirror::default();
        let mut revision = feed.live().revision() + 1;
        feed.all(node.name(), mirror.all(&node, &self.names, prefixes).await?, revision);
        let mut read = Instant::now();
        let check = node.timeouts.check;
        let mut checks = interval_at(tokio::time::Instant::now() + check, check);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let keys = tokio::select! {
                message = news.next() => {
                    let ended = || node.failed("the subscription ended");
                    Some(burst(message, &mut news).ok_or_else(ended)?)
                }
                _ = checks.tick() => None,
            };
            revision += 1;
            if let Some(keys) = keys {
                let fetched = Mirror::some(&node, keys).await?;
                feed.some(revision, |batch| mirror.apply(&self.names, fetched, batch));
                continue;
            }
            node.within("a ping", sink.ping::<redis::Value>()).await?;
            let flushed = !feed.live().keys().is_empty() && node.size().await? == 0;
            let limit = if notifications == Notifications::Unknown { POLL * 5 } else { RECONCILE };
            if flushed || read.elapsed() >= limit {
                feed.all(node.name(), mirror.all(&node, &self.names, prefixes).await?, revision);
                read = Instant::now();
            }
        }
    }

    async fn poll(
        &mut self,
        node: &Node,
        prefixes: &Prefixes,
        feed: &mut Feed,
    ) -> Result<std::convert::Infallible, Error> {
        if !self.said {
            self.said = true;
            tracing::warn!(
                node = node.name(),
                "Redis does not tell of changes, so all keys are read every few seconds; \
                 `CONFIG SET notify-keyspace-events KA` makes it tell"
            );
        }
        let mut mirror = Mirror::default();
        let mut revision = feed.live().revision();
        loop {
            let began = Instant::now();
            let keys = mirror.all(node, &self.names, prefixes).await?;
            revision += 1;
            feed.all(node.name(), keys, revision);
            // A read that takes long is not to keep Redis busy.
            tokio::time::sleep(POLL.max(began.elapsed() * 10)).await;
            if notifications(node).await? != Notifications::Off {
                return Err(node.failed("it tells of changes now; following anew"));
            }
        }
    }
}

async fn notifications(node: &Node) -> Result<Notifications, Error> {
    let Some(flags) = node.setting("notify-keyspace-events").await? else {
        return Ok(Notifications::Unknown);
    };
    let enough =
        flags.contains('K') && (flags.contains('A') || "g$hxe".chars().all(|flag| flags.contains(flag)));
    Ok(if enough { Notifications::On } else { Notifications::Off })
}

/// The keys of a message and of those that wait behind it. `None` when the subscription has ended.
fn burst(first: Option<Msg>, news: &mut (impl Stream<Item = Msg> + Unpin)) -> Option<BTreeSet<Vec<u8>>> {
    let mut keys = BTreeSet::new();
    let mut message = first?;
    loop {
        if let Ok(channel) = message.get_channel::<Vec<u8>>()
            && let Some(colon) = channel.iter().position(|byte| *byte == b':')
        {
            keys.insert(channel.get(colon + 1..).unwrap_or_default().to_vec());
        }
        if keys.len() >= BURST {
            return Some(keys);
        }
        match news.next().now_or_never() {
            Some(Some(next)) => message = next,
            // An end that is seen here is seen again at the next turn.
            Some(None) | None => return Some(keys),
        }
    }
}
