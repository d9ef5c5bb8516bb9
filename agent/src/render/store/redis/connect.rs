//! Connections to Redis.

use std::fs;
use std::future::Future;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisError,
    TlsCertificates,
};

use super::super::error::{Error, chain};
use super::super::options::{Options, Timeouts};
use super::super::tls::Pems;

/// The nodes, ready to be connected to.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    clients: Vec<(String, Client)>,
    timeouts: Timeouts,
}

impl Nodes {
    pub(super) fn new(options: &Options) -> Result<Nodes, Error> {
        let mut clients = Vec::new();
        for node in options.nodes() {
            let wrong = |error: &RedisError| Error::Option {
                option: "--node",
                why: format!(
                    "`{node}`: {error}; write HOST:PORT, HOST:PORT/DB, redis://… or /PATH/TO/SOCKET"
                ),
            };
            let info = info(&node, options).map_err(|error| wrong(&error))?;
            let client = if info.addr().to_string().is_empty() || !secured(&node, options) {
                Client::open(info)
            } else {
                let pems = Pems::read(options)?;
                let client_tls = pems
                    .identity
                    .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key });
                Client::build_with_tls(info, TlsCertificates { client_tls, root_cert: pems.ca })
            };
            clients.push((shown(&node), client.map_err(|error| wrong(&error))?));
        }
        Ok(Nodes { clients, timeouts: options.timeouts })
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(super) async fn connect(&self, index: usize) -> Result<Node, Error> {
        let Some((name, client)) = self.clients.get(index).cloned() else {
            return Err(Error::of_nodes(Vec::new()));
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeouts.connect))
            .set_response_timeout(Some(self.timeouts.request));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let limit = self.timeouts.connect + self.timeouts.request;
        let connection = match tokio::time::timeout(limit, connection).await {
            Err(_) => return Err(Error::Timeout { node: name, what: "a connection", limit }),
            Ok(Err(error)) if error.is_timeout() => {
                return Err(Error::Timeout {
                    node: name,
                    what: "a connection",
                    limit: self.timeouts.connect,
                });
            }
            Ok(Err(error)) => return Err(meaning(&name, &error)),
            Ok(Ok(connection)) => connection,
        };
        Ok(Node { name, client, connection, timeouts: self.timeouts })
    }
}

/// How the node is called in messages: without what may be a password.
fn shown(node: &str) -> String {
    match (node.find("://"), node.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!(
                "{}{}",
                node.get(..scheme + 3).unwrap_or_default(),
                node.get(at + 1..).unwrap_or_default()
            )
        }
        _ => node.to_owned(),
    }
}

fn secured(node: &str, options: &Options) -> bool {
    node.starts_with("rediss://") || (!node.contains("://") && !node.starts_with('/') && options.tls_wanted())
}

fn info(node: &str, options: &Options) -> Result<ConnectionInfo, RedisError> {
    let url = if node.starts_with('/') {
        format!("unix://{node}")
    } else if node.contains("://") {
        node.to_owned()
    } else if secured(node, options) {
        format!("rediss://{node}")
    } else {
        format!("redis://{node}")
    };
    let info = url.into_connection_info()?;
    let mut settings = info.redis_settings().clone();
    if let Some(user) = &options.username {
        settings = settings.set_username(user);
    }
    if let Some(password) = password(options) {
        settings = settings.set_password(password);
    }
    Ok(info.set_redis_settings(settings))
}

fn password(options: &Options) -> Option<String> {
    let given = options.password.as_ref().or(options.auth_token.as_ref());
    given.map(|secret| secret.expose().to_owned()).or_else(|| {
        // confd has no other flag for it. A key that belongs to a certificate is a file.
        let key = options.client_key.as_ref().filter(|_| options.client_cert.is_none())?;
        Some(key.to_string_lossy().into_owned()).filter(|text| fs::metadata(text).is_err())
    })
}

/// A connection.
pub(super) struct Node {
    name: String,
    client: Client,
    pub(super) connection: MultiplexedConnection,
    pub(super) timeouts: Timeouts,
}

impl Node {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    pub(super) fn failed(&self, why: &str) -> Error {
        Error::Failed { node: self.name.clone(), why: why.to_owned() }
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn within<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Error> {
        let limit = self.timeouts.request;
        let timeout = || Error::Timeout { node: self.name.clone(), what, limit };
        match tokio::time::timeout(limit, answer).await {
            Err(_) => Err(timeout()),
            Ok(Err(error)) if error.is_timeout() => Err(timeout()),
            Ok(answer) => answer.map_err(|error| meaning(&self.name, &error)),
        }
    }

    /// Subscribes to `patterns`, on a connection of its own.
    pub(super) async fn subscribe(&self, patterns: &[String]) -> Result<PubSub, Error> {
        let mut subscription = self.within("a connection", self.client.get_async_pubsub()).await?;
        for pattern in patterns {
            self.within("a subscription", subscription.psubscribe(pattern)).await?;
        }
        Ok(subscription)
    }

    /// A setting of the server; `None` if we may not see it.
    pub(super) async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let mut connection = self.connection.clone();
        let command = redis::cmd("CONFIG").arg("GET").arg(name).to_owned();
        let answer: Result<Vec<String>, Error> =
            self.within("a question", command.query_async(&mut connection)).await;
        match answer {
            Ok(answer) => Ok(answer.into_iter().nth(1)),
            // Managed servers have no such command.
            Err(Error::Failed { .. } | Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many keys there are.
    pub(super) async fn size(&self) -> Result<u64, Error> {
        let mut connection = self.connection.clone();
        self.within("a check", redis::cmd("DBSIZE").query_async(&mut connection)).await
    }
}

fn meaning(name: &str, error: &RedisError) -> Error {
    let node = name.to_owned();
    let why = chain(error);
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => {
            Error::Refused { node, why }
        }
        (ErrorKind::Io, _) => Error::Unreachable { node, why },
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
            Error::Garbage { node, store: "redis", why }
        }
        _ => Error::Failed { node, why },
    }
}
