//! The guard: a second, small process that sees the agent's death at once, and does what a graceful stop would have
//! done: ends the leases, announces priority 0, removes the addresses.
//!
//! The agent writes down beforehand what is to be done, as finished packets and addresses ([`estate`]), in memory that
//! both share ([`will`]). The guard waits for the end of the thread that elects ([`life`]) and carries the will out
//! ([`execute`]); after its start it allocates nothing and asks nobody. When a restart is announced, or expected after a crash, it keeps the
//! leases alive for a bounded time instead, by sending the adverts itself ([`keep`]).

pub mod estate;
mod execute;
mod keep;
pub mod launch;
mod life;
mod watch;
pub mod will;

pub use watch::run;
