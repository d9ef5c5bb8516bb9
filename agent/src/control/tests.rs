//! The socket as a whole: server and client, floods and garbage.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::client::{ClientError, Connection, request};
use super::protocol::{Level, MAX_CONNECTIONS, MAX_REQUEST, ReloadReport, Request, Response};
use super::rundir::{RunDir, SOCKET};
use super::server::{Handler, Server};
use super::show::{Show, status_on};
use super::status::tests::sample;
use super::status::{Lease, StatusSnapshot};

/// Answers with the sample, in which the first instance has sent and rejected more adverts at every request, has another
/// time left, and changes its priority at every fourth.
#[derive(Default)]
struct Agent {
    asked: AtomicU8,
    /// Has no status to give.
    busy: bool,
}

impl Handler for Agent {
    async fn status(&self) -> Result<StatusSnapshot, String> {
        if self.busy {
            return Err("the election is busy".into());
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let mut snapshot = sample();
        if let Some(first) = snapshot.instances.first_mut() {
            first.adverts_sent += u64::from(asked);
            first.lease = Lease::Held { remaining_seconds: 1.0 / f64::from(1 + asked) };
            first.last_advert_seconds_ago = Some(f64::from(asked));
            first.adverts_rejected = 1 + u64::from(asked);
            first.adverts_rejected_by.insert("ttl".into(), first.adverts_rejected);
            first.priority += asked / 4;
        }
        Ok(snapshot)
    }

    async fn reload(&self) -> Result<ReloadReport, String> {
        Err("x.conf:1:1: error: nonsense".into())
    }

    async fn drain(&self, on: bool) -> Result<String, String> {
        Ok(format!("drain {on}"))
    }

    async fn hold(&self, keep: Duration) -> Result<String, String> {
        Ok(format!("hold {keep:?}"))
    }

    fn log_level(&self, level: Level) -> Result<String, String> {
        Ok(format!("log {level:?}"))
    }
}

/// A served run directory; blocking clients run on threads of their own.
struct Scene {
    dir: tempfile::TempDir,
    run_dir: Arc<RunDir>,
    task: tokio::task::JoinHandle<()>,
}

impl Scene {
    fn new() -> Scene {
        Scene::of(Agent::default())
    }

