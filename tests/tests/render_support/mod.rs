//! An nginx of one's own, and an engine that renders for it.
#![allow(
    clippy::expect_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "these are tests, each of which uses a part"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;
use vipward::render::apply;
use vipward::render::engine::{Engine, Options, Render, RenderError, ResourceReport, Templates};
use vipward::render::keys::Keys;
use vipward::render::nginx::Installation;
use vipward::render::pending::Pending;
use vipward::render::reload::BackOff;
use vipward::render::resource::{self, Defaults, Wait};
use vipward::render::settings::Schedule;
use vipward::render::store::{Health, Live};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(40);

/// A prefix with a configuration, and the process if it was started.
pub struct Nginx {
    dir: tempfile::TempDir,
    process: Option<Child>,
}

impl Nginx {
    pub fn new() -> Nginx {
        let dir = tempfile::tempdir().expect("temporary directory");
        for folder in ["conf.d", "sites-available", "sites-enabled", "tmp", "confd/conf.d", "confd/templates"]
        {
            fs::create_dir_all(dir.path().join(folder)).expect("created");
        }
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("    {name}_temp_path {}/tmp/{name};\n", dir.path().display()))
            .concat();
        let text = format!(
            "daemon off;\nworker_processes 2;\npid nginx.pid;\nerror_log logs.txt;\nevents {{ worker_connections 64; }}\n\
             http {{\n    access_log access.txt;\n{paths}    include conf.d/*.conf;\n    include {}/sites-enabled/*;\n}}\n",
            dir.path().display()
        );
        fs::write(dir.path().join("nginx.conf"), text).expect("written");
        let nginx = Nginx { dir, process: None };
        fs::write(nginx.path("confd/templates/a.tmpl"), "").expect("written");
        nginx.resource("site.conf", "/a");
        nginx
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn installation(&self) -> Installation {
        Installation { conf: Some(self.path("nginx.conf")), prefix: Some(self.dir.path().to_owned()) }
    }

    /// A resource that puts the value of `key` into `conf.d/NAME`.
    pub fn resource(&self, name: &str, key: &str) {
        let text = format!(
            "[template]\nsrc=\"a.tmpl\"\ndest=\"{}\"\nkeys=[\"{key}\"]\nreload=\"nginx\"\nnginx_conf=\"{}\"\n\
             nginx_prefix=\"{}\"\n",
            self.path("conf.d").join(name).display(),
            self.path("nginx.conf").display(),
            self.dir.path().display()
        );
        fs::write(self.path("confd/conf.d").join(format!("{name}.toml")), text).expect("written");
    }

    pub fn serve(&self, name: &str, port: u16, word: &str) {
        fs::write(self.path("conf.d").join(name), server(port, word)).expect("written");
    }

    pub fn start(&mut self) {
        let process = Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(self.dir.path())
            .arg("-c")
            .arg(self.path("nginx.conf"))
            .arg("-e")
            .arg(self.path("logs.txt"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed");
        self.process = Some(process);
        let deadline = Instant::now() + DEADLINE;
        while fs::read_to_string(self.path("nginx.pid")).unwrap_or_default().is_empty() {
            assert!(
                Instant::now() < deadline,
                "{}",
                fs::read_to_string(self.path("logs.txt")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Every file and when it was changed.
    pub fn listing(&self) -> BTreeMap<PathBuf, (u64, SystemTime)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("folder").flatten() {
                let metadata = entry.path().symlink_metadata().expect("there");
                if metadata.is_dir() {
                    // nginx -t makes the folders that its configuration names.
                    folders.extend((entry.path() != self.path("tmp")).then(|| entry.path()));
                } else {
                    found.insert(entry.path(), (metadata.len(), metadata.modified().expect("time")));
                }
            }
        }
        found
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = i32::try_from(process.id()).expect("a process number");
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let _ = process.wait();
        }
    }
}

/// A server that answers with `word`.
pub fn server(port: u16, word: &str) -> String {
    format!("server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{word}\"; }} }}\n")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("address").port()
}

/// What a server says, if there is one.
pub fn fetch(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A store that has been read.
pub fn fill(live: &Live, keys: Keys) {
    live.replace(keys, 1);
    live.set_health(Health::Connected { since: Instant::now(), node: "memory".to_owned() });
}

/// Prints the values of all its keys.
struct Values;

impl Render for Values {
    fn render(&self, keys: &Keys) -> Result<String, RenderError> {
        Ok(keys.iter().map(|(_, value)| value).collect())
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

impl Templates for Values {
    fn load(&self, _: &Path) -> Result<Arc<dyn Render>, String> {
        Ok(Arc::new(Values))
    }
}

/// A store that holds these keys.
pub fn store(pairs: &[(&str, &str)]) -> Live {
    let (live, mut keys) = (Live::default(), Keys::default());
    for (path, value) in pairs {
        keys.set(path, value);
    }
    live.replace(keys, 1);
    live.set_health(Health::Connected { since: Instant::now(), node: "memory".into() });
    live
}

/// Changes the key `/a`.
pub fn write(live: &Live, value: &str) {
    live.update(live.revision() + 1, |batch| batch.put("/a", value.as_bytes()));
}

/// An engine that runs.
pub struct Running {
    stop: watch::Sender<bool>,
    reports: watch::Receiver<Vec<ResourceReport>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Of `site.conf`.
    pub fn report(&self) -> ResourceReport {
        let reports = self.reports.borrow();
        reports.iter().find(|report| report.name == "site.conf.toml").cloned().expect("listed")
    }

    pub async fn stop(self) {
        self.stop.send(true).expect("it runs");
        self.task.await.expect("ends well");
    }
}

/// Starts an engine for the resources of `nginx`.
pub fn engine(nginx: &Nginx, live: Live) -> Running {
    let loaded = resource::load(&nginx.path("confd"), &Defaults::default());
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    let options = Options {
        apply: apply::Options::default(),
        wait: Wait { min: Duration::from_millis(20), max: Duration::from_millis(200) },
        schedule: Schedule::Watch,
        back_off: BackOff { first: Duration::from_millis(100), most: Duration::from_millis(500) },
        colour: false,
    };
    let (stop, stopped) = watch::channel(false);
    let pending = Pending::open(&nginx.path("run")).expect("run dir");
    let (shown, reports) = watch::channel(Vec::new());
    let engine = Engine::new(loaded, options, live, Arc::new(Values), pending, shown, stopped);
    Running { stop, reports, task: tokio::spawn(engine.run()) }
}
