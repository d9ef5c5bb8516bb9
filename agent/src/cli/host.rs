//! For which host a configuration is read.

use clap::Args;

/// Whose lines of a keepalived.conf count.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigId {
    /// Of the lines in keepalived.conf that begin with @ID take those for this ID; by default the host's name up to its
    /// first dot
    #[arg(long, env = "VIPWARD_CONFIG_ID", value_name = "ID")]
    pub config_id: Option<String>,
}
