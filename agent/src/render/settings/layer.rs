//! What one source gives: values by option, each with where it came from.

use std::collections::BTreeMap;

use super::SettingsError;
use super::options::{Kind, OPTIONS, OptionSpec};

/// A value, and what to call its place in a message.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) texts: Vec<String>,
    pub(super) origin: String,
}

impl Given {
    /// An error about this value.
    pub(super) fn error(&self, message: impl Into<String>) -> SettingsError {
        SettingsError::Value { origin: self.origin.clone(), message: message.into() }
    }
}

/// The values of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    given: BTreeMap<&'static str, Given>,
}

impl Layer {
    /// Adds a value; one more to a list, in place of the former otherwise.
    pub(super) fn add(&mut self, option: &'static OptionSpec, text: String, origin: String) {
        match self.given.get_mut(option.name) {
            Some(given) if option.kind == Kind::List => given.texts.push(text),
            _ => {
                self.given.insert(option.name, Given { texts: vec![text], origin });
            }
        }
    }

    /// These values, and those of `lower` where there are none.
    pub(super) fn over(mut self, lower: Layer) -> Layer {
        for (name, given) in lower.given {
            self.given.entry(name).or_insert(given);
        }
        self
    }

    /// What was given for `name`, unless that is empty: confd's users write `-node=$UNSET`.
    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name).filter(|given| given.texts.iter().any(|text| !text.is_empty()))
    }

    /// Text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|given| given.texts.last().cloned())
    }

    /// All texts of a list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let texts = self.get(name).map(|given| given.texts.clone()).unwrap_or_default();
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> Result<bool, SettingsError> {
        match self.get(name) {
            None => Ok(false),
            Some(given) => match given.texts.last().map(String::as_str) {
                Some("1" | "t" | "T" | "true" | "TRUE" | "True" | "yes" | "on") => Ok(true),
                Some("0" | "f" | "F" | "false" | "FALSE" | "False" | "no" | "off") => Ok(false),
                _ => Err(given.error("write true or false")),
            },
        }
    }

    /// A value that is read by `parse`.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        let Some((given, text)) = self.get(name).and_then(|given| Some((given, given.texts.last()?))) else {
            return Ok(None);
        };
        parse(text).map(Some).map_err(|message| given.error(message))
    }
}

/// What the variables of the environment give.
pub(super) fn environment(variable: impl Fn(&str) -> Option<String>) -> Layer {
    let mut layer = Layer::default();
    for option in &OPTIONS {
        for name in option.variables() {
            let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
            if option.kind == Kind::List {
                for part in value.split(',') {
                    layer.add(option, part.trim().to_owned(), name.clone());
                }
            } else {
                layer.add(option, value, name);
            }
        }
    }
    layer
}
