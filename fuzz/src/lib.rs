//! What vipward reads from others, given anything. A target is a function of bytes that fails by panicking, by taking too
//! long or by eating the memory; `cargo xtask fuzz` drives it with libFuzzer, and a test with what was kept.
//!
//! * `wire`: adverts, netlink; `twins`: the XDP program beside the decoder;
//! * `config`: keepalived.conf, confd's TOML; `template`: both engines;
//! * `store`: answers of stores; `request`: the control socket and HTTP;
//! * [`mutate`]: small changes to an input, for the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target fails by panicking")]

mod config;
pub mod mutate;
mod request;
mod store;
mod template;
pub mod twins;
mod wire;

use std::path::{Path, PathBuf};

/// Something that reads untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its folder of inputs too.
    pub name: &'static str,
    /// Gives it an input. Files that it needs go into the folder, which is its own and stays the same from input to
    /// input.
    pub run: fn(&[u8], &Path),
    /// Longest input that is of use, in bytes.
    pub longest: usize,
    /// It loads BPF programs.
    pub privileged: bool,
}

const fn target(name: &'static str, longest: usize, run: fn(&[u8], &Path)) -> Target {
    Target { name, run, longest, privileged: false }
}

/// All there are.
pub const TARGETS: [Target; 14] = [
    target("advert", 1600, wire::advert),
    Target { privileged: true, ..target("xdp", 1600, wire::xdp) },
    target("netlink", 2048, wire::netlink),
    target("keepalived_conf", 4096, config::keepalived),
    target("keepalived_long", 512, config::keepalived_long),
    target("confd_toml", 2048, config::confd_toml),
    target("template_go", 2048, template::go),
    target("template_handlebars", 2048, template::handlebars),
    target("store_etcd2", 4096, store::etcd2),
    target("store_consul", 4096, store::consul),
    target("store_redis", 4096, store::redis),
    target("store_file", 4096, store::file),
    target("control", 4096, request::control),
    target("http", 4096, request::http),
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// Inputs that reach different code, as far as they were found: a starting point for the next run.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        inputs("corpus", self.name)
    }

    /// Inputs that once failed, each named after what was wrong.
    #[must_use]
    pub fn regressions(&self) -> PathBuf {
        inputs("regressions", self.name)
    }
}

fn inputs(kind: &str, name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), kind, name].iter().collect()
}

/// Parts of an input between zero bytes, at most so many: the last has the rest.
fn parts(data: &[u8], most: usize) -> Vec<&[u8]> {
    data.splitn(most, |byte| *byte == 0).collect()
}

/// A message is one line that can be shown on any terminal.
fn assert_plain(message: &str) {
    assert!(!message.chars().any(char::is_control), "a control character in {message:?}");
}
