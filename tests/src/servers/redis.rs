//! Redis.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::daemon::Daemon;
use super::free_port;

/// One redis-server without persistence.
pub struct Redis {
    daemon: Daemon,
    port: u16,
    password: Option<String>,
}

impl Redis {
    /// Starts one; `more` are its own options, such as `--notify-keyspace-events KEA`.
    pub fn start(more: &[&str]) -> Result<Redis> {
        let mut daemon = Daemon::new("redis-server")?;
        let port = free_port()?;
        let socket = daemon.folder().join("redis.sock").display().to_string();
        let mut arguments: Vec<String> =
            ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]
                .iter()
                .map(ToString::to_string)
                .collect();
        arguments.extend([port.to_string(), "--unixsocket".to_owned(), socket]);
        arguments.extend(more.iter().map(ToString::to_string));
        daemon.set_arguments(arguments);
        let password = more.iter().position(|word| *word == "--requirepass").and_then(|at| more.get(at + 1));
        let mut redis = Redis { daemon, port, password: password.map(ToString::to_string) };
        redis.restart()?;
        Ok(redis)
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) -> Result<()> {
        let (port, password) = (self.port, self.password.clone());
        self.daemon
            .start(|| cli(port, password.as_deref(), &["ping"]).is_ok_and(|pong| pong.trim() == "PONG"))
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// HOST:PORT.
    pub fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its unix socket.
    pub fn socket(&self) -> String {
        self.daemon.folder().join("redis.sock").display().to_string()
    }

    /// Runs redis-cli.
    pub fn cli(&self, arguments: &[&str]) -> Result<String> {
        cli(self.port, self.password.as_deref(), arguments)
    }
}

fn cli(port: u16, password: Option<&str>, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    if let Some(password) = password {
        command.env("REDISCLI_AUTH", password);
    }
    let output = command.args(arguments).output().context("cannot run redis-cli")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || text.starts_with("ERR") || text.starts_with("NOAUTH") {
        bail!("redis-cli {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
