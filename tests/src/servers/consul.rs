//! Consul. Debian 12 has no package of it; Debian 11's is fetched by apt from this machine's own mirror and unpacked
//! into a folder of the user's cache, without being installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::daemon::Daemon;
use super::free_port;
use super::http::{Answer, once};

/// The suite that has it.
const SUITE: &str = "bullseye";
const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";

/// One agent that is a server by itself.
pub struct Consul {
    daemon: Daemon,
    port: u16,
}

impl Consul {
    /// Starts one; with `token` its ACLs are on and that is the master token. `None` if consul is not to be had here,
    /// which is then said.
    pub fn start(token: Option<&str>) -> Result<Option<Consul>> {
        let program = match program() {
            Ok(program) => program,
            Err(error) => {
                eprintln!("skipped: there is no consul here: {error:#}");
                return Ok(None);
            }
        };
        let mut daemon = Daemon::new(program)?;
        let port = free_port()?;
        let config = json!({
            "server": true,
            "bootstrap": true,
            "bind_addr": "127.0.0.1",
            "client_addr": "127.0.0.1",
            "data_dir": daemon.folder().join("data"),
            "disable_update_check": true,
            "performance": {"raft_multiplier": 1},
            "ports": {"http": port, "dns": -1, "grpc": -1, "server": free_port()?, "serf_lan": free_port()?,
                      "serf_wan": -1},
            "acl": {"enabled": token.is_some(), "default_policy": "deny",
                    "tokens": {"master": token.unwrap_or_default(), "agent": token.unwrap_or_default()}},
        });
        let file = daemon.folder().join("consul.json");
        fs::write(&file, config.to_string())?;
        daemon.set_arguments(vec!["agent".to_owned(), format!("-config-file={}", file.display())]);
        let mut consul = Consul { daemon, port };
        consul.restart()?;
        if let Some(token) = token {
            // The token comes into being a moment after the leader.
            crate::lab::wait::until("consul's ACLs", super::READY, || {
                consul.request("PUT", "vipward-ready", token, b"").is_ok_and(|answer| answer.status == 200)
            })?;
        }
        Ok(Some(consul))
    }

    /// Starts it again with the data that it has.
    pub fn restart(&mut self) -> Result<()> {
        let port = self.port;
        self.daemon.start(|| {
            once(port, "GET", "/v1/status/leader", "", b"")
                .is_ok_and(|answer| answer.status == 200 && answer.body.len() > 4)
        })
    }

    /// Kills it and takes its data away.
    pub fn wipe(&mut self) -> Result<()> {
        self.daemon.kill();
        fs::remove_dir_all(self.daemon.folder().join("data")).context("cannot remove consul's data")
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// HOST:PORT.
    pub fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A request for a key; `token` may be empty.
    pub fn request(&self, method: &str, key: &str, token: &str, value: &[u8]) -> Result<Answer> {
        once(self.port, method, &format!("/v1/kv/{key}"), &format!("X-Consul-Token: {token}\r\n"), value)
    }

    /// Sets a key.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        let answer = self.request("PUT", key, "", value)?.good()?;
        if answer.body.starts_with(b"true") { Ok(()) } else { bail!("consul did not set {key}") }
    }

    /// Deletes a key.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.request("DELETE", key, "", b"")?.good().map(|_| ())
    }
}

/// The program: one on the PATH, or the one of the cache, which is filled first if need be.
fn program() -> Result<PathBuf> {
    if Command::new("consul").arg("version").output().is_ok_and(|output| output.status.success()) {
        return Ok("consul".into());
    }
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let cache = home.context("there is neither XDG_CACHE_HOME nor HOME")?.join("vipward/consul");
    let program = cache.join("usr/bin/consul");
    if !program.exists() {
        fetch(&cache)?;
    }
    Ok(program)
}

fn fetch(cache: &Path) -> Result<()> {
    let sources = fs::read_to_string(SOURCES).with_context(|| format!("cannot read {SOURCES}"))?;
    let mirror = sources.lines().find_map(|line| line.strip_prefix("URIs:")).context("no mirror in it")?;
    let work = tempfile::Builder::new().prefix("vipward-consul-").tempdir()?;
    let at = |name: &str| work.path().join(name).display().to_string();
    for folder in ["lists/partial", "cache/archives/partial", "root"] {
        fs::create_dir_all(work.path().join(folder))?;
    }
    let text = format!(
        "Types: deb\nURIs: {}\nSuites: {SUITE}\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        mirror.trim()
    );
    fs::write(work.path().join("suite.sources"), text)?;
    let apt = |verb: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(work.path()).args(["-qq", "-o", "Dir::Etc::sourceparts=-"]);
        for (option, value) in [
            ("Dir::Etc::sourcelist", at("suite.sources")),
            ("Dir::State::lists", at("lists")),
            ("Dir::Cache", at("cache")),
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        run(command.args(verb))
    };
    apt(&["update"])?;
    apt(&["download", "consul"])?;
    let mut files = fs::read_dir(work.path())?.filter_map(Result::ok).map(|entry| entry.path());
    let package = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = package.context("apt-get download left no package")?;
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(work.path().join("root")))?;
    // Moved into place under its final name only when whole, as tests run side by side.
    fs::create_dir_all(cache.join("usr/bin"))?;
    let whole = cache.join(format!("usr/bin/consul.{}", std::process::id()));
    fs::copy(work.path().join("root/usr/bin/consul"), &whole)?;
    fs::rename(whole, cache.join("usr/bin/consul"))?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
