//! Template resources: the files `conf.d/**/*.toml` of a confd directory, checked before anything is rendered.

mod command;
mod dir;
mod parse;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::diagnostic::Diagnostic;

pub use command::{CheckCommand, CommandError};
pub use values::Wait;

use super::keys::canonical;

/// How long a check may take when the resource does not say.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a reload may take when the resource does not say.
pub const RELOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// One file to render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The resource's own file below `conf.d`, which names it in messages and in `status`.
    pub name: String,
    /// That file.
    pub file: PathBuf,
    /// The template.
    pub src: PathBuf,
    /// What is rendered.
    pub dest: PathBuf,
    /// What stands before every key in the store, and is taken off before the template sees it.
    pub prefix: String,
    /// Keys below the prefix; each means itself and what is below it.
    pub keys: Vec<String>,
    /// Permissions of `dest`; those of the file there, or 0644, if absent.
    pub mode: Option<u32>,
    /// Owner of `dest`; that of the file there, or our own user, if absent.
    pub uid: Option<u32>,
    /// Group of `dest`, likewise.
    pub gid: Option<u32>,
    /// Must succeed before `dest` changes.
    pub check: Option<CheckCommand>,
    /// How long that may take.
    pub check_timeout: Duration,
    /// What makes the service read `dest` again.
    pub reload: Option<Reload>,
    /// How long that may take.
    pub reload_timeout: Duration,
    /// How long to wait for further changes; the setting of the whole if absent.
    pub wait: Option<Wait>,
    /// Whether missing folders above `dest` are made.
    pub create_dest_dirs: bool,
    /// Servers that every `upstream` block of the result must have.
    pub min_upstreams: Option<u32>,
}

/// How a service is made to read its configuration again. Resources that share one reload together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reload {
    /// `/bin/sh -c` of this line.
    Command(String),
    /// The built-in reload of nginx, which is watched and rolled back.
    Nginx {
        /// Its main configuration file; where the binary has it if absent.
        conf: Option<PathBuf>,
        /// Its prefix (`-p`), likewise.
        prefix: Option<PathBuf>,
    },
}

impl Resource {
    /// The paths in the store that this resource reads.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|key| canonical(&format!("{}/{key}", self.prefix)))
    }
}

/// How the global prefix and a resource's own make one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrefixRule {
    /// One after the other.
    #[default]
    Join,
    /// confd's way: a global prefix takes the place of the resource's.
    Replace,
}

/// What applies to all resources of a directory.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The global prefix, or nothing.
    pub prefix: String,
    /// What becomes of a resource's own.
    pub prefix_rule: PrefixRule,
}

/// What came of reading a directory.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What can be rendered, by the order of their files.
    pub resources: Vec<Resource>,
    /// Everything there is to say, by file and place.
    pub findings: Vec<Diagnostic>,
    /// Files, and why nothing is rendered from them.
    pub rejected: Vec<(PathBuf, String)>,
}

/// Reads the resources of `confdir`. One that is wrong does not take the others down.
pub fn load(confdir: &Path, defaults: &Defaults) -> Loaded {
    dir::load(confdir, defaults)
}

#[cfg(test)]
mod tests;
