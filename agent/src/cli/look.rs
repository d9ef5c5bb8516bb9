//! Options of the verbs that only look.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ConfigId, DEFAULT_CONFIG, RunDir};

/// The longest that somebody waits for an answer.
const MAX_LISTEN: Duration = Duration::from_mins(1);

/// What `vipward monitor` says of itself.
pub(super) const MONITOR: &str = "\
Show adverts and address announcements as they pass by, with what is wrong about each.

VRRP adverts, gratuitous ARP and unsolicited neighbour adverts are shown, those that this host sends too. Adverts that the \
XDP program of an agent consumes reach no packet socket, and tcpdump does not see them; here they are seen all the same, \
for the program copies them while this command runs, to one such command at a time. What else XDP or the network card drops \
is not seen, nor is what a switch keeps from this host. Adverts are compared with the configuration if it has a router for \
them, otherwise only with what holds for all of them. Needs root: CAP_NET_RAW, and CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON for \
what XDP consumes.";

/// Options of `vipward doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// keepalived.conf whose interfaces are looked at
    #[arg(short = 'f', long = "file", env = "VIPWARD_FILE", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub file: PathBuf,
    /// Whose lines of it count
    #[command(flatten)]
    pub config_id: ConfigId,
    /// Which agent to ask, if one runs
    #[command(flatten)]
    pub run_dir: RunDir,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How long to listen for adverts; 0s for not at all
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = listen)]
    pub listen: Duration,
}

/// Options of `vipward monitor`.
#[derive(Debug, Args)]
pub struct Monitor {
    /// Only what passes this interface
    #[arg(short = 'i', long, value_name = "INTERFACE")]
    pub interface: Option<String>,
    /// keepalived.conf to compare with
    #[arg(short = 'f', long = "file", env = "VIPWARD_FILE", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub file: PathBuf,
    /// Whose lines of it count
    #[command(flatten)]
    pub config_id: ConfigId,
    /// Print a JSON object per line
    #[arg(long)]
    pub json: bool,
    /// End after so many packets
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
    /// End after that time
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub time: Option<Duration>,
}

fn listen(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > MAX_LISTEN => Err(format!("at most {}", humantime::format_duration(MAX_LISTEN))),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}
