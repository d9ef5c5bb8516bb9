//! Several routers on virtual time: real state machines, watches, leases and packets, a network that loses, delays,
//! doubles, reorders and partitions, and kernels that outlive their agents.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking; clippy.toml's exception covers the #[test] functions alone"
)]

mod chaos;
mod clock;
mod cluster;
mod failover;
mod fleet;
mod history;
mod kernel;
mod leases;
mod network;
mod node;
mod scale;
mod schedule;
mod witness;
