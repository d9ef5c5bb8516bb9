//! Weights that cannot count: within a sync group, whose members have one fate, and for the owner of the addresses, whose
//! priority nothing moves. As in keepalived such an interface is tracked without its weight, anything else is not
//! tracked at all; but a file that has only the default weight is tracked too, and any value but 0 is a fault.

use std::collections::HashMap;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::{Instance, TrackItem};

/// The weight of a file that nobody gave one.
const DEFAULT_OF_FILE: i32 = 1;

/// Drops the weights of `instance`, `because` of that, and says what helps. `scripts` has the scripts' own weights.
pub(super) fn drop(
    instance: &mut Instance,
    scripts: &HashMap<&str, i32>,
    because: &str,
    help: &str,
    findings: &mut Findings,
) {
    for track in instance.track_interfaces.iter_mut().filter(|track| track.weight != 0) {
        let message = format!("the weight is ignored {because}: while it is down, that is a fault");
        findings.warning(&track.at, message).help(help);
        track.weight = 0;
    }
    instance.track_scripts.retain(|track| {
        let own = || scripts.get(track.name.as_str()).copied().unwrap_or(0);
        let weighted = track.weight.unwrap_or_else(own) != 0;
        if weighted {
            findings.warning(&track.at, format!("not tracked: its weight cannot count {because}")).help(help);
        }
        !weighted
    });
    files(instance, because, help, findings);
    items(&mut instance.track_processes, because, help, findings);
}

/// The same for the files alone.
pub(super) fn files(instance: &mut Instance, because: &str, help: &str, findings: &mut Findings) {
    for track in instance.track_files.iter_mut().filter(|track| track.weight == DEFAULT_OF_FILE) {
        let name = quoted(&track.name);
        let message = format!("{name} counts as weight 0 {because}: any value but 0 is a fault");
        findings.warning(&track.at, message).help(help);
        track.weight = 0;
    }
    items(&mut instance.track_files, because, help, findings);
}

fn items(tracked: &mut Vec<TrackItem>, because: &str, help: &str, findings: &mut Findings) {
    tracked.retain(|track| {
        if track.weight != 0 {
            findings.warning(&track.at, format!("not tracked: its weight cannot count {because}")).help(help);
        }
        track.weight == 0
    });
}
