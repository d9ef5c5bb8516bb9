//! etcd: single, and a cluster of three.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::free_port;
use super::http::{Answer, Connection, base64, once};
use crate::lab::wait;

/// How an etcd is to run.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// CA, certificate and key; clients must speak TLS and show a certificate of that CA if `client_certs`.
    pub tls: Option<(PathBuf, PathBuf, PathBuf)>,
    /// Clients must show a certificate of the CA.
    pub client_certs: bool,
    /// More arguments.
    pub more: Vec<String>,
}

/// One etcd.
pub struct Etcd {
    daemon: Daemon,
    port: u16,
    peer: u16,
    metrics: u16,
    setting: Setting,
    name: String,
}

impl Etcd {
    /// A new, empty one with both APIs on.
    pub fn start() -> Result<Etcd> {
        Etcd::with(Setting::default())
    }

    /// A new, empty one.
    pub fn with(setting: Setting) -> Result<Etcd> {
        let mut etcd = Etcd::prepare(setting, "solo")?;
        etcd.run(&etcd.peers())?;
        Ok(etcd)
    }

    /// One with its ports chosen, but not running.
    pub fn prepare(setting: Setting, name: &str) -> Result<Etcd> {
        let daemon = Daemon::new("etcd")?;
        let (port, peer, metrics) = (free_port()?, free_port()?, free_port()?);
        Ok(Etcd { daemon, port, peer, metrics, setting, name: name.to_owned() })
    }

    /// Starts it, again or for the first time, with the data that it has.
    pub fn restart(&mut self) -> Result<()> {
        self.run(&self.peers())
    }

    /// Starts it with the data that it has, but where its clients do not look for it, lets `work` be done there, and
    /// kills it. What clients find at the next start has all happened before they could see any of it.
    pub fn aside(&mut self, work: impl FnOnce(&Etcd) -> Result<()>) -> Result<()> {
        let home = std::mem::replace(&mut self.port, free_port()?);
        let done = self.restart().and_then(|()| work(self));
        self.daemon.kill();
        self.port = home;
        done
    }

    fn peers(&self) -> String {
        format!("{}=http://127.0.0.1:{}", self.name, self.peer)
    }

    fn launch(&mut self, cluster: &str, ready: impl FnMut() -> bool) -> Result<()> {
        let scheme = if self.setting.tls.is_some() { "https" } else { "http" };
        let data = self.daemon.folder().join("data").display().to_string();
        let client = format!("{scheme}://127.0.0.1:{}", self.port);
        let peer = format!("http://127.0.0.1:{}", self.peer);
        let metrics = format!("http://127.0.0.1:{}", self.metrics);
        let mut arguments: Vec<String> = Vec::new();
        for (option, value) in [
            ("--name", self.name.as_str()),
            ("--data-dir", &data),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--initial-cluster", cluster),
            ("--listen-metrics-urls", &metrics),
            ("--enable-v2", "true"),
            ("--logger", "zap"),
            ("--log-level", "warn"),
        ] {
            arguments.push(format!("{option}={value}"));
        }
        // The data do not matter, and a sync of a busy disk can take longer than an election.
        arguments.push("--unsafe-no-fsync".to_owned());
        if let Some((ca, cert, key)) = &self.setting.tls {
            arguments.push(format!("--cert-file={}", cert.display()));
            arguments.push(format!("--key-file={}", key.display()));
            if self.setting.client_certs {
                arguments.push(format!("--trusted-ca-file={}", ca.display()));
                arguments.push("--client-cert-auth".to_owned());
            }
        }
        arguments.extend(self.setting.more.iter().cloned());
        if !supports("--unsafe-no-fsync") {
            arguments.retain(|argument| argument != "--unsafe-no-fsync");
        }
        self.daemon.set_arguments(arguments);
        self.daemon.start(ready)
    }

    fn run(&mut self, cluster: &str) -> Result<()> {
        let metrics = self.metrics;
        self.launch(cluster, || healthy(metrics))
    }

    /// Kills it and takes its data away; the next start is that of an empty store on the same port.
    pub fn wipe(&mut self) -> Result<()> {
        self.daemon.kill();
        fs::remove_dir_all(self.daemon.folder().join("data")).context("cannot remove etcd's data")
    }

    /// Saves a snapshot.
    pub fn save(&self) -> Result<PathBuf> {
        let file = self.daemon.folder().join("snapshot.db");
        self.ctl(&["snapshot", "save", &file.display().to_string()])?;
        Ok(file)
    }

