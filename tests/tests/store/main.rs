//! The stores against the real servers: what is written arrives, whatever happens to the server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may fail as tests do")]

mod certificates;
mod consul;
mod etcd2;
mod etcd3;
mod etcd3_cluster;
mod etcd3_faults;
mod etcd3_secure;
mod etcd_probe;
mod file;
mod garbage;
mod redis;
mod support;
mod zookeeper;
