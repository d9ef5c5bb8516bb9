//! The lab: hosts in network namespaces, real peers, real stores, frames made by hand, and probes that measure what a client sees.
//! It may not use the agent's crate, which needs the compiler that `cargo xtask setup` brings, and xtask needs this.

pub mod bench;
pub mod chaos;
pub mod frame;
pub mod lab;
pub mod peers;
pub mod servers;
