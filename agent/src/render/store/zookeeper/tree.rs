//! Reading nodes.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use zookeeper_client::{Client, Error as Fault};

use super::super::error::Error;
use super::super::live;
use super::super::prefixes::Prefixes;
use crate::render::keys::Keys;

/// Requests under way at a time.
const AT_ONCE: usize = 64;
/// ZooKeeper's own, which nobody means by "/".
const OWN: &str = "/zookeeper";

/// A connection.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) limit: Duration,
}

/// What is at a node.
enum Found {
    Nothing,
    Leaf(Vec<u8>),
    Folder,
}

impl Server {
    pub(super) fn failed(&self, why: &str) -> Error {
        Error::Failed { node: self.name.clone(), why: why.to_owned() }
    }

    pub(super) fn meaning(&self, path: &str, fault: &Fault) -> Error {
        let node = self.name.clone();
        let why = format!("{path}: {fault}");
        match fault {
            Fault::NoAuth | Fault::AuthFailed => Error::Refused { node, why },
            Fault::UnmarshalError { .. } => Error::Garbage { node, store: "zookeeper", why },
            Fault::ConnectionLoss | Fault::NoHosts => Error::Unreachable { node, why },
            _ => Error::Failed { node, why },
        }
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn within<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let timeout = |_| Error::Timeout { node: self.name.clone(), what, limit: self.limit };
        tokio::time::timeout(self.limit, answer).await.map_err(timeout)
    }

    /// Reads everything.
    pub(super) async fn all(&self, prefixes: &Prefixes) -> Result<Keys, Error> {
        let mut keys = Keys::default();
        let mut wanted: Vec<String> = prefixes.iter().map(str::to_owned).collect();
        let whole = prefixes.covers("/");
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(path) = wanted.pop()
            {
                under_way.push(self.node(path, true));
            }
            let Some(read) = under_way.next().await else { return Ok(keys) };
            let (path, found, children) = read?;
            if let Found::Leaf(value) = found
                && path != "/"
            {
                live::set(&mut keys, &path, &value);
            }
            let below = if path == "/" { "" } else { &path };
            let children = children.into_iter().map(|child| format!("{below}/{child}"));
            wanted.extend(children.filter(|child| !(whole && child == OWN)));
        }
    }

    /// Reads some nodes: the value of each that is a key.
    pub(super) async fn some(
        &self,
        paths: &BTreeSet<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        let mut values = Vec::with_capacity(paths.len());
        let mut wanted = paths.iter().filter(|path| *path != "/" && !path.starts_with("/zookeeper/"));
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(path) = wanted.next()
            {
                under_way.push(self.node(path.clone(), false));
            }
            let Some(read) = under_way.next().await else { return Ok(values) };
            let (path, found, _) = read?;
            values.push(match found {
                Found::Leaf(value) => (path, Some(value)),
                Found::Nothing | Found::Folder => (path, None),
            });
        }
    }

    /// Reads a node, and the names of its children if they are wanted.
    async fn node(&self, path: String, children: bool) -> Result<(String, Found, Vec<String>), Error> {
        let (data, stat) = match self.within("a read", self.client.get_data(&path)).await? {
            Ok(found) => found,
            Err(Fault::NoNode) => return Ok((path, Found::Nothing, Vec::new())),
            Err(fault) => return Err(self.meaning(&path, &fault)),
        };
        if stat.num_children == 0 {
            return Ok((path, Found::Leaf(data), Vec::new()));
        }
        if !children {
            return Ok((path, Found::Folder, Vec::new()));
        }
        match self.within("a read", self.client.list_children(&path)).await? {
            // They are gone since: an event tells.
            Ok(names) if names.is_empty() => Ok((path, Found::Leaf(data), names)),
            Ok(names) => Ok((path, Found::Folder, names)),
            Err(Fault::NoNode) => Ok((path, Found::Nothing, Vec::new())),
            Err(fault) => Err(self.meaning(&path, &fault)),
        }
    }
}
