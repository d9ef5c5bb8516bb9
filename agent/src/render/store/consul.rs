//! Consul: a blocking query for each prefix.
//!
//! Every answer holds all keys of its prefix, so none can be lost; the index only says when to answer. One that goes
//! backwards belongs to a store that was restored, and is started again from nothing.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::Method;
use serde::Deserialize;

use super::error::Error;
use super::follow::Feed;
use super::http::{Answer, Http, escape};
use super::live::{self, Batch};
use super::options::Options;
use super::prefixes::Prefixes;
use crate::render::keys::{Keys, canonical};

/// How long consul may wait before it answers that nothing has happened. It adds up to a sixteenth.
const WAIT: Duration = Duration::from_secs(30);
/// An answer without news that comes sooner than this is not followed by the next query at once.
const SOON: Duration = Duration::from_millis(200);

/// A follower of Consul.
#[derive(Clone, Debug)]
pub(super) struct Consul {
    http: Http,
    urls: Vec<String>,
    next: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    key: String,
    value: Option<String>,
}

/// What is below a prefix.
pub(crate) struct Found {
    index: u64,
    pub(crate) entries: Vec<Entry>,
}

impl Consul {
    pub(super) fn new(options: &Options) -> Result<Consul, Error> {
        let mut http = Http::new(options, "consul")?;
        if let Some(token) = &options.auth_token {
            http = http.with_header("x-consul-token", token.expose())?;
        }
        Ok(Consul { http, urls: options.urls()?, next: 0 })
    }

    /// Reads everything once.
    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        let mut errors = Vec::new();
        for url in &self.urls {
            match self.all(url, prefixes).await {
                Ok((keys, _)) => return Ok(keys),
                Err(error) => errors.push(error),
            }
        }
        Err(Error::of_nodes(errors))
    }

    /// Follows until something fails.
    pub(super) async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let mut errors = Vec::new();
        for _ in 0..self.urls.len() {
            let index = self.next;
            self.next = (index + 1) % self.urls.len();
            let Some(url) = self.urls.get(index).cloned() else { break };
            match self.all(&url, prefixes).await {
                Ok((keys, seen)) => {
                    feed.all(&url, keys, seen.iter().copied().max().unwrap_or(0));
                    return self.follow(&url, prefixes, &seen, feed).await;
                }
                Err(error) => errors.push(error),
            }
        }
        Error::of_nodes(errors)
    }

    async fn all(&self, url: &str, prefixes: &Prefixes) -> Result<(Keys, Vec<u64>), Error> {
        let mut keys = Keys::default();
        let mut seen = Vec::new();
        for prefix in prefixes.iter() {
            let found = self.query(url, prefix, None).await?;
            seen.push(found.index);
            for entry in &found.entries {
                if let Some((path, value)) = entry.decode(url, prefixes)? {
                    live::set(&mut keys, &path, &value);
                }
            }
        }
        Ok((keys, seen))
    }

    async fn follow(&self, url: &str, prefixes: &Prefixes, seen: &[u64], feed: &mut Feed) -> Error {
        let mut queries = FuturesUnordered::new();
        for (prefix, seen) in prefixes.iter().zip(seen) {
            queries.push(self.wait(url, prefix, *seen, Duration::ZERO));
        }
        while let Some(answer) = queries.next().await {
            let (prefix, seen, took, found) = match answer {
                Ok(answer) => answer,
                Err(error) => return error,
            };
            let mut entries = Vec::new();
            for entry in &found.entries {
                match entry.decode(url, prefixes) {
                    Ok(decoded) => entries.extend(decoded),
                    Err(error) => return error,
                }
            }
            feed.some(found.index, |batch| exchange(batch, prefix, &entries));
            let pause = if found.index == seen && took < SOON { SOON } else { Duration::ZERO };
            let next = if found.index < seen { 0 } else { found.index };
            queries.push(self.wait(url, prefix, next, pause));
        }
        Error::Failed { node: url.to_owned(), why: "there is nothing to follow".to_owned() }
    }

    async fn wait<'a>(
        &self,
        url: &str,
        prefix: &'a str,
        seen: u64,
        pause: Duration,
    ) -> Result<(&'a str, u64, Duration, Found), Error> {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let began = Instant::now();
        let found = self.query(url, prefix, Some(seen)).await?;
        Ok((prefix, seen, began.elapsed(), found))
    }

    async fn query(&self, url: &str, prefix: &str, after: Option<u64>) -> Result<Found, Error> {
        let mut target = format!("/v1/kv/{}?recurse=true", escape(prefix.trim_start_matches('/'), "/"));
        let mut patience = Duration::ZERO;
        if let Some(index) = after {
            let _ = write!(target, "&index={index}&wait={}s", WAIT.as_secs());
            patience = WAIT + WAIT / 16;
        }
        let what = "a query";
        let head = self.http.begin(url, what, Method::GET, &target, None, patience).await?;
        let limit = self.http.timeouts.request;
        let answer = head.finish(limit).await?;
        let answer = answer.ok_or_else(|| Error::Timeout { node: url.to_owned(), what, limit })?;
        found(&answer).map_err(|why| garbage(url, why))
    }
}

pub(crate) fn found(answer: &Answer) -> Result<Found, String> {
    let index = answer.number("x-consul-index").ok_or("there is no X-Consul-Index")?;
    let entries = match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?,
        // Nothing is there.
        404 => Vec::new(),
        status => return Err(format!("status {status}: {}", answer.text())),
    };
    Ok(Found { index, entries })
}

impl Entry {
    /// Path and value, unless it is not one of ours: a query for `a` also finds `a2`, and folders end with a slash.
    pub(crate) fn decode(&self, url: &str, prefixes: &Prefixes) -> Result<Option<(String, Vec<u8>)>, Error> {
        let path = canonical(&self.key);
        if self.key.ends_with('/') || !prefixes.covers(&path) {
            return Ok(None);
        }
        let value = STANDARD
            .decode(self.value.as_deref().unwrap_or_default())
            .map_err(|error| garbage(url, format!("{path}: {error}")))?;
        Ok(Some((path, value)))
    }
}

/// Puts `entries` in the place of all that is below `prefix`.
pub(crate) fn exchange(batch: &mut Batch<'_>, prefix: &str, entries: &[(String, Vec<u8>)]) {
    let now: std::collections::HashSet<&str> = entries.iter().map(|(path, _)| path.as_str()).collect();
    let keys = batch.keys();
    let before = keys.under(prefix).chain(keys.unreadable(prefix)).map(|(path, _)| path);
    let gone: Vec<String> = before.filter(|path| !now.contains(path)).map(str::to_owned).collect();
    for path in &gone {
        batch.delete(path);
    }
    for (path, value) in entries {
        batch.put(path, value);
    }
}

fn garbage(url: &str, why: String) -> Error {
    Error::Garbage { node: url.to_owned(), store: "consul", why }
}
