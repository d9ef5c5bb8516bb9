//! Events: one stream with a watch for each prefix.

use etcd_client::{WatchOptions, WatchResponse, WatchStream};
use tokio::time::{MissedTickBehavior, interval_at};

use super::super::error::Error;
use super::super::follow::Feed;
use super::super::prefixes::Prefixes;
use super::connect::Node;
use super::read::{NO_TEXT, Path, path, range};
use super::witness::{self, Position, Testimony, Witness};

/// Kinds of events. etcd-client's own reading of them panics at any other number.
const PUT: i32 = 0;
const DELETE: i32 = 1;

/// Why events are no longer enough.
pub(super) enum Ended {
    /// The node failed.
    Failed(Error),
    /// The node is fine, but what it has must be read again.
    Reread(&'static str),
}

/// Applies events from `position` on until that is no longer possible.
pub(super) async fn run(
    node: &mut Node,
    prefixes: &Prefixes,
    position: &mut Position,
    feed: &mut Feed,
) -> Ended {
    let mut stream = match open(node, prefixes, position).await {
        Ok(stream) => stream,
        Err(error) => return Ended::Failed(error),
    };
    let mut watch = Watch { created: Vec::new(), prefixes };
    let check = node.timeouts.check;
    let mut checks = interval_at(tokio::time::Instant::now() + check, check);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut doubt: Option<Witness> = None;
    loop {
        let outcome = tokio::select! {
            message = stream.message() => match message {
                Ok(Some(response)) => watch.apply(node, position, feed, &response),
                Ok(None) => Err(Ended::Failed(node.failed("the node ended the watch"))),
                Err(error) => Err(Ended::Failed(node.error(&error))),
            },
            _ = checks.tick() => check_store(node, position, &mut doubt).await,
        };
        if let Err(ended) = outcome {
            return ended;
        }
    }
}

async fn open(node: &mut Node, prefixes: &Prefixes, position: &Position) -> Result<WatchStream, Error> {
    let mut client = node.watch.clone();
    let mut stream: Option<WatchStream> = None;
    for (index, prefix) in prefixes.iter().enumerate() {
        let (start, end) = range(prefix);
        let options = WatchOptions::new().with_range(end).with_start_revision(position.from(index));
        match &mut stream {
            None => stream = Some(node.ask("a watch", client.watch(start, Some(options))).await?),
            Some(stream) => node.ask("a watch", stream.watch(start, Some(options))).await?,
        }
    }
    stream.ok_or_else(|| node.failed("there is nothing to watch"))
}

/// Notices a store that was exchanged while the connection stood, as behind a proxy, and one that hangs.
async fn check_store(
    node: &mut Node,
    position: &mut Position,
    doubt: &mut Option<Witness>,
) -> Result<(), Ended> {
    const ANOTHER: Ended = Ended::Reread("this is not the store that we followed: wiped or restored?");
    match witness::ask(node, position).await {
        Err(error) => Err(Ended::Failed(error)),
        Ok(Testimony::Other) => Err(ANOTHER),
        Ok(Testimony::Same | Testimony::None) => {
            *doubt = None;
            Ok(())
        }
        Ok(Testimony::Changed) => {
            // An event would have come by now if it was on its way at the last check.
            if doubt.is_some() && *doubt == position.witness {
                return Err(ANOTHER);
            }
            doubt.clone_from(&position.witness);
            Ok(())
        }
    }
}

struct Watch<'a> {
    /// Id of each prefix's watch: the node creates them in the order in which they were asked for.
    created: Vec<i64>,
    prefixes: &'a Prefixes,
}

impl Watch<'_> {
    fn apply(
        &mut self,
        node: &Node,
        position: &mut Position,
        feed: &mut Feed,
        response: &WatchResponse,
    ) -> Result<(), Ended> {
        if response.canceled() {
            return Err(match (response.compact_revision(), response.cancel_reason()) {
                (1.., _) => Ended::Reread("events that we have not seen are compacted"),
                (_, reason) if reason.contains("permission denied") || reason.contains("auth") => {
                    Ended::Failed(Error::Refused { node: node.url().to_owned(), why: reason.to_owned() })
                }
                (_, "") => Ended::Failed(node.failed("the node cancelled the watch")),
                (_, reason) => Ended::Failed(node.failed(reason)),
            });
        }
        if response.header().is_some_and(|header| header.cluster_id() != position.cluster) {
            return Err(Ended::Reread("another cluster answers"));
        }
        if response.created() {
            self.created.push(response.watch_id());
            return Ok(());
        }
        let Some(index) = self.created.iter().position(|id| *id == response.watch_id()) else {
            return Ok(());
        };
        self.events(node, index, position, feed, response)
    }

    fn events(
        &self,
        node: &Node,
        index: usize,
        position: &mut Position,
        feed: &mut Feed,
        response: &WatchResponse,
    ) -> Result<(), Ended> {
        let mut odd = Ok(());
        for event in response.events() {
            let kind = event.0.r#type;
            let Some(kv) = event.kv() else { continue };
            match kind {
                PUT | DELETE => position.event(index, kv, kind == PUT),
                _ => {
                    let why = format!("an event of unknown kind {kind}");
                    return Err(Ended::Failed(node.failed(&why)));
                }
            }
        }
        let revision = u64::try_from(position.highest).unwrap_or(0);
        feed.some(revision, |batch| {
            for event in response.events() {
                let Some(kv) = event.kv() else { continue };
                let put = event.0.r#type == PUT;
                match path(kv.key(), self.prefixes) {
                    Path::Ours(path) if put => batch.put(&path, kv.value()),
                    // Two spellings of one path may both be there; only a read can tell what is left.
                    Path::Ours(path) if path.as_bytes() != kv.key() => {
                        odd = Err(Ended::Reread("a key with an unusual spelling was deleted"));
                    }
                    Path::NoText(path) if put => batch.refuse(&path, NO_TEXT),
                    Path::Ours(path) | Path::NoText(path) => batch.delete(&path),
                    Path::Others => {}
                }
            }
        });
        odd
    }
}
