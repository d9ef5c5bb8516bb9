//! Rendering from end to end: the binary, real stores, a real nginx, and what a client of it sees.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests may fail as tests do"
)]

mod faults;
mod limits;
mod modes;
#[path = "../render_support/mod.rs"]
mod nginx;
mod reloads;
mod site;
mod stores;
mod walkthrough;
