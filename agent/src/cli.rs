//! The command line. Every option of the agent and of `check`, and where the agent is, can also be given as an environment
//! variable `VIPWARD_…`; how one answer of `status` is shown cannot.

mod host;
mod look;
mod render;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::control::protocol::Level;
use crate::journal::show::Since;
use crate::kernel::Choice;
use crate::kv::args::Kv;
use crate::metrics::{Compat, MetricsAddress};

pub use host::ConfigId;
pub use look::{Doctor, Monitor};
pub use render::{NginxCheck, RenderOptions};

/// Where keepalived's users have their configuration.
pub const DEFAULT_CONFIG: &str = "/etc/keepalived/keepalived.conf";
/// Where the control socket and the lock live.
pub const DEFAULT_RUN_DIR: &str = "/run/vipward";

/// How long VIPs are kept for a restart unless the option says otherwise.
const DEFAULT_KEEP: Duration = Duration::from_secs(10);
/// The longest that makes sense: a machine boots in that time.
const MAX_KEEP: Duration = Duration::from_mins(5);

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
    Run(Box<Run>),
    /// Check a configuration: exit 0 when clean, 1 with warnings, 2 with errors
    Check(Check),
    /// Show who is master, and why
    Status(Status),
    /// Say why an instance is in its state, and what happens next
    Explain(Explain),
    /// Show what happened, also before the agent was started
    Events(Events),
    /// Look for what keeps adverts from being sent, heard and acted upon: exit 0 if all is well, 1 with warnings, 2 with
    /// errors
    Doctor(Doctor),
    /// Show adverts and address announcements as they pass by, with what is wrong about each
    #[command(long_about = look::MONITOR)]
    Monitor(Monitor),
    /// Make the running agent read its configuration again
    Reload(RunDir),
    /// Hand over to the others, and take nothing over before them; exit 1 if nobody takes over
    Drain(RunDir),
    /// The end of that
    Undrain(RunDir),
    /// Change what a running agent logs, until it ends
    LogLevel(LogLevel),
    /// Announce a restart: when the agent is stopped within that time, its VIPs stay for the next one
    Hold(Hold),
    /// Remove what an agent that will not come back left in the kernel: XDP programs, fences, VIPs
    Unfence(RunDir),
    /// Watch over an agent (started by it)
    #[command(hide = true)]
    Guard(Guard),
    /// Read and change the keys of an etcd
    Kv(Kv),
    /// Render files from a store with confd's own flags, see `vipward confd -help`
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Confd(Confd),
    /// Check one file of nginx's configuration inside a copy of all of it
    NginxCheck(NginxCheck),
    /// Render one template with the keys of a JSON file
    Template(Template),
    /// Print what a shell needs to complete our command lines
    Completions(Completions),
}

/// The command line of confd, which is not for clap: its long flags have one dash.
#[derive(Debug, Args)]
pub struct Confd {
    /// confd's flags
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    pub arguments: Vec<OsString>,
}

/// Options of `vipward run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// keepalived.conf to read
    #[arg(short = 'f', long = "file", env = "VIPWARD_FILE", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub file: PathBuf,
    /// Whose lines of it count
    #[command(flatten)]
    pub config_id: ConfigId,
    /// Where the control socket lives
    #[command(flatten)]
    pub run_dir: RunDir,
    /// How adverts are received
    #[arg(long, env = "VIPWARD_DATAPATH", value_enum, default_value_t = Choice::Auto)]
    pub datapath: Choice,
    /// Whether the kernel lets this node serve a VIP only while its adverts are really sent
    #[arg(long, env = "VIPWARD_LEASE", value_enum, default_value_t = Switch::On)]
    pub lease: Switch,
    /// What becomes of the VIPs when the agent dies: `release` hands over at once, `wait` or `wait:10s` keeps them
    /// for an agent that is started again meanwhile
    #[arg(long, env = "VIPWARD_ON_CRASH", default_value = "release", value_name = "WHAT")]
    pub on_crash: OnCrash,
    /// Where metrics and the status page are served, such as 127.0.0.1:9650; several with commas between them, or `off`
    #[arg(long, env = "VIPWARD_METRICS", value_name = "ADDR", value_delimiter = ',', default_value = "off")]
    pub metrics: Vec<MetricsAddress>,
    /// Whose names of metrics there are beside our own
    #[arg(long, env = "VIPWARD_METRICS_COMPAT", value_name = "WHOSE", value_enum)]
    pub metrics_compat: Option<Compat>,
    /// Unknown keywords in the configuration are warnings instead of errors
    #[arg(long, env = "VIPWARD_LENIENT")]
    pub lenient: bool,
    /// Only render; keep no VIP, whatever keepalived.conf there is
    #[arg(long, env = "VIPWARD_RENDER_ONLY")]
    pub render_only: bool,
    /// How log lines look, and where they go; by default to the journal if systemd started this, else text to stderr
    #[arg(long, env = "VIPWARD_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// Least severe level that is logged: error, warn, info, debug or trace; see `vipward log-level` for a running agent
    #[arg(long, env = "VIPWARD_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: tracing::Level,
    /// What is rendered beside the election
    #[command(flatten)]
    pub render: RenderOptions,
}