    /// Kills it and puts a snapshot in the place of its data.
    pub fn restore(&mut self, snapshot: &std::path::Path) -> Result<()> {
        self.wipe()?;
        let data = self.daemon.folder().join("data").display().to_string();
        let peers = self.peers();
        let peer = format!("http://127.0.0.1:{}", self.peer);
        self.ctl(&[
            "snapshot",
            "restore",
            &snapshot.display().to_string(),
            "--data-dir",
            &data,
            "--name",
            &self.name,
            "--initial-cluster",
            &peers,
            "--initial-advertise-peer-urls",
            &peer,
        ])?;
        Ok(())
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Port for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// URL for clients.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.setting.tls.is_some() { "https" } else { "http" }, self.port)
    }

    /// A connection for many requests.
    pub fn connection(&self) -> Result<Connection> {
        Connection::open(self.port)
    }

    /// A request to the JSON gateway of the v3 API.
    pub fn v3(&self, method: &str, body: &Value) -> Result<Value> {
        once(self.port, "POST", &format!("/v3/{method}"), "", body.to_string().as_bytes())?.good()?.json()
    }

    /// Sets a key; the new revision.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<u64> {
        let body = json!({"key": base64(key.as_bytes()), "value": base64(value)});
        revision(&self.v3("kv/put", &body)?)
    }

    /// Deletes a key.
    pub fn delete(&self, key: &str) -> Result<u64> {
        revision(&self.v3("kv/deleterange", &json!({"key": base64(key.as_bytes())}))?)
    }

    /// Forgets all history before `revision`.
    pub fn compact(&self, revision: u64) -> Result<()> {
        self.v3("kv/compaction", &json!({"revision": revision.to_string(), "physical": true}))?;
        Ok(())
    }

    /// A request to the v2 API.
    pub fn v2(&self, method: &str, key: &str, form: &str) -> Result<Answer> {
        let header = "Content-Type: application/x-www-form-urlencoded\r\n";
        once(self.port, method, &format!("/v2/keys{key}"), header, form.as_bytes())
    }

    /// Runs etcdctl with the v3 API against this etcd.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg(format!("--endpoints={}", self.url()));
        if let Some((ca, cert, key)) = &self.setting.tls {
            command.arg("--cacert").arg(ca).arg("--cert").arg(cert).arg("--key").arg(key);
        }
        let output = command.args(arguments).output().context("cannot run etcdctl")?;
        if !output.status.success() {
            bail!("etcdctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn revision(answer: &Value) -> Result<u64> {
    answer["header"]["revision"].as_str().context("no revision")?.parse().context("no revision")
}

fn healthy(metrics: u16) -> bool {
    once(metrics, "GET", "/health", "", b"").is_ok_and(|answer| answer.status == 200)
}

fn supports(option: &str) -> bool {
    let help = Command::new("etcd").arg("--help").output();
    help.is_ok_and(|help| {
        String::from_utf8_lossy(&help.stdout).contains(option)
            || String::from_utf8_lossy(&help.stderr).contains(option)
    })
}

/// Three members.
pub struct Cluster {
    /// The members.
    pub members: Vec<Etcd>,
}

impl Cluster {
    /// A new, empty cluster.
    pub fn start() -> Result<Cluster> {
        let members: Result<Vec<Etcd>> =
            ["one", "two", "three"].iter().map(|name| Etcd::prepare(Setting::default(), name)).collect();
        let mut cluster = Cluster { members: members? };
        let peers = cluster.peers();
        for member in &mut cluster.members {
            // None is healthy before there are two.
            member.launch(&peers, || true)?;
        }
        let metrics: Vec<u16> = cluster.members.iter().map(|member| member.metrics).collect();
        wait::until("the cluster to be healthy", super::READY, || metrics.iter().all(|port| healthy(*port)))?;
        Ok(cluster)
    }

    fn peers(&self) -> String {
        self.members.iter().map(Etcd::peers).collect::<Vec<_>>().join(",")
    }

    /// URLs of all members.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(Etcd::url).collect()
    }

    /// Index of the leader.
    pub fn leader(&self) -> Result<usize> {
        for member in self.members.iter().filter(|member| member.daemon.running()) {
            let Ok(status) = member.v3("maintenance/status", &json!({})) else { continue };
            let leader = &status["leader"];
            let is_leader = |member: &Etcd| {
                member.daemon.running()
                    && member
                        .v3("maintenance/status", &json!({}))
                        .is_ok_and(|status| status["header"]["member_id"] == *leader)
            };
            if let Some(index) = self.members.iter().position(is_leader) {
                return Ok(index);
            }
        }
        bail!("the cluster has no leader")
    }

    /// Starts a member again.
    pub fn restart(&mut self, index: usize) -> Result<()> {
        let peers = self.peers();
        self.members.get_mut(index).context("no such member")?.run(&peers)
    }
}
