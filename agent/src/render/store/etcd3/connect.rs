//! Connections to etcd nodes, and what their errors mean.

use std::future::Future;
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, KvClient, TlsOptions, WatchClient};

use super::super::error::{Error, chain};
use super::super::options::{Options, Secret, Timeouts};
use super::super::tls::Pems;

/// Largest answer that is taken: pages of keys, or the events of one transaction.
const LARGEST_ANSWER: usize = 64 << 20;
/// etcd cuts clients off that ping more often than every five seconds.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// gRPC status codes, by number.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const DEADLINE_EXCEEDED: i32 = 4;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const UNIMPLEMENTED: i32 = 12;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// All that connections need to know.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    urls: Vec<String>,
    pems: Pems,
    user: Option<(String, Secret)>,
    timeouts: Timeouts,
}

impl Connector {
    pub(crate) fn new(options: &Options) -> Result<Connector, Error> {
        let urls = options.urls()?;
        let plain = urls.iter().find(|url| url.starts_with("http://"));
        if let (Some(url), true) = (plain, options.client_ca.is_some() || options.client_cert.is_some()) {
            let why = format!("`{url}` is without TLS, but certificates are given; write https://");
            return Err(Error::Option { option: "--node", why });
        }
        let user = match (&options.username, &options.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            _ => {
                let why = "etcd needs both, or neither".to_owned();
                return Err(Error::Option { option: "--username, --password", why });
            }
        };
        Ok(Connector { urls, pems: Pems::read(options)?, user, timeouts: options.timeouts })
    }

    pub(crate) fn nodes(&self) -> usize {
        self.urls.len()
    }

    pub(crate) fn url(&self, index: usize) -> &str {
        self.urls.get(index).map_or("", String::as_str)
    }

    /// Connects to one node; also logs in, if there is a user.
    pub(crate) async fn connect(&self, index: usize) -> Result<Node, Error> {
        let url = self.url(index).to_owned();
        let mut options = ConnectOptions::new()
            .with_connect_timeout(self.timeouts.connect)
            .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
            .with_keep_alive_while_idle(true)
            .with_tcp_keepalive(KEEP_ALIVE.0)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if url.starts_with("https://") {
            options = options.with_tls(self.tls());
        }
        if let Some((user, password)) = &self.user {
            options = options.with_user(user, password.expose());
        }
        let limit = self.timeouts.connect + self.timeouts.request;
        let client = Client::connect([&url], Some(options));
        let client = timed(&url, "a login", limit, client).await?;
        let kv = client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
        let watch = client.watch_client().max_decoding_message_size(LARGEST_ANSWER);
        Ok(Node { url, timeouts: self.timeouts, client, kv, watch })
    }

    fn tls(&self) -> TlsOptions {
        let mut tls = match &self.pems.ca {
            Some(ca) => TlsOptions::new().ca_certificate(Certificate::from_pem(ca)),
            None => TlsOptions::new().with_native_roots(),
        };
        if let Some((cert, key)) = &self.pems.identity {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        tls
    }
}

/// A node that we are, or will be, connected to: the first request opens the connection.
pub(crate) struct Node {
    url: String,
    pub(crate) timeouts: Timeouts,
    pub(crate) client: Client,
    pub(crate) kv: KvClient,
    pub(super) watch: WatchClient,
}

impl Node {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits for an answer, but not for ever.
    pub(crate) async fn ask<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        timed(&self.url, what, self.timeouts.request, request).await
    }

    pub(super) fn error(&self, error: &etcd_client::Error) -> Error {
        meaning(&self.url, error)
    }

    pub(crate) fn failed(&self, why: &str) -> Error {
        Error::Failed { node: self.url.clone(), why: why.to_owned() }
    }
}

async fn timed<T>(
    url: &str,
    what: &'static str,
    limit: Duration,
    request: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| meaning(url, &error)),
        Err(_) => Err(Error::Timeout { node: url.to_owned(), what, limit }),
    }
}

fn meaning(url: &str, error: &etcd_client::Error) -> Error {
    let node = url.to_owned();
    let etcd_client::Error::GRpcStatus(status) = error else {
        return Error::Failed { node, why: error.to_string() };
    };
    let why = chain(status);
    let why = match status.message() {
        "" => why,
        // Only the message: the code is ours to interpret, and the metadata means nothing to people.
        message => {
            why.find(message).and_then(|at| why.get(at..)).unwrap_or(message).replace("\", details: []", "")
        }
    };
    let why = why.trim_start_matches("etcdserver: ").to_owned();
    let protocol =
        ["http2 error", "h2 protocol error", "frame with invalid size", "invalid compression flag"];
    match i32::from(status.code()) {
        code::UNAUTHENTICATED | code::PERMISSION_DENIED => Error::Refused { node, why },
        code::INVALID_ARGUMENT if why.contains("user") || why.contains("auth") => {
            Error::Refused { node, why }
        }
        code::DEADLINE_EXCEEDED => Error::Failed { node, why: format!("it gave up: {why}") },
        code::UNIMPLEMENTED => Error::Garbage { node, store: "etcd v3", why },
        _ if protocol.iter().any(|sign| why.contains(sign)) => Error::Garbage { node, store: "etcd v3", why },
        code::UNAVAILABLE if !why.contains("etcdserver") && !why.contains("leader") => {
            Error::Unreachable { node, why }
        }
        _ => Error::Failed { node, why },
    }
}

/// Whether an answer was larger than we take.
pub(super) fn too_large(error: &Error) -> bool {
    matches!(error, Error::Failed { why, .. } if why.contains("message length too large"))
}

/// Whether the revision that was asked for is no longer there.
pub(super) fn compacted(error: &Error) -> bool {
    matches!(error, Error::Failed { why, .. } if why.contains("has been compacted"))
}
