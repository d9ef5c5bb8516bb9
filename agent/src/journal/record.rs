//! One event of the journal.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::control::status::{State, rfc3339};

/// Characters of a text that are kept: notes and outputs of scripts may be long.
const MAX_TEXT: usize = 1000;

/// What happened, and when. Field names are an interface: add, never rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Of which kind it is: `transition`, `note`, `script`, `configuration`, `drain`, `agent` or `journal`.
    pub kind: String,
    /// The instance that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// State before a transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<State>,
    /// State after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<State>,
    /// Why, or what.
    pub text: String,
}

impl Record {
    /// Something that happened just now.
    pub fn new(kind: &str, text: impl Into<String>) -> Record {
        let mut text = text.into();
        if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
            text.truncate(end);
            text.push('…');
        }
        let at = rfc3339(SystemTime::now());
        Record { at, kind: kind.to_owned(), instance: None, from: None, to: None, text }
    }

    /// The same of an instance.
    #[must_use]
    pub fn of(self, instance: impl Into<String>) -> Record {
        Record { instance: Some(instance.into()), ..self }
    }

    /// The same as a change of state.
    #[must_use]
    pub fn between(self, from: State, to: State) -> Record {
        Record { from: Some(from), to: Some(to), ..self }
    }
}
