//! The HTTP server: a thread with a runtime of its own, so that whoever asks delays neither the election nor the
//! supervisor, and what a connection may cost.
//!
//! One request per connection. Heads are bounded in size and time, and whoever does not take his answer in time is
//! hung up on. All of it goes when [`Metrics`] is dropped.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::Compat;
use super::observation::Observe;
use super::page::events;
use super::routes::{self, App};
use super::traffic::Traffic;

/// Connections served at a time; a further one is told so and closed.
pub const MAX_CONNECTIONS: usize = 32;
/// How long a request's head may take.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take in all, unless it listens to events.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest head of a request in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Headers that a request may have.
const MAX_HEADERS: usize = 64;
/// How long a peer may leave unacknowledged, or not let us send, what it is sent.
const STALL: Duration = Duration::from_secs(10);
/// How long to leave a listener alone that cannot accept, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Beside an election all memory is locked, used or not.
const STACK: usize = 1 << 20;

/// The running server. Ends when this is dropped.
#[derive(Debug)]
pub struct Metrics {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What a handler must know of its connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Where it was accepted.
    pub(super) local: SocketAddr,
    /// To be set by a handler whose answer has no end.
    pub(super) streams: Arc<AtomicBool>,
}

impl Metrics {
    pub(super) fn start<O: Observe>(
        listeners: Vec<StdListener>,
        observer: Arc<O>,
        compat: Option<Compat>,
    ) -> io::Result<Metrics> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .stack_size(STACK)
            .spawn(move || run(&runtime, listeners, observer, compat, stopped))?;
        Ok(Metrics { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.stop = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the metrics thread ended by a panic");
        }
    }
}

fn run<O: Observe>(
    runtime: &Runtime,
    listeners: Vec<StdListener>,
    observer: Arc<O>,
    compat: Option<Compat>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async move {
        let app = Arc::new(App::new(observer, compat));
        let router = routes::router(Arc::clone(&app));
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut tasks = JoinSet::new();
        for listener in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    tell(&listener);
                    let (router, room, traffic) =
                        (router.clone(), Arc::clone(&room), Arc::clone(app.traffic()));
                    tasks.spawn(accept(listener, router, room, traffic));
                }
                Err(error) => error!("metrics are not served: {error}"),
            }
        }
        tasks.spawn(events::pump(app));
        // An error is the sender's end, which is what we wait for.
        let _ = stopped.await;
    });
}

fn tell(listener: &TcpListener) {
    let Ok(address) = listener.local_addr() else { return };
    if address.ip().is_loopback() {
        info!("metrics and the status page are at http://{address}/");
    } else {
        info!("metrics and the status page are at http://{address}/, for everybody who reaches that address");
    }
}

async fn accept(listener: TcpListener, router: Router, room: Arc<Semaphore>, traffic: Arc<Traffic>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection for metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            connections.spawn(converse(stream, router.clone(), place));
        } else {
            traffic.refused();
            refuse(&stream);
        }
    }
}

/// Says why and hangs up, without waiting for anybody: a fresh socket has room for that.
fn refuse(stream: &TcpStream) {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 21\r\n\r\n\
                  too many connections\n";
    // A peer that does not hear it sees the connection closed.
    let _ = stream.try_write(answer.as_bytes());
}

async fn converse(stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
    let Ok(local) = stream.local_addr() else { return };
    // The last bytes of an answer must not wait for the peer's delayed acknowledgement, which takes 40 ms.
    let _ = stream.set_nodelay(true);
    // A socket that does not take the option is watched by the other limits all the same.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALL));
    serve(stream, local, router).await;
}

/// Answers whoever is at the other end of `stream`, which was accepted at `local`.
pub(crate) async fn serve<S>(stream: S, local: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let streams = Arc::new(AtomicBool::new(false));
    let connection = Connection { local, streams: Arc::clone(&streams) };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = match timeout(TIMEOUT, served.as_mut()).await {
        Err(_) if streams.load(Ordering::Relaxed) => timeout(events::LIFETIME, served).await,
        other => other,
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a connection for metrics failed"),
        Err(_) => debug!("a connection for metrics was too slow"),
    }
}
