//! Uses of parameters that are not defined. keepalived leaves them as they are, for they may be a shell's.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::diagnostic::{Findings, suggest};
use crate::config::model::Location;

use super::parameter::Definition;

/// Uses that are kept; more than a person would read.
const MAX_USES: usize = 500;

/// Uses without a definition before them.
#[derive(Debug, Default)]
pub(super) struct Unresolved {
    /// By name and place; a sequence comes there again and again.
    uses: HashMap<(String, u32, u32), Use>,
}

#[derive(Debug)]
struct Use {
    at: Location,
    /// keepalived takes the braces for those of a block.
    bare_braces: bool,
}

impl Unresolved {
    /// Keeps the use of `name` at `at` until the end.
    pub(super) fn note(&mut self, name: &str, at: &Location, bare_braces: bool) {
        if self.uses.len() < MAX_USES {
            let key = (name.to_owned(), at.line, at.col);
            self.uses.entry(key).or_insert_with(|| Use { at: at.clone(), bare_braces });
        }
    }

    /// Reports those that cannot be meant so.
    pub(super) fn report(&self, parameters: &HashMap<Arc<str>, Arc<Definition>>, findings: &mut Findings) {
        for ((name, ..), Use { at, bare_braces }) in &self.uses {
            let later = parameters.get(name.as_str()).map(|given| {
                let defined = given.at.place();
                format!("{defined} defines it, and only what comes after that can use it")
            });
            let meant = || suggest(name, parameters.keys().map(|known| &**known));
            let help = later.or_else(|| meant().map(|meant| format!("did you mean `${{{meant}}}`?")));
            if *bare_braces {
                let help = help.unwrap_or_else(|| format!("define it above, as in `${name}=VALUE`"));
                findings.strict(at, format!("there is no parameter `${name}`")).help(help);
            } else if let Some(help) = help {
                findings
                    .warning(at, format!("there is no parameter `${name}`, and this stays as it is"))
                    .help(help);
            }
        }
    }
}
