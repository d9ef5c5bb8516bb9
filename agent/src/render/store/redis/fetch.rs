//! Fetching keys, all or some, and what they are to us.

use std::collections::{BTreeSet, HashMap};

use redis::FromRedisValue;

use super::super::error::Error;
use super::super::live::{self, Batch};
use super::super::prefixes::Prefixes;
use super::connect::Node;
use crate::render::keys::{Keys, canonical};

/// Keys asked for in one request.
const CHUNK: usize = 100;
/// Keys that one step of a scan looks at.
const SCAN: usize = 1_000;
const NO_TEXT: &str = "the key is not UTF-8";

/// How names of keys and paths belong together.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    separator: String,
}

impl Names {
    pub(crate) fn new(separator: &str) -> Names {
        Names { separator: separator.to_owned() }
    }

    /// The key of a path. With another separator keys do not begin with one, as in confd.
    fn key(&self, path: &str) -> String {
        if self.separator == "/" {
            path.to_owned()
        } else {
            path.trim_start_matches('/').replace('/', &self.separator)
        }
    }

    /// The path of a key; the second says whether the key is text.
    fn path(&self, key: &[u8]) -> (String, bool) {
        let text = String::from_utf8_lossy(key);
        let text = if self.separator == "/" { text.into_owned() } else { text.replace(&self.separator, "/") };
        (canonical(&text), std::str::from_utf8(key).is_ok())
    }

    /// Glob patterns that match the key of `prefix` and those below it.
    pub(super) fn patterns(&self, prefix: &str) -> Vec<String> {
        let mut key = String::new();
        for character in self.key(prefix).chars() {
            if "*?[]^-\\".contains(character) {
                key.push('\\');
            }
            key.push(character);
        }
        match prefix {
            "/" if self.separator == "/" => vec!["/*".to_owned()],
            "/" => vec!["*".to_owned()],
            _ => vec![key.clone(), format!("{key}{}*", self.separator)],
        }
    }
}

/// What a key holds.
pub(crate) enum Held {
    Nothing,
    Text(Vec<u8>),
    Fields(Vec<(Vec<u8>, Vec<u8>)>),
}

/// Which fields of which hash are among the keys: fields that go must be told from keys that stay.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    hashes: HashMap<Vec<u8>, BTreeSet<String>>,
}

impl Mirror {
    /// Reads everything.
    pub(super) async fn all(
        &mut self,
        node: &Node,
        names: &Names,
        prefixes: &Prefixes,
    ) -> Result<Keys, Error> {
        self.hashes.clear();
        let mut found = BTreeSet::new();
        for prefix in prefixes.iter() {
            for pattern in names.patterns(prefix) {
                scan(node, &pattern, &mut found).await?;
            }
        }
        let mut keys = Keys::default();
        let found: Vec<Vec<u8>> = found.into_iter().collect();
        for chunk in found.chunks(CHUNK) {
            for (key, held) in fetch(node, chunk).await? {
                let (path, text) = names.path(&key);
                match held {
                    _ if !prefixes.covers(&path) => {}
                    Held::Nothing => {}
                    _ if !text => {
                        keys.refuse(&path, NO_TEXT);
                    }
                    Held::Text(value) => {
                        live::set(&mut keys, &path, &value);
                    }
                    Held::Fields(fields) => {
                        for (field, value) in &fields {
                            live::set(&mut keys, &below(&path, field), value);
                        }
                        self.note(key, &path, &fields);
                    }
                }
            }
        }
        Ok(keys)
    }

    /// Fetches some keys; what that changes is for [`Mirror::apply`].
    pub(super) async fn some(node: &Node, keys: BTreeSet<Vec<u8>>) -> Result<Vec<(Vec<u8>, Held)>, Error> {
        let keys: Vec<Vec<u8>> = keys.into_iter().collect();
        let mut fetched = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(CHUNK) {
            fetched.append(&mut fetch(node, chunk).await?);
        }
        Ok(fetched)
    }

    /// Changes the tree to what was fetched.
    pub(crate) fn apply(&mut self, names: &Names, fetched: Vec<(Vec<u8>, Held)>, batch: &mut Batch<'_>) {
        for (key, held) in fetched {
            let (path, text) = names.path(&key);
            let before = self.hashes.remove(&key);
            match held {
                Held::Nothing => batch.delete(&path),
                _ if !text => batch.refuse(&path, NO_TEXT),
                Held::Text(value) => batch.put(&path, &value),
                Held::Fields(fields) => {
                    if before.is_none() {
                        // It may have been a string.
                        batch.delete(&path);
                    }
                    for (field, value) in &fields {
                        batch.put(&below(&path, field), value);
                    }
                    self.note(key.clone(), &path, &fields);
                }
            }
            let now = self.hashes.get(&key);
            for field in before.iter().flatten() {
                if now.is_none_or(|now| !now.contains(field)) {
                    batch.delete(field);
                }
            }
        }
    }

    fn note(&mut self, key: Vec<u8>, path: &str, fields: &[(Vec<u8>, Vec<u8>)]) {
        self.hashes.insert(key, fields.iter().map(|(field, _)| below(path, field)).collect());
    }
}

fn below(path: &str, field: &[u8]) -> String {
    canonical(&format!("{path}/{}", String::from_utf8_lossy(field)))
}

async fn scan(node: &Node, pattern: &str, found: &mut BTreeSet<Vec<u8>>) -> Result<(), Error> {
    let mut cursor = "0".to_owned();
    loop {
        let mut connection = node.connection.clone();
        let mut command = redis::cmd("SCAN");
        command.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN);
        let (next, keys): (String, Vec<Vec<u8>>) =
            node.within("a scan", command.query_async(&mut connection)).await?;
        found.extend(keys);
        if next == "0" || next == cursor {
            return Ok(());
        }
        cursor = next;
    }
}

async fn fetch(node: &Node, keys: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, Held)>, Error> {
    let values: Vec<Option<Vec<u8>>> = ask(node, "MGET", keys).await?;
    let mut held = Vec::with_capacity(keys.len());
    for (key, value) in keys.iter().zip(values) {
        let what = if let Some(value) = value {
            Held::Text(value)
        } else {
            // Not there any more, or no string.
            let one = std::slice::from_ref(key);
            let kind: String = ask(node, "TYPE", one).await?;
            if kind == "hash" { Held::Fields(ask(node, "HGETALL", one).await?) } else { Held::Nothing }
        };
        held.push((key.clone(), what));
    }
    Ok(held)
}

async fn ask<T: FromRedisValue>(node: &Node, command: &str, keys: &[Vec<u8>]) -> Result<T, Error> {
    let mut connection = node.connection.clone();
    let mut command = redis::cmd(command);
    command.arg(keys);
    node.within("a read", command.query_async(&mut connection)).await
}
