//! What the health scripts said last, and what was found of tracked files and processes.

use std::collections::HashMap;

use crate::check::tracking::{Health, Kind, Reading, Report};
use crate::config::model;

/// The configured scripts, and what was found last of everything that reports.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    pub(super) scripts: Vec<model::Script>,
    readings: HashMap<Kind, HashMap<String, Reading>>,
}

impl Trackers {
    /// Takes what a configuration tracks. Readings are kept of what somebody tracked before and still does.
    pub(super) fn configure(&mut self, config: &model::Config) {
        self.scripts.clone_from(&config.scripts);
        for (kind, readings) in &mut self.readings {
            readings.retain(|name, _| config.instances.iter().any(|instance| tracks(instance, *kind, name)));
        }
    }

    /// Takes a report.
    pub(super) fn report(&mut self, report: Report) {
        let Report { kind, name, reading } = report;
        self.readings.entry(kind).or_default().insert(name, reading);
    }

    /// What is known of something that reports. An instance that runs already does not wait for a new one's first report.
    pub(super) fn health(&self, kind: Kind, name: &str, started: bool) -> Health {
        let init_fail = || {
            kind == Kind::Script && self.scripts.iter().any(|script| script.name == name && script.init_fail)
        };
        match self.readings.get(&kind).and_then(|readings| readings.get(name)) {
            Some(Reading::Up) => Health::Up,
            Some(Reading::Down) => Health::Down,
            Some(Reading::Number(number)) => Health::Holds(*number),
            None if init_fail() => Health::Down,
            None if started => Health::Assumed,
            None => Health::Unproven,
        }
    }
}

/// Whether an instance tracks this.
pub(super) fn tracks(instance: &model::Instance, kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Script => instance.track_scripts.iter().any(|track| track.name == name),
        Kind::Interface => instance.track_interfaces.iter().any(|track| track.name == name),
        Kind::File => instance.track_files.iter().any(|track| track.name == name),
        Kind::Process => instance.track_processes.iter().any(|track| track.name == name),
    }
}
