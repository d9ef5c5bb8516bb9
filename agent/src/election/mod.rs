//! Elections: one thread that decides who is master and acts upon it.
//!
//! * [`thread`]: waits for inputs and deadlines; the agent's handle. Owns the [`driver`] and nothing is shared.
//! * `driver`: one turn of the thread: inputs in, state machines, work out in slices.
//! * `hear`, `fitness` with `trackers`, `configure`: the kinds of input (data path; links and what is tracked; configuration).
//! * `sync`: groups whose members change their state together.
//! * `lease`: what the kernel may let this node serve; `stop`: handing over and letting go.
//! * `act`: what a state machine asked for; `work`: doing it, adverts first, then addresses, then announcements.
//! * `registry`, `instance`, `plan`: the routers, and what their configuration means to machine, kernel and wire.
//! * `snapshot`, [`figures`]: what is told of all that, and what was measured.
//! * [`message`]: what crosses to and from the rest of the agent.
//!
//! The thread never blocks, never logs, and reads no clock but CLOCK_MONOTONIC.

mod act;
mod announce;
mod configure;
mod deadlines;
mod debounce;
mod driver;
pub mod figures;
mod fitness;
mod hear;
mod instance;
mod interface;
mod lease;
pub mod message;
pub(crate) mod plan;
pub(crate) mod realtime;
mod registry;
mod routes;
mod snapshot;
mod stop;
mod sync;
#[cfg(test)]
mod tests;
pub mod thread;
mod trackers;
mod will;
mod work;

use std::path::PathBuf;

use nix::errno::Errno;

use crate::kernel::{Choice, KernelError};
use crate::net::NetError;

/// What the election thread must know before it has a configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// How adverts are received.
    pub datapath: Choice,
    /// Whether the kernel is to let this node serve its addresses only under a lease.
    pub leases: bool,
    /// Where what outlives the agent is pinned; `None` when nothing is to.
    pub pins: Option<PathBuf>,
}

/// Why the election thread did not start, or does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// The operating system refused a thread.
    #[error("cannot start the election thread: {0}")]
    Thread(#[from] std::io::Error),
    /// It refused a descriptor to wait on.
    #[error("cannot make a descriptor to wait on: {0}")]
    Wait(#[from] Errno),
    /// It refused a socket.
    #[error(transparent)]
    Net(#[from] NetError),
    /// No data path can be used.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Too many commands are waiting.
    #[error("the election thread has too many commands waiting; try again")]
    Busy,
    /// The thread has ended.
    #[error("the election thread has ended")]
    Gone,
}
