//! What can be asked of a store from the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::render::store::{Backend, Options};

/// Options of `vipward kv`.
#[derive(Debug, Args)]
pub struct Kv {
    /// Where the store is.
    #[command(flatten)]
    pub connection: Connection,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with an etcd.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print the value of a key; exit 1 if there is no such key
    Get {
        /// The key
        key: String,
    },
    /// Set a key
    Set {
        /// The key
        key: String,
        /// Its value; read from the standard input if absent
        #[arg(allow_hyphen_values = true, conflicts_with = "dir")]
        value: Option<String>,
        /// Seconds after which the key goes by itself
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..))]
        ttl: Option<i64>,
        /// Make a directory (v2 only)
        #[arg(long)]
        dir: bool,
    },
    /// List what is below a key; directories end with a slash
    Ls {
        /// The key
        #[arg(default_value = "/")]
        key: String,
        /// All keys, however deep
        #[arg(short, long)]
        recursive: bool,
    },
    /// Delete a key; exit 1 if there is no such key
    Del {
        /// The key
        key: String,
        /// And all below it
        #[arg(short, long)]
        recursive: bool,
    },
    /// Print what changes at and below a key, until Ctrl-C. Of changes that come in one burst, the last of each key
    Watch {
        /// The key
        key: String,
        /// End after this many changes
        #[arg(long, value_name = "N")]
        count: Option<usize>,
    },
    /// Print the seconds that a key has left, or `none`
    Ttl {
        /// The key
        key: String,
    },
    /// List the members of the cluster
    Members,
    /// Show version, members, leader, size and raft index of each node
    Status,
}

/// Which API of etcd to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Api {
    /// v3, or v2 if the server has no v3
    #[value(name = "etcd")]
    Etcd,
    /// The v2 HTTP API
    #[value(name = "etcdv2")]
    V2,
    /// The v3 API
    #[value(name = "etcdv3")]
    V3,
}

/// Where the store is, and who we are to it. Every option can also be an environment variable.
#[derive(Clone, Debug, Args)]
pub struct Connection {
    /// Which API to use
    #[arg(long, global = true, env = "VIPWARD_BACKEND", value_enum, default_value_t = Api::Etcd)]
    pub backend: Api,
    /// A node of the store; can be given several times
    #[arg(long = "node", global = true, env = "VIPWARD_NODE", value_name = "URL", value_delimiter = ',')]
    pub nodes: Vec<String>,
    /// http or https, for nodes that do not say it
    #[arg(long, global = true, env = "VIPWARD_SCHEME")]
    pub scheme: Option<String>,
    /// User name
    #[arg(long, global = true, env = "VIPWARD_USERNAME")]
    pub username: Option<String>,
    /// Password; better given by the environment, which other users cannot see
    #[arg(long, global = true, env = "VIPWARD_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Certificates of the authority that the server's is checked against
    #[arg(long, global = true, env = "VIPWARD_CLIENT_CA_KEYS", value_name = "FILE")]
    pub client_ca_keys: Option<PathBuf>,
    /// Our certificate
    #[arg(long, global = true, env = "VIPWARD_CLIENT_CERT", value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, global = true, env = "VIPWARD_CLIENT_KEY", value_name = "FILE")]
    pub client_key: Option<PathBuf>,
}

impl Connection {
    /// The same as a store is opened with.
    pub fn options(&self, backend: Backend) -> Options {
        let mut options = Options::new(backend);
        options.nodes.clone_from(&self.nodes);
        options.scheme.clone_from(&self.scheme);
        options.username.clone_from(&self.username);
        options.password = self.password.clone().map(Into::into);
        options.client_ca.clone_from(&self.client_ca_keys);
        options.client_cert.clone_from(&self.client_cert);
        options.client_key.clone_from(&self.client_key);
        options
    }
}
