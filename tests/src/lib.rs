//! The lab: hosts in network namespaces, real peers, and probes that measure what a client sees.

pub mod bench;
pub mod lab;
pub mod peers;
