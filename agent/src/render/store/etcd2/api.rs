//! What the v2 API says and how.

use hyper::Method;
use serde::Deserialize;

use super::super::error::Error;
use super::super::http::{Answer, Http, escape};
use super::super::options::Options;

/// Error codes of the v2 API.
pub(crate) mod code {
    /// There is no such key.
    pub(crate) const KEY_NOT_FOUND: u64 = 100;
    /// The user may not.
    pub(crate) const UNAUTHORIZED: u64 = 110;
    /// The events after the index that was asked for are gone.
    pub(crate) const EVENT_INDEX_CLEARED: u64 = 401;
}

/// Characters of a server's own words that a message repeats.
const MOST_CHARS: usize = 200;

/// A key or directory.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Node {
    /// Path; absent for the root.
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) dir: bool,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ttl: Option<i64>,
    pub(crate) modified_index: u64,
}

impl Node {
    /// Calls `found` with each key and its value, however deep. The depth is bounded by that of the JSON.
    pub(crate) fn leaves(&self, found: &mut impl FnMut(&str, &str)) {
        if !self.dir
            && let Some(key) = &self.key
        {
            found(key, self.value.as_deref().unwrap_or_default());
        }
        for node in &self.nodes {
            node.leaves(found);
        }
    }
}

/// What an action did, or an event.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    #[serde(rename = "action")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) node: Node,
}

/// Why an action did not happen.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Fault {
    pub(crate) error_code: u64,
    pub(crate) message: String,
    pub(crate) cause: String,
    pub(crate) index: u64,
}

/// What is at a path.
pub(crate) struct Found {
    /// Nothing if there is no such key.
    pub(crate) node: Option<Node>,
    /// The store's index when it was read.
    pub(crate) index: u64,
    pub(crate) cluster: Option<String>,
}

/// The v2 API of some nodes.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) http: Http,
}

impl Api {
    pub(crate) fn new(options: &Options) -> Result<Api, Error> {
        Ok(Api { http: Http::new(options, "etcd v2")? })
    }

    /// Reads a path, with all below it if `recursive`, as the quorum knows it.
    pub(crate) async fn read(&self, url: &str, path: &str, recursive: bool) -> Result<Found, Error> {
        let target = format!("{}?recursive={recursive}&quorum=true&sorted=true", target(path));
        let answer = self.http.ask(url, "a read", Method::GET, &target, None).await?;
        let index = answer.number("x-etcd-index");
        let cluster =
            answer.headers.get("x-etcd-cluster-id").and_then(|id| id.to_str().ok().map(str::to_owned));
        match judge(url, &answer)? {
            Ok(action) => {
                let index = index.ok_or_else(|| garbage(url, "there is no X-Etcd-Index"))?;
                Ok(Found { node: Some(action.node), index, cluster })
            }
            Err(fault) if fault.error_code == code::KEY_NOT_FOUND => {
                Ok(Found { node: None, index: index.unwrap_or(fault.index), cluster })
            }
            Err(fault) => Err(fault.error(url)),
        }
    }

    /// Any other action on a path.
    pub(crate) async fn act(
        &self,
        url: &str,
        method: Method,
        path: &str,
        query: &str,
        form: Option<String>,
    ) -> Result<Action, Error> {
        let target = format!("{}{query}", target(path));
        let answer = self.http.ask(url, "a write", method, &target, form).await?;
        judge(url, &answer)?.map_err(|fault| fault.error(url))
    }
}

/// Where a path is.
pub(crate) fn target(path: &str) -> String {
    format!("/v2/keys{}", escape(path, "/"))
}

/// What an answer means: an action, or the fault that the store found.
pub(crate) fn judge(url: &str, answer: &Answer) -> Result<Result<Action, Fault>, Error> {
    if (200..300).contains(&answer.status) {
        let action = serde_json::from_slice(&answer.body);
        return action.map(Ok).map_err(|error| garbage(url, &error.to_string()));
    }
    match serde_json::from_slice::<Fault>(&answer.body) {
        Ok(fault) if fault.error_code > 0 => Ok(Err(fault)),
        _ if answer.status == 404 => {
            Err(garbage(url, "it has no /v2/keys; etcd needs --enable-v2, or use the v3 API"))
        }
        _ => Err(garbage(url, &format!("status {}: {}", answer.status, answer.text()))),
    }
}

impl Fault {
    pub(crate) fn error(&self, url: &str) -> Error {
        // Whatever the server says goes into a log.
        let short = |text: &str| text.chars().take(MOST_CHARS).collect::<String>();
        let why = format!("{} ({})", short(&self.message), short(&self.cause));
        let node = url.to_owned();
        match self.error_code {
            code::UNAUTHORIZED => Error::Refused { node, why },
            _ => Error::Failed { node, why },
        }
    }
}

pub(crate) fn garbage(url: &str, why: &str) -> Error {
    Error::Garbage { node: url.to_owned(), store: "etcd v2", why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_does_not_fill_the_log() {
        let fault = Fault { error_code: 300, message: "m".repeat(100_000), ..Fault::default() };
        assert!(fault.error("http://127.0.0.1").to_string().len() < 1_000);
    }
}
