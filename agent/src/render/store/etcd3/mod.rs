//! etcd through its v3 API.
//!
//! One connection to one node at a time: after a failure the next node is tried, and errors name the node that they
//! come from. A session resumes from the last events if a *witness* shows that the store is still the one that they
//! came from, and reads everything otherwise: after a wipe, a restore, a compaction, or another cluster's answer.

mod connect;
mod read;
mod watch;
mod witness;

pub(crate) use connect::{Connector, Node};

use super::backoff::Backoff;
use super::error::Error;
use super::follow::Feed;
use super::options::Options;
use super::prefixes::Prefixes;
use crate::render::keys::Keys;
use watch::Ended;
use witness::Position;

/// A follower of etcd v3.
#[derive(Clone, Debug)]
pub(crate) struct Etcd3 {
    connector: Connector,
    next: usize,
    /// Where the last session stood, with the prefixes that it followed.
    position: Option<Position>,
}

impl Etcd3 {
    pub(super) fn new(options: &Options) -> Result<Etcd3, Error> {
        Ok(Etcd3 { connector: Connector::new(options)?, next: 0, position: None })
    }

    /// Reads everything once.
    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        let mut errors = Vec::new();
        for index in 0..self.connector.nodes() {
            let read = async {
                let mut node = self.connector.connect(index).await?;
                read::all(&mut node, prefixes).await
            };
            match read.await {
                Ok(read) => return Ok(read.keys),
                Err(error) => errors.push(error),
            }
        }
        Err(Error::of_nodes(errors))
    }

    /// Whether any key is there at or below `prefixes`.
    pub(super) async fn has_keys(&self, prefixes: &Prefixes) -> Result<bool, Error> {
        let mut errors = Vec::new();
        for index in 0..self.connector.nodes() {
            let look = async {
                let mut node = self.connector.connect(index).await?;
                read::any(&mut node, prefixes).await
            };
            match look.await {
                Ok(any) => return Ok(any),
                Err(error) => errors.push(error),
            }
        }
        Err(Error::of_nodes(errors))
    }

    /// Follows until something fails.
    pub(super) async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let mut errors = Vec::new();
        for _ in 0..self.connector.nodes() {
            let index = self.next;
            let begun = async {
                let mut node = self.connector.connect(index).await?;
                self.begin(&mut node, prefixes, feed).await?;
                Ok(node)
            };
            match begun.await {
                Ok(node) => {
                    let error = Box::pin(self.follow(node, prefixes, feed)).await;
                    self.next = (index + 1) % self.connector.nodes();
                    return error;
                }
                Err(error) => errors.push(error),
            }
            self.next = (index + 1) % self.connector.nodes();
        }
        Error::of_nodes(errors)
    }

    /// Makes sure that the tree is what the store held at the position's revisions.
    async fn begin(&mut self, node: &mut Node, prefixes: &Prefixes, feed: &mut Feed) -> Result<(), Error> {
        if let Some(mut position) = self.position.take_if(|position| position.of(prefixes)) {
            // Kept when this fails, since the node may only be gone for now.
            let same = witness::holds(node, &mut position).await;
            if !matches!(same, Ok(false)) {
                self.position = Some(position);
            }
            if same? {
                tracing::debug!(node = node.url(), "resuming");
                feed.connected(node.url());
                return Ok(());
            }
        }
        self.reread(node, prefixes, feed).await
    }

    async fn reread(&mut self, node: &mut Node, prefixes: &Prefixes, feed: &mut Feed) -> Result<(), Error> {
        let read = read::all(node, prefixes).await?;
        feed.all(node.url(), read.keys, u64::try_from(read.position.highest).unwrap_or(0));
        self.position = Some(read.position);
        Ok(())
    }

    /// Watches, and reads again on the same connection whenever events alone cannot tell the whole.
    async fn follow(&mut self, mut node: Node, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let mut backoff = Backoff::new();
        loop {
            let Some(position) = &mut self.position else {
                return node.failed("nothing was read");
            };
            let before = position.clone();
            match watch::run(&mut node, prefixes, position, feed).await {
                Ended::Failed(error) => {
                    // A position that led to nothing but an error is not tried a second time.
                    if *position == before && position.tried {
                        self.position = None;
                    } else {
                        position.tried = *position == before;
                    }
                    return error;
                }
                Ended::Reread(why) => {
                    tracing::info!(node = node.url(), why, "reading all keys of etcd again");
                    self.position = None;
                    tokio::time::sleep(backoff.wait()).await;
                    if let Err(error) = self.reread(&mut node, prefixes, feed).await {
                        return error;
                    }
                }
            }
        }
    }
}
