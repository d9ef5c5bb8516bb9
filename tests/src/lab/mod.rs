//! Hosts on a bridge, each in a network namespace of its own, with whatever runs on them.
//!
//! ```text
//!   n1 ─ eth0 ──┐
//!   n2 ─ eth0 ──┤ br0      (ports carry the hosts' names; the bridge has a namespace of its own)
//!   client eth0 ┘
//! ```
//!
//! Namespaces are called `vw<pid>-<lab>-<host>`, so several labs run side by side and what a killed process left
//! behind can be told from what is in use. Everything is removed on drop; when the process ends in any other way
//! (a signal, an abort, `kill -9`) its [`guardian`] removes it.

pub mod clock;
pub mod guardian;
pub mod host;
pub mod http;
pub mod keepalived;
pub mod netns;
pub mod nginx;
mod observer;
pub mod probe;
pub mod process;
pub mod rundir;
pub mod vipward;
pub mod wait;
pub mod wire;
pub mod witness;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use nix::unistd::Uid;

pub use host::Host;
use netns::Namespace;
use rundir::RunDir;

/// Counts the labs of this process.
static LABS: AtomicU32 = AtomicU32::new(0);

/// A bridge and a run dir; hosts are added to it.
pub struct Lab {
    shared: Arc<Shared>,
    hosts: AtomicU8,
}

/// What the hosts need for as long as one of them lives.
pub(crate) struct Shared {
    // Dropped in this order: no process that uses the run dir outlives the namespaces.
    pub(crate) bridge: Namespace,
    pub(crate) dir: RunDir,
    prefix: String,
}

impl Lab {
    /// Makes an empty lab, after removing what dead processes left. Fails without root.
    pub fn new() -> Result<Lab> {
        ensure!(Uid::effective().is_root(), "the lab makes network namespaces, which only root can");
        guardian::watch_over_this_process()?;
        guardian::remove_leftovers();
        let prefix = format!("{}{}", guardian::prefix(), LABS.fetch_add(1, Ordering::Relaxed));
        let dir = RunDir::new(&prefix)?;
        let bridge = Namespace::new(&format!("{prefix}-br"))?;
        // No snooping: what is measured is the routers and not a switch. No spanning tree: ports forward at once.
        bridge
            .ip("link add br0 up type bridge stp_state 0 mcast_snooping 0\n")
            .context("cannot make the lab's bridge")?;
        Ok(Lab { shared: Arc::new(Shared { bridge, dir, prefix }), hosts: AtomicU8::new(0) })
    }

    /// Adds a host called `name` with the addresses 10.77.0.N/24 and fd77::N/64, N counting from 1.
    pub fn host(&self, name: &str) -> Result<Host> {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        Host::new(&self.shared, name, number).with_context(|| format!("cannot make the host {name}"))
    }

    /// Where files and sockets of this lab go; removed with it.
    pub fn dir(&self) -> &Path {
        self.shared.dir.path()
    }

    /// The namespace of the bridge, where every frame passes.
    pub fn bridge(&self) -> &Namespace {
        &self.shared.bridge
    }
}

impl Shared {
    /// Name of the namespace of a host.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }
}
