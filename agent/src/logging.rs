//! Log lines: text or JSON on stderr.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::cli::LogFormat;

/// Starts logging for the rest of the process. A second call changes nothing.
pub fn start(format: LogFormat, level: Level) {
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(LevelFilter::from_level(level))
        .with_timer(SystemTime)
        .with_target(false);
    // A second start fails because the first one serves already.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
