//! What the health scripts said last.

use std::collections::HashMap;

use crate::check::tracking::Health;
use crate::config::model;

/// The configured scripts, and what those that ran last said.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    pub(super) configured: Vec<model::Script>,
    results: HashMap<String, bool>,
}

impl Scripts {
    /// Takes the scripts of a configuration. Results are kept of those that ran before and go on: those that somebody
    /// tracks.
    pub(super) fn configure(&mut self, config: &model::Config) {
        self.configured.clone_from(&config.scripts);
        let tracked = |name: &String| {
            config
                .instances
                .iter()
                .flat_map(|instance| &instance.track_scripts)
                .any(|track| track.name == *name)
        };
        self.results.retain(|name, _| tracked(name));
    }

    /// Takes a result.
    pub(super) fn report(&mut self, name: String, ok: bool) {
        self.results.insert(name, ok);
    }

    /// What is known of a script. An instance that runs already does not wait for a new script's first result.
    pub(super) fn health(&self, name: &str, started: bool) -> Health {
        let init_fail = || self.configured.iter().any(|script| script.name == name && script.init_fail);
        match self.results.get(name) {
            Some(true) => Health::Up,
            Some(false) => Health::Down,
            None if init_fail() => Health::Down,
            None if started => Health::Assumed,
            None => Health::Unproven,
        }
    }
}
