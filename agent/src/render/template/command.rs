//! `vipward template`: one template with the keys of a JSON file, so that templates can be tested without a store.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use thiserror::Error;

use super::super::keys::{Keys, canonical};
use super::{Context, Template, TemplateError};
use crate::cli;

/// Why there is nothing to print.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The template is wrong, or the keys are not what it needs.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The file of keys cannot be read.
    #[error("{}: {why}", file.display())]
    Keys {
        /// The file.
        file: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The file of keys is no JSON.
    #[error("{}:{line}: {why}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Where.
        line: usize,
        /// Why.
        why: String,
    },
    /// The template has no name, or its folder is none.
    #[error("{}: a template is a file in a folder", .0.display())]
    Name(PathBuf),
    /// Nobody takes the output.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

/// Renders a template to `out`. Other files of its folder may be included.
pub fn run(options: &cli::Template, out: &mut dyn Write) -> Result<(), CommandError> {
    let keys = match &options.keys {
        Some(file) => below(&read(file)?, &options.prefix),
        None => Keys::default(),
    };
    let nameless = || CommandError::Name(options.file.clone());
    let name = options.file.file_name().and_then(|name| name.to_str()).ok_or_else(nameless)?;
    let folder = options.file.parent().ok_or_else(nameless)?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Errors name the file as it was given.
    let text = Template::load(folder, name)?.render(&keys, &Context::default())?;
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Reads a file of keys: an object of paths and values. Objects and arrays inside are folders, as in confd's file store.
fn read(file: &Path) -> Result<Keys, CommandError> {
    let text =
        std::fs::read_to_string(file).map_err(|why| CommandError::Keys { file: file.to_owned(), why })?;
    let json_error = |line, why: String| CommandError::Json { file: file.to_owned(), line, why };
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        let shown = error.to_string();
        // The place is said in front already.
        let why = shown.split(" at line ").next().unwrap_or(&shown).to_owned();
        json_error(error.line().max(1), why)
    })?;
    if !json.is_object() {
        return Err(json_error(1, "the keys are an object: {\"/path\": \"value\"}".to_owned()));
    }
    let mut keys = Keys::default();
    flatten("", &json, &mut keys);
    Ok(keys)
}

fn flatten(path: &str, json: &Json, keys: &mut Keys) {
    match json {
        Json::Object(entries) => {
            entries.iter().for_each(|(name, value)| flatten(&format!("{path}/{name}"), value, keys));
        }
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| flatten(&format!("{path}/{at}"), value, keys));
        }
        Json::String(text) => {
            keys.set(path, text);
        }
        Json::Number(number) => {
            let float = if number.is_f64() { number.as_f64() } else { None };
            keys.set(path, &float.map_or_else(|| number.to_string(), |float| float.to_string()));
        }
        Json::Bool(truth) => {
            keys.set(path, &truth.to_string());
        }
        // A key without a value is none.
        Json::Null => {}
    }
}

/// The keys below a prefix, without it.
fn below(keys: &Keys, prefix: &str) -> Keys {
    let prefix = canonical(prefix);
    let mut below = Keys::default();
    for (path, value) in keys.under(&prefix) {
        below.set(if prefix == "/" { path } else { &path[prefix.len()..] }, value);
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_json_are_folders_of_keys() {
        let json = serde_json::json!({"/a/b": "x", "c": {"d": 1, "e": [true, 1e21, null]}});
        let mut keys = Keys::default();
        flatten("", &json, &mut keys);
        let all: Vec<(&str, &str)> = keys.iter().collect();
        assert_eq!(
            all,
            [("/a/b", "x"), ("/c/d", "1"), ("/c/e/0", "true"), ("/c/e/1", "1000000000000000000000")]
        );
        let below: Vec<(String, String)> =
            below(&keys, "/c/").iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(below.len(), 3);
        assert_eq!(below[0].0, "/d");
    }
}
