//! The protocol crate seen from outside: codec, receive checks, state machine and watch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking; clippy.toml's exception covers the #[test] functions alone"
)]

mod codec;
mod fixtures;
mod frames;
mod handover;
mod invariants;
mod receive;
mod takeover;
mod transitions;
mod untouched;
mod watch;
