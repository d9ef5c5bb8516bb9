//! Reading everything, page by page, as it was at one revision.

use etcd_client::{GetOptions, KeyValue};

use super::super::error::Error;
use super::super::live;
use super::super::prefixes::Prefixes;
use super::connect::{Node, compacted, too_large};
use super::witness::{Position, Witness};
use crate::render::keys::{Keys, canonical};

/// Keys in a page, unless their values are so large that fewer fit.
const PAGE: i64 = 2_000;
/// How often a read that was overtaken by a compaction starts again.
const TRIES: usize = 3;

/// All keys as they were at one revision, and where events go on from.
pub(super) struct Read {
    pub(super) keys: Keys,
    pub(super) position: Position,
}

/// The range of keys that are `prefix` or below it: [prefix, prefix + '0'), since '0' follows '/'. It also holds keys
/// such as `prefix-x`, which are left out when they arrive; two ranges would be two requests and two watches.
pub(super) fn range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    if prefix == "/" { (b"/".to_vec(), b"0".to_vec()) } else { (prefix.into(), format!("{prefix}0").into()) }
}

/// Whether any key is there.
pub(super) async fn any(node: &mut Node, prefixes: &Prefixes) -> Result<bool, Error> {
    for prefix in prefixes.iter() {
        let (start, end) = range(prefix);
        let options = GetOptions::new().with_range(end).with_limit(1).with_keys_only();
        let mut kv = node.kv.clone();
        let answer = node.ask("a read", kv.get(start, Some(options))).await?;
        if !answer.kvs().is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads everything.
pub(super) async fn all(node: &mut Node, prefixes: &Prefixes) -> Result<Read, Error> {
    let mut left = TRIES;
    loop {
        left -= 1;
        match at_one_revision(node, prefixes).await {
            Err(error) if compacted(&error) && left > 0 => {}
            other => return other,
        }
    }
}

async fn at_one_revision(node: &mut Node, prefixes: &Prefixes) -> Result<Read, Error> {
    let mut keys = Keys::default();
    let mut witness: Option<Witness> = None;
    let mut cluster = 0;
    let mut revision = 0;
    for prefix in prefixes.iter() {
        let (mut start, end) = range(prefix);
        let mut limit = PAGE;
        loop {
            let options = GetOptions::new().with_range(end.clone()).with_limit(limit).with_revision(revision);
            let mut kv = node.kv.clone();
            let mut answer = match node.ask("a read", kv.get(start.clone(), Some(options))).await {
                Err(error) if too_large(&error) && limit > 1 => {
                    limit /= 2;
                    continue;
                }
                other => other?,
            };
            let Some(header) = answer.header() else {
                return Err(node.failed("an answer without a header"));
            };
            if revision == 0 {
                revision = header.revision();
                cluster = header.cluster_id();
            }
            let more = answer.more();
            let page = answer.take_kvs();
            let Some(last) = page.last() else { break };
            start = last.key().to_vec();
            start.push(0);
            for kv in &page {
                enter(&mut keys, prefixes, kv);
                if witness.as_ref().is_none_or(|witness| witness.modified < kv.mod_revision()) {
                    witness = Some(Witness::of(kv));
                }
            }
            if !more {
                break;
            }
        }
    }
    let position = Position::new(prefixes, cluster, revision, witness);
    Ok(Read { keys, position })
}

fn enter(keys: &mut Keys, prefixes: &Prefixes, kv: &KeyValue) {
    match path(kv.key(), prefixes) {
        Path::Ours(path) => {
            live::set(keys, &path, kv.value());
        }
        Path::NoText(path) => {
            keys.refuse(&path, NO_TEXT);
        }
        Path::Others => {}
    }
}

pub(super) const NO_TEXT: &str = "the key is not UTF-8";

/// What a key of etcd is to us.
pub(super) enum Path {
    Ours(String),
    /// One of ours, but with bytes that are no text, shown as they can be.
    NoText(String),
    /// In the range that was asked for, but not ours.
    Others,
}

pub(super) fn path(key: &[u8], prefixes: &Prefixes) -> Path {
    let path = canonical(&String::from_utf8_lossy(key));
    match prefixes.covers(&path) {
        false => Path::Others,
        true if std::str::from_utf8(key).is_ok() => Path::Ours(path),
        true => Path::NoText(path),
    }
}
