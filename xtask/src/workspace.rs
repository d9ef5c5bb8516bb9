//! Where the workspace is, and how cargo is called in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs;

/// The workspace's root folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Variables with a path in them. A relative one is meant from where we are, and cargo runs elsewhere: the compiler
/// in the workspace's root, build scripts and tests in their packages' folders.
const PATHS: [&str; 2] = [TARGET_VARIABLE, OBJECT_VARIABLE];
/// Where cargo puts what it builds.
const TARGET_VARIABLE: &str = "CARGO_TARGET_DIR";
/// Names the eBPF object to embed instead of building one.
pub(crate) const OBJECT_VARIABLE: &str = "VIPWARD_EBPF_OBJECT";

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    path_in(TARGET_VARIABLE).unwrap_or_else(|| root().join("target"))
}

/// The path in one of our variables, from the root of the file system.
pub(crate) fn path_in(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from)?;
    // It fails for an empty path, which names nothing, and where we are in no folder at all.
    std::path::absolute(path).ok()
}

/// `cargo` in the workspace's root, with what it installs itself (bpf-linker) on PATH.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(root()).env("PATH", programs::search_path());
    cargo.envs(PATHS.into_iter().filter_map(|variable| Some((variable, path_in(variable)?))));
    cargo
}
