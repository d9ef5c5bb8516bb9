//! What the election thread says, as log lines. One line per transition tells the whole story.

use tracing::{info, warn};
use vipward_vrrp::types::State;

use crate::check::notify::Told;
use crate::check::runner::ScriptResult;
use crate::election::message::{Level, Transition};

/// Logs a transition.
pub(super) fn transition(transition: &Transition) {
    let Transition { instance, from, to, why, priority, master, silent_for, .. } = transition;
    let master = master
        .map(|(address, priority)| format!(", master {address} with priority {priority}"))
        .unwrap_or_default();
    let silence = silent_for
        .map(|silence| format!(", nothing heard for {:.1} ms", silence.as_secs_f64() * 1e3))
        .unwrap_or_default();
    info!(%instance, %from, %to, "{instance}: {from} → {to} because {why} (priority {priority}{master}{silence})");
}

/// Logs a note.
pub(super) fn note(level: Level, instance: Option<&str>, text: &str) {
    let about = instance.map_or_else(String::new, |instance| format!("{instance}: "));
    match level {
        Level::Info => info!("{about}{text}"),
        Level::Warn => warn!("{about}{text}"),
    }
}

/// Logs a script's verdict.
pub(super) fn script(result: &ScriptResult) {
    let ScriptResult { name, up, exit, duration, output } = result;
    let output = if output.is_empty() { String::new() } else { format!(": {output}") };
    let took = duration.as_secs_f64() * 1e3;
    if *up {
        info!("script {name} is up ({exit} after {took:.1} ms){output}");
    } else {
        warn!("script {name} is down ({exit} after {took:.1} ms){output}");
    }
}

/// Which notify scripts a transition runs, if any: keepalived tells of no INIT.
pub(super) fn told(transition: &Transition) -> Option<Told> {
    match transition.to {
        State::Master => Some(Told::Master),
        State::Backup => Some(Told::Backup),
        State::Fault => Some(Told::Fault),
        State::Init => transition.stopping.then_some(Told::Stop),
    }
}
