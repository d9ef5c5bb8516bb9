//! confd's command line, which is Go's: `-x`, `--x`, `-x=y`, `-x y`, and switches that may be set to a value.

use std::fmt::Write;

use super::SettingsError;
use super::layer::Layer;
use super::options::{FOREIGN, Kind, OPTIONS, find};
use crate::config::diagnostic::did_you_mean;

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation<T> {
    /// To run with these settings; the texts are warnings.
    Run(T, Vec<String>),
    /// To say which version this is.
    Version,
    /// To explain the flags.
    Help,
}

/// The flags in `arguments`.
pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Invocation<Layer>, SettingsError> {
    let mut layer = Layer::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            return arguments.next().map_or(Ok(Invocation::Run(layer, Vec::new())), |word| Err(stray(&word)));
        }
        let flag = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        let Some(flag) = flag.filter(|flag| !flag.is_empty()) else { return Err(stray(&argument)) };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        match name {
            "version" => return Ok(Invocation::Version),
            "h" | "help" => return Ok(Invocation::Help),
            _ => {}
        }
        let Some(option) = find(name) else { return Err(unknown(name)) };
        let text = match (value, option.kind) {
            (Some(value), _) => value,
            (None, Kind::Switch) => "true".to_owned(),
            (None, _) => arguments.next().ok_or_else(|| SettingsError::NoValue(name.to_owned()))?,
        };
        layer.add(option, text, format!("-{name}"));
    }
    Ok(Invocation::Run(layer, Vec::new()))
}

fn stray(word: &str) -> SettingsError {
    SettingsError::Argument(word.escape_debug().to_string())
}

fn unknown(name: &str) -> SettingsError {
    if FOREIGN.contains(&name) {
        return SettingsError::ForeignFlag(name.to_owned());
    }
    let help = did_you_mean(name, OPTIONS.iter().map(|option| option.name));
    let help = help.map(|help| format!("; {}", help.replace('`', "")));
    SettingsError::UnknownFlag(name.escape_debug().to_string(), help.unwrap_or_default())
}

/// The flags, one a line.
pub(super) fn help() -> String {
    let mut text =
        "Renders configuration files from a store, with confd's flags.\n\nUsage: vipward confd [FLAGS]\n\n"
            .to_owned();
    for option in &OPTIONS {
        let value = match option.kind {
            Kind::Switch => "",
            Kind::Text | Kind::List => " TEXT",
            Kind::Number => " N",
        };
        let flag = format!("-{}{value}", option.name);
        let _ = writeln!(text, "  {flag:<24} {}", option.help);
    }
    text.push_str("  -version                 say which version this is\n");
    text
}
