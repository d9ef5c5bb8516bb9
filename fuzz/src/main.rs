//! One target under libFuzzer: which one is in the environment, and so is the folder for its files.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use vipward_fuzz::{Target, find};

/// Name of the target.
const TARGET: &str = "VIPWARD_FUZZ_TARGET";
/// A folder that is there for its files.
const SCRATCH: &str = "VIPWARD_FUZZ_SCRATCH";

static CHOSEN: OnceLock<(&'static Target, PathBuf)> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (target, scratch) = CHOSEN.get_or_init(choose);
    (target.run)(data, scratch);
});

fn choose() -> (&'static Target, PathBuf) {
    let named = std::env::var(TARGET).ok().and_then(|name| find(&name));
    match (named, std::env::var_os(SCRATCH)) {
        (Some(target), Some(scratch)) => (target, scratch.into()),
        _ => {
            eprintln!("set {TARGET} to a target and {SCRATCH} to a folder, or run `cargo xtask fuzz`");
            std::process::exit(2);
        }
    }
}
