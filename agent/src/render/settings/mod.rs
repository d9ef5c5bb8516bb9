//! How the rendering half runs: confd's flags, environment and `confd.toml`, and the options of `vipward run`, which all
//! become one [`Settings`]. The command line wins over the environment, and the environment over the file.

mod backend;
mod build;
mod file;
mod flags;
mod layer;
mod options;

use std::path::PathBuf;
use std::time::Duration;

pub use build::{for_confd, for_run, help};
pub use flags::Invocation;

use super::apply;
use super::resource::{Defaults, PrefixRule, Wait};
use super::store::{Backend, Secret};

/// Where confd's users have their configuration.
pub const DEFAULT_CONFDIR: &str = "/etc/confd";
/// confd's interval between two readings of the store.
pub const DEFAULT_INTERVAL: Duration = Duration::from_mins(10);

/// Everything that the rendering half has to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder with `conf.d` and `templates`.
    pub confdir: PathBuf,
    /// Which store.
    pub backend: Backend,
    /// Where it is. Never empty for a store that is reached over the network, unless [`Settings::srv_record`] says how
    /// to find it.
    pub nodes: Vec<String>,
    /// The name of the SRV records that list the nodes, if they are to be found by them.
    pub srv_record: Option<String>,
    /// `http` or `https`, for nodes that do not say it themselves.
    pub scheme: Option<String>,
    /// User and password.
    pub credentials: Option<Credentials>,
    /// Whether they go by HTTP basic authentication.
    pub basic_auth: bool,
    /// A token, as consul has it.
    pub auth_token: Option<Secret>,
    /// Certificates.
    pub tls: Tls,
    /// What stands between the parts of a key, where a store has no folders (redis).
    pub separator: String,
    /// Files and folders of the file store.
    pub files: Vec<PathBuf>,
    /// Which names in a folder of the file store are read.
    pub filter: String,
    /// The global prefix, or nothing.
    pub prefix: String,
    /// What it does with a resource's own.
    pub prefix_rule: PrefixRule,
    /// How often.
    pub schedule: Schedule,
    /// What is left out.
    pub apply: apply::Options,
    /// Least severe level that is logged, where it was given here.
    pub log_level: Option<tracing::Level>,
    /// How long to wait for further changes.
    pub wait: Wait,
    /// Where reloads that are still to be done are remembered.
    pub run_dir: PathBuf,
}

impl Settings {
    /// What the resources need of this.
    pub fn resource_defaults(&self) -> Defaults {
        Defaults { prefix: self.prefix.clone(), prefix_rule: self.prefix_rule }
    }
}

/// How often everything is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Once, and then exit.
    Once,
    /// Whenever the store says that something changed.
    Watch,
    /// From time to time.
    Every(Duration),
}

/// A user of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// Certificates for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust; the system's own list if absent.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// Why there are no settings: something that was given cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No such flag.
    #[error("unknown flag -{0}{1}")]
    UnknownFlag(String, String),
    /// A flag of confd's that belongs to a store which is not here.
    #[error("-{0} belongs to a store that vipward does not have (it has {list})", list = Backend::list())]
    ForeignFlag(String),
    /// A word that belongs to no flag.
    #[error("unexpected argument `{0}`: flags begin with a dash, as in -backend etcd")]
    Argument(String),
    /// Nothing after a flag that needs something.
    #[error("-{0} needs a value")]
    NoValue(String),
    /// A value that means nothing; the first part says where it was given.
    #[error("{origin}: {message}")]
    Value {
        /// The flag, the variable, or the place in the file.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// Findings in `confd.toml`.
    #[error("{0}")]
    File(String),
}

#[cfg(test)]
mod tests;
