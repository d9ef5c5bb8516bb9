//! What xtask tells its user: one aligned line per thing, coloured only on a terminal.

use std::io::{IsTerminal, stderr};

/// Prints one line about `topic`.
pub(crate) fn line(topic: &str, text: impl std::fmt::Display) {
    if coloured() {
        eprintln!("  \x1b[2m{topic:<14}\x1b[0m {text}");
    } else {
        eprintln!("  {topic:<14} {text}");
    }
}

/// Prints an error with its causes; the remedy stands in the error's own text.
pub(crate) fn error(error: &anyhow::Error) {
    if coloured() {
        eprintln!("\x1b[1;31merror:\x1b[0m {error:#}");
    } else {
        eprintln!("error: {error:#}");
    }
}

/// Whether colours are welcome: a terminal, and nobody asked for none (no-color.org).
fn coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