    fn of(agent: Agent) -> Scene {
        let dir = tempfile::tempdir().expect("temporary directory");
        let run_dir = Arc::new(RunDir::open(&dir.path().join("run")).expect("run directory"));
        let server = Server::bind(Arc::clone(&run_dir)).expect("bound");
        Scene { dir, run_dir, task: tokio::spawn(server.serve(Arc::new(agent))) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    async fn ask(&self, what: Request) -> Result<Response, ClientError> {
        let path = self.path();
        blocking(move || request(&path, &what)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let result = tokio::time::timeout(Duration::from_secs(30), tokio::task::spawn_blocking(work)).await;
    result.expect("in time").expect("no panic")
}

fn raw(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path.join(SOCKET)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream
}

fn answer(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer or the end");
    line
}

#[tokio::test]
async fn requests_are_answered() {
    let scene = Scene::new();
    let status = scene.ask(Request::Status {}).await.expect("answered");
    let Response::Status(status) = status else { panic!("{status:?}") };
    assert_eq!(status.instances[1..], sample().instances[1..]);
    let refused = scene.ask(Request::Reload {}).await.expect_err("the handler refuses");
    assert_eq!(refused.to_string(), "x.conf:1:1: error: nonsense");
    let mode = std::fs::metadata(scene.path().join(SOCKET)).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let path = scene.path();
    blocking(move || {
        let mut connection = Connection::open(&path).expect("connected");
        for _ in 0..3 {
            connection.request(&Request::Status {}).expect("answered again");
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_without_a_status_to_give_says_why() {
    let scene = Scene::of(Agent { busy: true, ..Agent::default() });
    let path = scene.path();
    let error = blocking(move || status_on(&path, Show::default(), &mut Vec::new(), false)).await;
    assert_eq!(error.expect_err("nothing to show").to_string(), "the election is busy");
}

#[tokio::test]
async fn a_long_run_directory_is_served() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let path = parent.path().join("x".repeat(200));
    let run_dir = Arc::new(RunDir::open(&path).expect("run directory"));
    let task = tokio::spawn(Server::bind(run_dir).expect("bound").serve(Arc::<Agent>::default()));
    blocking(move || request(&path, &Request::Status {})).await.expect("answered");
    task.abort();
}

#[tokio::test]
async fn garbage_is_answered_and_harms_nobody() {
    let scene = Scene::new();
    let path = scene.path();
    blocking(move || {
        let mut stream = raw(&path);
        for bad in [&b"\n"[..], b"{}\n", b"\xff\xfe\n", b"{\"request\":\"halt\"}\n"] {
            stream.write_all(bad).expect("written");
            assert!(answer(&stream).starts_with("{\"error\":\"bad request: "), "{bad:?}");
        }
        stream.write_all(&[b"[".repeat(60_000), b"\n".to_vec()].concat()).expect("written");
        assert!(answer(&stream).starts_with("{\"error\":\"bad request: "), "deep nesting");
        stream.write_all(b"{\"request\":\"status\"}\n").expect("the connection still serves");
        assert!(answer(&stream).starts_with("{\"status\":"));

        let mut long = raw(&path);
        // The server may hang up while we still write.
        let _ = long.write_all(&b"x".repeat(MAX_REQUEST));
        assert!(answer(&long).contains("a request may have 65536 bytes"));
        assert_eq!(long.read(&mut [0; 1]).unwrap_or(0), 0, "hung up");

        let half = raw(&path);
        (&half).write_all(b"{\"requ").expect("written");
        half.shutdown(std::net::Shutdown::Write).expect("shut");
        assert_eq!(answer(&half), "", "an unfinished line is no request");
    })
    .await;
    scene.ask(Request::Status {}).await.expect("still serves");
}

#[tokio::test]
async fn a_flood_is_bounded_and_passes() {
    let scene = Scene::new();
    let path = scene.path();
    let flood = blocking(move || {
        let streams: Vec<UnixStream> = (0..100).map(|_| raw(&path)).collect();
        let answered = streams.iter().filter(|stream| {
            // Refused ones may be closed already: their reason is read all the same.
            let mut writer: &UnixStream = stream;
            let _ = writer.write_all(b"{\"request\":\"status\"}\n");
            let answer = answer(stream);
            assert!(answer.starts_with("{\"status\":") || answer.contains("too many"), "{answer}");
            answer.starts_with("{\"status\":")
        });
        let answered = answered.count();
        (streams, answered)
    });
    let (streams, answered) = flood.await;
    assert_eq!(answered, MAX_CONNECTIONS);
    let refused = scene.ask(Request::Status {}).await.expect_err("all places are taken");
    assert!(matches!(&refused, ClientError::Refused(why) if why.contains("too many")), "{refused:?}");
    drop(streams);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while scene.ask(Request::Status {}).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "places are freed");
    }
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let scene = Scene::new();
    let path = scene.path();
    // Opened to all by mistake, and still no door: the peer's user is checked.
    for (entry, mode) in [(path.clone(), 0o755), (path.join(SOCKET), 0o666), (scene.dir.path().into(), 0o755)]
    {
        std::fs::set_permissions(entry, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }
    let script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                  print(s.recv(4096).decode())";
    let socket = path.join(SOCKET);
    let output = blocking(move || {
        use std::os::unix::process::CommandExt;
        std::process::Command::new("python3").args(["-c", script]).arg(socket).uid(65534).gid(65534).output()
    })
    .await
    .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("only root and the agent's own user"), "{output:?}");
}

#[tokio::test]
async fn a_second_agent_is_refused_and_a_dead_ones_socket_replaced() {
    let scene = Scene::new();
    RunDir::open(&scene.path()).expect_err("held");
    scene.ask(Request::Status {}).await.expect("the first one still serves");

    let Scene { dir, run_dir, task } = scene;
    let path = dir.path().join("run");
    task.abort();
    assert!(task.await.expect_err("aborted").is_cancelled());
    assert!(!path.join(SOCKET).exists(), "a graceful end leaves no socket");
    drop(run_dir);

    // A crash leaves the socket, and nobody behind it.
    drop(std::os::unix::net::UnixListener::bind(path.join(SOCKET)).expect("bound"));
    let at = path.clone();
    let nobody = blocking(move || request(&at, &Request::Status {})).await.expect_err("nobody listens");
    assert!(matches!(nobody, ClientError::NoAgent(_)), "{nobody:?}");
    let run_dir = Arc::new(RunDir::open(&path).expect("the lock died with its agent"));
    let task = tokio::spawn(Server::bind(run_dir).expect("replaced").serve(Arc::<Agent>::default()));
    blocking(move || request(&path, &Request::Status {})).await.expect("answered");
    task.abort();
}

#[test]
fn the_client_says_what_is_wrong_and_what_to_do() {
    let missing = request(Path::new("/no/such/dir"), &Request::Status {}).expect_err("nothing there");
    let text = missing.to_string();
    assert!(
        text.contains("no agent is running") && text.contains("/no/such/dir") && text.contains("vipward run")
    );
}

/// Output that closes after a number of writes.
struct Closing {
    left: usize,
    seen: Vec<String>,
}

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(1).ok_or(std::io::ErrorKind::BrokenPipe)?;
        self.seen.push(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_status_command_shows_once_or_every_change() {
    let scene = Scene::new();
    let shown = |show: Show, writes: usize, terminal: bool| {
        let path = scene.path();
        blocking(move || {
            let mut out = Closing { left: writes, seen: Vec::new() };
            status_on(&path, show, &mut out, terminal).map(|()| out.seen)
        })
    };
    let once = shown(Show::default(), 9, false).await.expect("shown").concat();
    assert!(once.starts_with("INSTANCE") && once.contains("VI_1"), "{once}");
    let json = shown(Show { json: true, watch: false }, 9, false).await.expect("shown").concat();
    let snapshot: StatusSnapshot = serde_json::from_str(&json).expect("JSON");
    assert_eq!(snapshot.instances.len(), 2);

    // Asked again and again, it shows a change of priority and no mere advert, accepted or not; a closed output ends it.
    let lines = shown(Show { json: true, watch: true }, 2, false).await.expect("ended without an error");
    let priorities: Vec<u8> = lines
        .iter()
        .map(|line| {
            serde_json::from_str::<StatusSnapshot>(line).expect("one object per line").instances[0].priority
        })
        .collect();
    assert_eq!(priorities, [150, 151]);
    let drawn =
        shown(Show { json: false, watch: true }, 1, true).await.expect("ended without an error").concat();
    assert!(drawn.starts_with("\x1b[H") && drawn.ends_with("\x1b[J"), "{drawn:?}");

    let missing = Path::new("/no/such/dir");
    let error = status_on(missing, Show::default(), &mut Vec::new(), false).expect_err("nobody there");
    assert!(error.to_string().contains("no agent is running"));
}
