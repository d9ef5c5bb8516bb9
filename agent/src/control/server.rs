//! The agent's side of the control socket.
//!
//! One task per connection, at most [`MAX_CONNECTIONS`]; each reads a bounded line within a time limit, asks the
//! [`Handler`], and writes the answer within a time limit. A connection may ask any number of times. Cancelling a
//! connection at any point harms nothing but that connection.

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use nix::unistd::geteuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tracing::{debug, warn};

use super::protocol::{
    LINE_TIMEOUT, Level, MAX_CONNECTIONS, MAX_REQUEST, REQUEST_TIMEOUT, ReloadReport, Request, Response,
};
use super::rundir::{RunDir, RunDirError, SOCKET};
use super::status::StatusSnapshot;

/// How long to leave a listener alone that cannot accept, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the agent does for a request.
pub trait Handler: Send + Sync + 'static {
    /// The state of everything. The errors here are for the person who asked.
    fn status(&self) -> impl Future<Output = Result<StatusSnapshot, String>> + Send;
    /// Reads the configuration again.
    fn reload(&self) -> impl Future<Output = Result<ReloadReport, String>> + Send;
    /// Hands over and lets everybody else go first, or no longer. The answer says what that means.
    fn drain(&self, on: bool) -> impl Future<Output = Result<String, String>> + Send;
    /// Leaves the VIPs for so long if the agent is stopped.
    fn hold(&self, keep: Duration) -> impl Future<Output = Result<String, String>> + Send;
    /// Logs from this level on.
    fn log_level(&self, level: Level) -> Result<String, String>;
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Something else is in its place.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// It could not be created.
    #[error("cannot create the control socket")]
    Bind(#[from] io::Error),
}

/// A listening control socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    run_dir: Arc<RunDir>,
}

impl Server {
    /// Creates the socket, mode 0600, in place of one that a dead agent left. Must be called within a tokio
    /// runtime.
    pub fn bind(run_dir: Arc<RunDir>) -> Result<Server, ServerError> {
        run_dir.remove_socket()?;
        let path = run_dir.entry(SOCKET);
        let listener = UnixListener::bind(&path)?;
        // Until here, the directory and the check of the peer keep others out.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Server { listener, run_dir })
    }

    /// Serves until it is dropped, which also closes all connections.
    pub async fn serve<H: Handler>(self, handler: Arc<H>) {
        let mut connections = JoinSet::new();
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            if connections.len() >= MAX_CONNECTIONS {
                refuse(&stream, "too many control connections, try again later");
            } else if !is_allowed(&stream) {
                refuse(&stream, "only root and the agent's own user may use the control socket");
            } else {
                connections.spawn(converse(stream, Arc::clone(&handler)));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.run_dir.remove_socket() {
            warn!(%error, "cannot remove the control socket");
        }
    }
}

fn is_allowed(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}

/// Says why and hangs up, without waiting for anybody: a fresh socket has room for a line.
fn refuse(stream: &UnixStream, why: &str) {
    debug!(why, "control connection refused");
    // A peer that does not hear it sees the connection closed.
    let _ = stream.try_write(&encode(&Response::Error(why.to_owned())));
}

pub(crate) async fn converse<H: Handler>(stream: UnixStream, handler: Arc<H>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(MAX_REQUEST as u64);
        let response = match timeout(LINE_TIMEOUT, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(1..)) if line.ends_with(b"\n") => answer(&line, handler.as_ref()).await,
            Ok(Ok(MAX_REQUEST..)) => {
                // What follows would be taken for another request.
                let _ = send(&mut writer, &too_long()).await;
                return;
            }
            // The end, in the middle of a line or not; an error; or too slow a peer.
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        };
        if send(&mut writer, &response).await.is_err() {
            return;
        }
    }
}

fn too_long() -> Response {
    Response::Error(format!("a request may have {MAX_REQUEST} bytes"))
}

async fn answer<H: Handler>(line: &[u8], handler: &H) -> Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Response::Error(format!("bad request: {error}")),
    };
    let work = async {
        match request {
            Request::Status {} => handler.status().await.map(|status| Response::Status(Box::new(status))),
            Request::Reload {} => handler.reload().await.map(Response::Reloaded),
            Request::Drain {} => handler.drain(true).await.map(Response::Done),
            Request::Undrain {} => handler.drain(false).await.map(Response::Done),
            Request::Hold { keep_ms } => {
                handler.hold(Duration::from_millis(keep_ms)).await.map(Response::Done)
            }
            Request::LogLevel { level } => handler.log_level(level).map(Response::Done),
        }
    };
    timeout(REQUEST_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err(format!("the agent did not answer within {REQUEST_TIMEOUT:?}")))
        .unwrap_or_else(Response::Error)
}

async fn send(writer: &mut (impl AsyncWriteExt + Unpin), response: &Response) -> io::Result<()> {
    timeout(LINE_TIMEOUT, writer.write_all(&encode(response))).await?
}

fn encode(response: &Response) -> Vec<u8> {
    let mut line = serde_json::to_vec(response).unwrap_or_else(|error| {
        format!("{{\"error\":\"cannot encode the answer: {error:?}\"}}").into_bytes()
    });
    line.push(b'\n');
    line
}
