//! ZooKeeper.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use super::daemon::Daemon;
use super::free_port;

/// Where Debian's package has the classes.
const CLASSES: &str = "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar";

/// One server that keeps its data over restarts.
pub struct Zookeeper {
    daemon: Daemon,
    port: u16,
}

impl Zookeeper {
    /// Starts one. A tick is 200 ms, so sessions may be as short as 400 ms.
    pub fn start() -> Result<Zookeeper> {
        let mut daemon = Daemon::new("java")?;
        let port = free_port()?;
        let config = daemon.folder().join("zoo.cfg");
        let data = daemon.folder().join("data");
        let text = format!(
            "tickTime=200\nminSessionTimeout=400\nmaxSessionTimeout=60000\nclientPort={port}\n\
             clientPortAddress=127.0.0.1\ndataDir={}\nadmin.enableServer=false\n4lw.commands.whitelist=*\n\
             maxClientCnxns=0\n",
            data.display()
        );
        fs::write(&config, text)?;
        let arguments = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSES];
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        // Log lines to the standard output, where the log of the test looks for them.
        arguments.push("-Dzookeeper.root.logger=WARN,CONSOLE".to_owned());
        arguments.push("-Dzookeeper.log.dir=.".to_owned());
        arguments.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned());
        arguments.push(config.display().to_string());
        daemon.set_arguments(arguments);
        let mut zookeeper = Zookeeper { daemon, port };
        zookeeper.restart()?;
        Ok(zookeeper)
    }

    /// Starts it again with the data that it has.
    pub fn restart(&mut self) -> Result<()> {
        let port = self.port;
        self.daemon.start(|| healthy(port))
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// HOST:PORT.
    pub fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn healthy(port: u16) -> bool {
    let limit = Duration::from_secs(2);
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), limit) else {
        return false;
    };
    let mut answer = String::new();
    stream.set_read_timeout(Some(limit)).is_ok()
        && stream.write_all(b"ruok").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer == "imok"
}
