//! Several routers on virtual time: real state machines, watches and packets, and a network that loses, delays,
//! reorders and partitions.
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
mod history;
mod kernel;
mod leases;
mod network;
mod node;
mod schedule;
mod witness;
