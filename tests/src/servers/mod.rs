//! Real stores for tests: started on free ports of the loopback with their data in a temporary folder, killed by
//! process id and removed when dropped. Each can be killed, started again on its port, and paused.

mod consul;
mod daemon;
mod etcd;
mod http;
mod redis;
mod zookeeper;

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};

pub use consul::Consul;
pub use daemon::Daemon;
pub use etcd::{Cluster, Etcd, Setting};
pub use http::{Answer, Connection, base64};
pub use redis::Redis;
pub use zookeeper::Zookeeper;

/// How long a server may take to be ready: a Java one on a busy machine takes its time.
pub const READY: Duration = Duration::from_mins(1);

/// A port of the loopback that nothing listens on now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port on the loopback")?;
    Ok(listener.local_addr()?.port())
}
