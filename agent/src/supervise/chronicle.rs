//! What of the agent's news goes into the journal.

use vipward_vrrp::types::State;

use crate::check::runner::ScriptResult;
use crate::control::status::State as ShownState;
use crate::election::message::{Transition, Update};
use crate::journal::record::Record;

/// News of the election; a priority is not for the journal by itself.
pub(super) fn of(update: &Update) -> Option<Record> {
    Some(match update {
        Update::Transition(transition) => of_transition(transition),
        Update::Note { instance, text, .. } => {
            let record = Record::new("note", text.clone());
            match instance {
                Some(instance) => record.of(instance.clone()),
                None => record,
            }
        }
        Update::Removed { instance } => {
            Record::new("configuration", "it is in the configuration no longer").of(instance.clone())
        }
        Update::Renamed { from, to } => Record::new("configuration", format!("it was {from}")).of(to.clone()),
        Update::Priority { .. } | Update::LowerPriority { .. } => return None,
    })
}

fn of_transition(transition: &Transition) -> Record {
    let Transition { instance, from, to, why, priority, .. } = transition;
    Record::new("transition", format!("{why}; priority {priority}"))
        .of(instance.clone())
        .between(shown(*from), shown(*to))
}

/// A verdict that differs from the one before it.
pub(super) fn of_script(result: &ScriptResult) -> Record {
    let word = if result.up { "up" } else { "down" };
    let output = if result.output.is_empty() { String::new() } else { format!(": {}", result.output) };
    Record::new("script", format!("{} is {word}, {}{output}", result.name, result.exit))
}

/// The state's word in the status.
pub(super) fn shown(state: State) -> ShownState {
    match state {
        State::Init => ShownState::Init,
        State::Backup => ShownState::Backup,
        State::Master => ShownState::Master,
        State::Fault => ShownState::Fault,
    }
}
