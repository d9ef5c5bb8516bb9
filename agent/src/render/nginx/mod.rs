//! nginx: a check of one file inside a copy of its whole configuration, and a reload whose success is observed.
//!
//! * [`check`]: `nginx -t` of the copy;
//! * [`reload`]: the signal to the verified master, and what came of it;
//! * [`upstream`]: the guard against an upstream without servers;
//! * `conf`, `tree`, `copy`: its configuration read, followed through its includes, and written out elsewhere;
//! * `binary`: where the binary has its files.

mod binary;
pub mod check;
mod conf;
mod copy;
mod master;
pub mod reload;
mod tree;
pub mod upstream;

use std::path::{Path, PathBuf};

pub use binary::Binary;

/// Which nginx of this machine is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// Its main configuration file; where the binary has it if absent.
    pub conf: Option<PathBuf>,
    /// Its prefix (`-p`), likewise.
    pub prefix: Option<PathBuf>,
}

impl Installation {
    /// The main file, for a binary.
    fn conf(&self, binary: &Binary) -> PathBuf {
        self.prefix(binary).join(self.conf.as_deref().unwrap_or(&binary.conf))
    }

    /// What relative names of logs and of the pid file are relative to.
    fn prefix<'a>(&'a self, binary: &'a Binary) -> &'a Path {
        self.prefix.as_deref().unwrap_or(&binary.prefix)
    }
}
