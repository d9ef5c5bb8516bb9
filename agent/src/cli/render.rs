//! Options of the rendering half, beside those of the election.

use std::path::PathBuf;

use clap::Args;

/// What `vipward run` renders, and from where. Without `--confdir` or `--backend` it renders nothing.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[command(next_help_heading = "Rendering")]
pub struct RenderOptions {
    /// confd directory with conf.d and templates
    #[arg(long, env = "VIPWARD_CONFDIR", value_name = "DIR")]
    pub confdir: Option<PathBuf>,
    /// confd.toml to read, in place of the one in the confd directory
    #[arg(long, env = "VIPWARD_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Store: etcd, etcdv2, etcdv3, consul, redis, zookeeper, file or env
    #[arg(long, env = "VIPWARD_BACKEND", value_name = "NAME")]
    pub backend: Option<String>,
    /// Address of the store; may be repeated, or separated by commas
    #[arg(long, env = "VIPWARD_NODE", value_delimiter = ',', value_name = "URL")]
    pub node: Vec<String>,
    /// Prefix of all keys, before a resource's own
    #[arg(long, env = "VIPWARD_PREFIX", value_name = "KEY")]
    pub prefix: Option<String>,
    /// Read the store every so many seconds instead of watching it
    #[arg(long, env = "VIPWARD_INTERVAL", value_name = "SECONDS")]
    pub interval: Option<u32>,
    /// How long to wait for further changes before rendering, MIN:MAX
    #[arg(long, env = "VIPWARD_WAIT", value_name = "MIN:MAX")]
    pub wait: Option<String>,
    /// http or https, for nodes from SRV records
    #[arg(long, env = "VIPWARD_SCHEME", value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// Domain whose SRV records list the nodes
    #[arg(long, env = "VIPWARD_SRV_DOMAIN", value_name = "DOMAIN")]
    pub srv_domain: Option<String>,
    /// SRV record that lists the nodes
    #[arg(long, env = "VIPWARD_SRV_RECORD", value_name = "NAME")]
    pub srv_record: Option<String>,
    /// User of the store
    #[arg(long, env = "VIPWARD_USERNAME", value_name = "NAME")]
    pub username: Option<String>,
    /// The user's password; better given by the variable or confd.toml, since others see command lines
    #[arg(long, env = "VIPWARD_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// Send user and password by HTTP basic authentication
    #[arg(long, env = "VIPWARD_BASIC_AUTH")]
    pub basic_auth: bool,
    /// Token for the store (consul)
    #[arg(long, env = "VIPWARD_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub auth_token: Option<String>,
    /// Certificates to trust
    #[arg(long, env = "VIPWARD_CLIENT_CA_KEYS", value_name = "FILE")]
    pub client_ca_keys: Option<PathBuf>,
    /// Our certificate
    #[arg(long, env = "VIPWARD_CLIENT_CERT", value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, env = "VIPWARD_CLIENT_KEY", value_name = "FILE")]
    pub client_key: Option<PathBuf>,
    /// What separates the parts of a key (redis)
    #[arg(long, env = "VIPWARD_SEPARATOR", value_name = "TEXT")]
    pub separator: Option<String>,
    /// File or folder of the file store; may be repeated
    #[arg(long, env = "VIPWARD_STORE_FILE", value_delimiter = ',', value_name = "PATH")]
    pub store_file: Vec<String>,
    /// Names that are read in a folder of the file store
    #[arg(long, env = "VIPWARD_FILTER", value_name = "PATTERN")]
    pub filter: Option<String>,
    /// Show what would change in files, and change none
    #[arg(long, env = "VIPWARD_NOOP")]
    pub noop: bool,
    /// Write files, and run neither checks nor reloads
    #[arg(long, env = "VIPWARD_SYNC_ONLY")]
    pub sync_only: bool,
    /// Leave staged files where they are
    #[arg(long, env = "VIPWARD_KEEP_STAGE_FILE")]
    pub keep_stage_file: bool,
}

/// Options of `vipward nginx-check`.
#[derive(Debug, Args)]
pub struct NginxCheck {
    /// The new file
    #[arg(value_name = "SRC")]
    pub src: PathBuf,
    /// Where it shall stand
    #[arg(long, value_name = "DEST")]
    pub dest: PathBuf,
    /// nginx's main configuration file; where the binary has it if absent
    #[arg(long, env = "VIPWARD_NGINX_CONF", value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// nginx's prefix (-p); where the binary has it if absent
    #[arg(long, env = "VIPWARD_NGINX_PREFIX", value_name = "DIR")]
    pub prefix: Option<PathBuf>,
}
