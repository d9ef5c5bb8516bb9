//! Whether a store is still the one that our keys came from.
//!
//! Revisions alone do not tell: a store that was wiped, or restored from a snapshot, counts up again and may be past our
//! revision when we are back. So the newest key that we know stands witness: a store that has it with the same
//! revisions has the same history up to there, and events are taken from there on and not from later.

use etcd_client::KeyValue;

use super::super::error::Error;
use super::super::prefixes::Prefixes;
use super::connect::Node;
use super::read;

/// A key as it was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) key: Vec<u8>,
    pub(super) modified: i64,
    created: i64,
    version: i64,
}

impl Witness {
    pub(super) fn of(kv: &KeyValue) -> Witness {
        Witness {
            key: kv.key().to_vec(),
            modified: kv.mod_revision(),
            created: kv.create_revision(),
            version: kv.version(),
        }
    }
}

/// How far we have followed a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    prefixes: Prefixes,
    pub(super) cluster: u64,
    /// Highest revision that the store has shown.
    pub(super) highest: i64,
    /// For each prefix the revision up to which all events have been seen: watches of one stream are not in step.
    seen: Vec<i64>,
    /// The key written last, of all that we know; none when it was deleted since.
    pub(super) witness: Option<Witness>,
    /// Resuming from here has failed before.
    pub(super) tried: bool,
}

impl Position {
    pub(super) fn new(
        prefixes: &Prefixes,
        cluster: u64,
        revision: i64,
        witness: Option<Witness>,
    ) -> Position {
        Position {
            seen: vec![revision; prefixes.len()],
            prefixes: prefixes.clone(),
            cluster,
            highest: revision,
            witness,
            tried: false,
        }
    }

    pub(super) fn of(&self, prefixes: &Prefixes) -> bool {
        self.prefixes == *prefixes
    }

    /// First revision that the watch of the `index`th prefix asks for.
    pub(super) fn from(&self, index: usize) -> i64 {
        self.seen.get(index).map_or(0, |seen| seen + 1)
    }

    /// Notes an event of the `index`th prefix.
    pub(super) fn event(&mut self, index: usize, kv: &KeyValue, put: bool) {
        let revision = kv.mod_revision();
        self.highest = self.highest.max(revision);
        if let Some(seen) = self.seen.get_mut(index) {
            *seen = revision.max(*seen);
        }
        if put {
            if self.witness.as_ref().is_none_or(|witness| witness.modified <= revision) {
                self.witness = Some(Witness::of(kv));
            }
        } else if self.witness.as_ref().is_some_and(|witness| witness.key == kv.key()) {
            self.witness = None;
        }
    }

    /// Goes back to where the history is known to be the same.
    fn rewind(&mut self, to: i64) {
        for seen in &mut self.seen {
            *seen = to.min(*seen);
        }
    }
}

/// What a store says about the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testimony {
    /// The same history.
    Same,
    /// Another store, or the past of this one.
    Other,
    /// It has been written or deleted since; an event may be on its way.
    Changed,
    /// There is no witness, and nothing speaks against the store.
    None,
}

/// Asks the store. This goes through a quorum, so an answer also means that the node is a living part of the cluster.
pub(super) async fn ask(node: &mut Node, position: &mut Position) -> Result<Testimony, Error> {
    let key = match &position.witness {
        Some(witness) => witness.key.clone(),
        None => position.prefixes.iter().next().map(|prefix| read::range(prefix).0).unwrap_or_default(),
    };
    let mut kv = node.kv.clone();
    let answer = node.ask("a check", kv.get(key, None)).await?;
    let Some(header) = answer.header() else { return Err(node.failed("an answer without a header")) };
    if header.cluster_id() != position.cluster || header.revision() < position.highest {
        return Ok(Testimony::Other);
    }
    position.highest = header.revision();
    let Some(witness) = &position.witness else { return Ok(Testimony::None) };
    Ok(match answer.kvs().first().map(Witness::of) {
        Some(now) if now == *witness => Testimony::Same,
        Some(now) if now.modified <= witness.modified => Testimony::Other,
        _ => Testimony::Changed,
    })
}

/// Whether events can be resumed from `position` on this node, which is then set back to the last sure place.
pub(super) async fn holds(node: &mut Node, position: &mut Position) -> Result<bool, Error> {
    if ask(node, position).await? != Testimony::Same {
        return Ok(false);
    }
    if let Some(witness) = &position.witness {
        position.rewind(witness.modified);
    }
    Ok(true)
}
