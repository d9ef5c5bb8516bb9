//! What stores answer. Behind the follower of each is one tree, which must stay a tree of canonical paths.

use std::path::Path;

use vipward::fuzzing;
use vipward::render::keys::{Keys, canonical};
use vipward::render::store::{Changed, Live};

use crate::{assert_plain, parts};

/// What is followed.
const PREFIX: &str = "/a";
/// Answers that an input may hold.
const ANSWERS: usize = 6;
/// Keys that Redis is asked for.
const ASKED: [&str; 4] = ["/a", "/a/b", "/a/h", "/a/ä"];

/// Answers to a read and to polls after it, divided by zero bytes; the first byte of each is its status.
pub(crate) fn etcd2(data: &[u8], _: &Path) {
    let live = Live::default();
    for (number, answer) in (1..).zip(parts(data, ANSWERS)) {
        let (status, body) = status(answer);
        if number == 1 {
            let mut keys = Keys::default();
            said(fuzzing::etcd2_keys(status, body, &mut keys));
            live.replace(keys, number);
            continue;
        }
        change(&live, number, |batch| fuzzing::etcd2_event(status, body, batch));
    }
    judge(&live.keys());
}

/// Answers to one query after another, divided by zero bytes; the first byte of each is its status.
pub(crate) fn consul(data: &[u8], _: &Path) {
    let live = Live::default();
    for (number, answer) in (1..).zip(parts(data, ANSWERS)) {
        let (status, body) = status(answer);
        change(&live, number, |batch| fuzzing::consul(status, body, PREFIX, batch));
        assert!(live.keys().iter().all(|(path, _)| path == PREFIX || path.starts_with("/a/")));
    }
    judge(&live.keys());
}

/// Replies in Redis' own form, one behind the other.
pub(crate) fn redis(data: &[u8], _: &Path) {
    let live = Live::default();
    for (number, separator) in [(1, "/"), (2, ":")] {
        change(&live, number, |batch| fuzzing::redis(data, &ASKED, separator, batch));
    }
    judge(&live.keys());
}

/// A file of keys; the first byte says in which form.
pub(crate) fn file(data: &[u8], _: &Path) {
    let Some((form, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let name = ["k.yaml", "k.json", "k.toml"][usize::from(*form) % 3];
    let mut keys = Keys::default();
    // The parsers' own messages have lines, and become one in the log.
    let _ = fuzzing::document(name, text, PREFIX, &mut keys);
    judge(&keys);
}

fn status(answer: &[u8]) -> (u16, &[u8]) {
    match answer.split_first() {
        Some((b'4', body)) => (404, body),
        Some((b'5', body)) => (500, body),
        Some((_, body)) => (200, body),
        None => (200, answer),
    }
}

/// Applies a change; a reader learns of nothing that is as it was before.
fn change(
    live: &Live,
    revision: u64,
    change: impl FnOnce(&mut vipward::render::store::Batch<'_>) -> Result<(), String>,
) {
    let before = live.keys().clone();
    let mut reader = live.subscribe();
    live.update(revision, |batch| said(change(batch)));
    let told = reader.take();
    match (before == *live.keys(), told.map(|change| change.paths)) {
        (false, None) => panic!("a change that nobody is told of"),
        (_, Some(Changed::Paths(paths))) => assert!(paths.iter().all(|path| **path == canonical(path))),
        _ => {}
    }
}

/// What a server says of itself is shown on one line of a log, and bounded.
fn said(outcome: Result<(), String>) {
    if let Err(message) = outcome {
        assert!(message.len() < 4096, "{} bytes of a message", message.len());
    }
}

fn judge(keys: &Keys) {
    for (path, _) in keys.iter() {
        assert_eq!(path, canonical(path));
        assert!(path.starts_with('/') && (path == "/" || !path.ends_with('/')) && !path.contains("//"));
        assert!(keys.under(path).any(|(below, _)| below == path));
    }
    for (path, why) in keys.unreadable("/") {
        assert!(keys.get(path).is_none(), "{path} has a value and has none");
        assert_plain(why);
    }
}