/// Whether a keepalived.conf is missing that nobody named: who has a confd directory need not have one.
pub fn is_absent_default(file: &Path) -> bool {
    file == Path::new(DEFAULT_CONFIG) && file.try_exists().is_ok_and(|exists| !exists)
}

/// What becomes of the VIPs when the agent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// Hand over at once.
    Release,
    /// Keep them for so long, if no other agent takes them over.
    Wait(Duration),
}

impl OnCrash {
    /// For how long they are kept.
    pub fn keep(self) -> Duration {
        match self {
            OnCrash::Release => Duration::ZERO,
            OnCrash::Wait(keep) => keep,
        }
    }
}

impl FromStr for OnCrash {
    type Err = String;

    fn from_str(text: &str) -> Result<OnCrash, String> {
        match text.split_once(':') {
            None if text == "release" => Ok(OnCrash::Release),
            None if text == "wait" => Ok(OnCrash::Wait(DEFAULT_KEEP)),
            Some(("wait", time)) => keep(time).map(OnCrash::Wait),
            _ => Err("release, wait, or wait:TIME such as wait:10s".to_owned()),
        }
    }
}

/// A time for which VIPs are kept without an agent: nobody checks the service meanwhile.
fn keep(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match time {
        Duration::ZERO => Err("a time longer than that".to_owned()),
        time if time > MAX_KEEP => Err(format!("at most {}", humantime::format_duration(MAX_KEEP))),
        time => Ok(time),
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
    /// Entries of systemd's journal, with fields such as INSTANCE and STATE
    Journal,
}

/// Options of `vipward check`.
#[derive(Debug, Args)]
pub struct Check {
    /// keepalived.conf to check
    #[arg(short = 'f', long = "file", env = "VIPWARD_FILE", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub file: PathBuf,
    /// Whose lines of it count
    #[command(flatten)]
    pub config_id: ConfigId,
    /// confd directory to check as well: its resources and templates
    #[arg(long, env = "VIPWARD_CONFDIR", value_name = "DIR")]
    pub confdir: Option<PathBuf>,
    /// Unknown keywords are warnings instead of errors
    #[arg(long, env = "VIPWARD_LENIENT")]
    pub lenient: bool,
    /// Look at no keepalived.conf, as `vipward run --render-only` does
    #[arg(long, env = "VIPWARD_RENDER_ONLY", requires = "confdir")]
    pub render_only: bool,
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

/// Options of `vipward events`.
#[derive(Debug, Args)]
pub struct Events {
    /// Whose events
    #[command(flatten)]
    pub run_dir: RunDir,
    /// Only those since then: a time that has passed, such as 10m, or 2026-11-25T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
    /// Show also what happens from now on, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
}

/// Options of `vipward explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Which agent to ask
    #[command(flatten)]
    pub run_dir: RunDir,
    /// Instance to explain; all of them if none is named
    #[arg(value_name = "INSTANCE")]
    pub instance: Option<String>,
}

/// Options of `vipward log-level`.
#[derive(Debug, Args)]
pub struct LogLevel {
    /// Which agent to ask
    #[command(flatten)]
    pub run_dir: RunDir,
    /// Least severe level that is logged. The XDP program's own messages are there only if the agent was started with
    /// `--log-level debug` or `trace`
    #[arg(value_name = "LEVEL", value_enum)]
    pub level: Level,
}

/// Options of `vipward hold`.
#[derive(Debug, Args)]
pub struct Hold {
    /// Which agent to ask
    #[command(flatten)]
    pub run_dir: RunDir,
    /// How long the VIPs are kept without an agent
    #[arg(long = "for", default_value = "10s", value_name = "TIME", value_parser = keep)]
    pub keep: Duration,
}

/// What the agent tells its guard.
#[derive(Debug, Args)]
pub struct Guard {
    /// The map of the leases is there
    #[arg(long)]
    pub leases: bool,
    /// For how many nanoseconds to keep serving after its death
    #[arg(long)]
    pub keep: u64,
}

/// Options of `vipward completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
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
