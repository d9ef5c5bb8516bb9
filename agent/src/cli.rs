//! The command line. Every option of the agent and of `check`, and where the agent is, can also be given as an environment
//! variable `VIPWARD_…`; how one answer of `status` is shown cannot.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::kernel::Choice;

/// Where keepalived's users have their configuration.
pub const DEFAULT_CONFIG: &str = "/etc/keepalived/keepalived.conf";
/// Where the control socket and the lock live.
pub const DEFAULT_RUN_DIR: &str = "/run/vipward";

/// Keeps virtual IPs alive on a group of Linux hosts.
#[derive(Debug, Parser)]
#[command(name = "vipward", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent in the foreground until SIGTERM or SIGINT
    Run(Run),
    /// Check a configuration: exit 0 when clean, 1 with warnings, 2 with errors
    Check(Check),
    /// Show who is master, and why
    Status(Status),
    /// Make the running agent read its configuration again
    Reload(RunDir),
    /// Render one template with the keys of a JSON file
    Template(Template),
}

/// Options of `vipward run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// keepalived.conf to read
    #[arg(short = 'f', long = "file", env = "VIPWARD_FILE", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub file: PathBuf,
    /// Where the control socket lives
    #[command(flatten)]
    pub run_dir: RunDir,
    /// How adverts are received
    #[arg(long, env = "VIPWARD_DATAPATH", value_enum, default_value_t = Choice::Auto)]
    pub datapath: Choice,
    /// Unknown keywords in the configuration are warnings instead of errors
    #[arg(long, env = "VIPWARD_LENIENT")]
    pub lenient: bool,
    /// How log lines look
    #[arg(long, env = "VIPWARD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Least severe level that is logged: error, warn, info, debug or trace
    #[arg(long, env = "VIPWARD_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: tracing::Level,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Options of `vipward check`.
#[derive(Debug, Args)]
pub struct Check {
    /// keepalived.conf to check
    #[arg(short = 'f', long = "file", env = "VIPWARD_FILE", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub file: PathBuf,
    /// Unknown keywords are warnings instead of errors
    #[arg(long, env = "VIPWARD_LENIENT")]
    pub lenient: bool,
}

/// Options of `vipward status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Which agent to ask
    #[command(flatten)]
    pub run_dir: RunDir,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show again whenever something changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// Options of `vipward template`.
#[derive(Debug, Args)]
pub struct Template {
    /// Template to render: Handlebars if it ends in .hbs, else Go's syntax
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// JSON object of keys and values
    #[arg(long, value_name = "KEYS.json")]
    pub keys: Option<PathBuf>,
    /// Only the keys below this path, without it, as a resource's prefix has it
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub prefix: String,
}

/// Which agent of this host is meant.
#[derive(Clone, Debug, Args)]
pub struct RunDir {
    /// Run directory of the agent
    #[arg(long, env = "VIPWARD_RUN_DIR", default_value = DEFAULT_RUN_DIR, value_name = "DIR")]
    pub run_dir: PathBuf,
}
