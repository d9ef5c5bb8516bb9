//! The agent's `net` room against the real network stack, in namespaces of its own. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails the test")]

mod addresses;
mod adverts;
mod announcements;
mod fixture;
mod links;
mod prefixes;
