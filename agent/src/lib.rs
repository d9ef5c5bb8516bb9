//! The vipward agent. `main.rs` is the binary; this library exists so that tests can reach its rooms.

pub mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod control;
pub mod doctor;
pub mod election;
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
pub mod histogram;
pub mod journal;
pub mod kernel;
pub mod kv;
pub mod logging;
pub mod metrics;
pub mod monitor;
pub mod net;
pub mod privileges;
pub mod render;
pub mod supervise;
