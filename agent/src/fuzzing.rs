//! What reads untrusted bytes, without the socket that they come through: for the fuzzing targets, and for nobody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use nix::errno::Errno;
use redis::FromRedisValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::check::processes::connector;
use crate::control::server::{self as control, Handler};
use crate::metrics::observation::Observe;
use crate::metrics::{routes, server as http};
use crate::net::decode;
use crate::net::netlink::{Messages, Refusal, settle};
use crate::render::keys::Keys;
use crate::render::store::http::Answer;
use crate::render::store::prefixes::Prefixes;
use crate::render::store::redis::fetch::{Held, Mirror, Names};
use crate::render::store::{Batch, consul, etcd2, file};

/// A node in messages.
const NODE: &str = "http://127.0.0.1:2379";
/// Whoever has said nothing for so long has nothing to say.
const PATIENCE: Duration = Duration::from_millis(50);
const FOR_EVER: Duration = Duration::MAX;
/// Room for what a connection has to say before anybody reads it.
const ROOM: usize = 64 << 10;

/// A datagram from rtnetlink: how many messages are in it, and to how many of so many requests it answers.
pub fn netlink(datagram: &[u8], requests: usize) -> (usize, usize) {
    let mut messages = 0;
    for part in Messages::of(datagram) {
        let _ = decode::event(part.kind, part.payload);
        messages += 1;
    }
    let mut answers = vec![Err(Refusal::from(Errno::ETIMEDOUT)); requests];
    let _ = settle(datagram, 0, &mut answers);
    let given = answers.iter().filter(|it| it.as_ref().err().map(|it| it.errno) != Some(Errno::ETIMEDOUT));
    (messages, given.count())
}

/// A message from the proc connector: whether it says anything.
pub fn process_event(message: &[u8]) -> bool {
    connector::parse(message).is_some()
}

/// An answer of etcd's v2 API to a read of everything.
pub fn etcd2_keys(status: u16, body: &[u8], keys: &mut Keys) -> Result<(), String> {
    let action = action(status, body)?;
    action.node.leaves(&mut |key, value| _ = keys.set(key, value));
    Ok(())
}

/// An answer of etcd's v2 API to a poll.
pub fn etcd2_event(status: u16, body: &[u8], batch: &mut Batch<'_>) -> Result<(), String> {
    etcd2::poll::Event(action(status, body)?).apply(batch);
    Ok(())
}

fn action(status: u16, body: &[u8]) -> Result<etcd2::api::Action, String> {
    let judged = etcd2::api::judge(NODE, &answer(status, body)).map_err(|error| error.to_string())?;
    judged.map_err(|fault| fault.error(NODE).to_string())
}

/// Consul's answer to a query for a prefix.
pub fn consul(status: u16, body: &[u8], prefix: &str, batch: &mut Batch<'_>) -> Result<(), String> {
    let found = consul::found(&answer(status, body))?;
    let prefixes = Prefixes::new(&[prefix]);
    let mut entries = Vec::new();
    for entry in &found.entries {
        entries.extend(entry.decode(NODE, &prefixes).map_err(|error| error.to_string())?);
    }
    consul::exchange(batch, prefix, &entries);
    Ok(())
}

/// What Redis answers to a fetch of these keys, all of it in one: values to MGET, or fields to HGETALL.
pub fn redis(mut bytes: &[u8], keys: &[&str], separator: &str, batch: &mut Batch<'_>) -> Result<(), String> {
    let (names, mut mirror) = (Names::new(separator), Mirror::default());
    while !bytes.is_empty() {
        let value = redis::Parser::new().parse_value(&mut bytes).map_err(|error| error.to_string())?;
        let values = <Vec<Option<Vec<u8>>>>::from_redis_value_ref(&value);
        let fetched: Vec<_> = if let Ok(values) = values {
            let held = |value: Option<Vec<u8>>| value.map_or(Held::Nothing, Held::Text);
            let pairs = keys.iter().zip(values);
            pairs.map(|(key, value)| (key.as_bytes().to_vec(), held(value))).collect()
        } else {
            let fields: Vec<(Vec<u8>, Vec<u8>)> =
                FromRedisValue::from_redis_value(value).map_err(|error| error.to_string())?;
            let first = keys.first().map(|key| (key.as_bytes().to_vec(), Held::Fields(fields)));
            first.into_iter().collect()
        };
        mirror.apply(&names, fetched, batch);
    }
    Ok(())
}

/// A document of the file store.
pub fn document(name: &str, text: &str, prefix: &str, keys: &mut Keys) -> Result<(), String> {
    let entered = file::parse::enter(Path::new(name), text, &Prefixes::new(&[prefix]), keys);
    entered.map_err(|error| error.to_string())
}

fn answer(status: u16, body: &[u8]) -> Answer {
    let mut headers = HeaderMap::new();
    for index in ["x-etcd-index", "x-consul-index"] {
        headers.insert(index, HeaderValue::from_static("7"));
    }
    Answer { status, headers, body: Bytes::copy_from_slice(body) }
}

/// All that is answered to somebody who says this on the control socket and hangs up.
pub async fn control<H: Handler>(said: &[u8], handler: Arc<H>) -> std::io::Result<Vec<u8>> {
    let (ours, theirs) = UnixStream::pair()?;
    let (reader, writer) = ours.into_split();
    let ((), heard) = tokio::join!(control::converse(theirs, handler), ask(said, reader, writer, FOR_EVER));
    Ok(heard)
}

/// The HTTP server's pages.
#[derive(Clone, Debug)]
pub struct Pages(axum::Router);

impl Pages {
    /// Pages about what `observer` sees.
    pub fn new<O: Observe>(observer: Arc<O>) -> Pages {
        Pages(routes::router(Arc::new(routes::App::new(observer, None))))
    }

    /// All that is answered to somebody who says this on a connection and hangs up.
    pub async fn answer(&self, said: &[u8]) -> Vec<u8> {
        let (ours, theirs) = tokio::io::duplex(ROOM);
        let (reader, writer) = tokio::io::split(ours);
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 9650));
        let mut serving = pin!(http::serve(theirs, local, self.0.clone()));
        let mut asking = pin!(ask(said, reader, writer, PATIENCE));
        tokio::select! {
            () = &mut serving => asking.await,
            // A stream of events has no end of its own.
            heard = &mut asking => heard,
        }
    }
}

/// Says it, and listens to the end or until nothing has come for so long.
async fn ask(
    said: &[u8],
    mut reader: impl AsyncReadExt + Unpin,
    mut writer: impl AsyncWriteExt + Unpin,
    patience: Duration,
) -> Vec<u8> {
    let mut heard = Vec::new();
    let saying = async {
        let _ = writer.write_all(said).await;
        let _ = writer.shutdown().await;
    };
    let listening = async { while let Ok(Ok(1..)) = timeout(patience, reader.read_buf(&mut heard)).await {} };
    tokio::join!(listening, saying);
    heard
}
