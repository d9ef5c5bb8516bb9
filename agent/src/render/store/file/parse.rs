//! From a document to keys.

use std::path::Path;

use serde_json::Value;

use super::super::error::Error;
use super::super::prefixes::Prefixes;
use crate::render::keys::{Keys, canonical};

/// Levels of a document that are followed.
const DEEPEST: usize = 64;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
    Toml,
}

impl Format {
    /// By the extension; a file without one is YAML, as in confd.
    pub(super) fn of(path: &Path) -> Option<Format> {
        match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
            None | Some("yaml" | "yml") => Some(Format::Yaml),
            Some("json") => Some(Format::Json),
            Some("toml") => Some(Format::Toml),
            Some(_) => None,
        }
    }
}

/// Enters the keys of a file that are at or below `prefixes`.
pub(crate) fn enter(path: &Path, text: &str, prefixes: &Prefixes, keys: &mut Keys) -> Result<(), Error> {
    let wrong = |why: String| Error::File { path: path.to_owned(), why };
    let format = Format::of(path)
        .ok_or_else(|| wrong("the name must end in .yaml, .yml, .json or .toml".to_owned()))?;
    let document: Value = match format {
        Format::Json => serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?,
        Format::Toml => {
            let table: toml::Table = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
            from_toml(toml::Value::Table(table))
        }
        Format::Yaml if text.trim().is_empty() => Value::Null,
        Format::Yaml => serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?,
    };
    if !matches!(document, Value::Object(_) | Value::Array(_) | Value::Null) {
        return Err(wrong("it holds a single value and no keys".to_owned()));
    }
    flatten(String::new(), &document, DEEPEST, prefixes, keys)
        .map_err(|at| wrong(format!("{at} is nested deeper than {DEEPEST} levels")))
}

fn flatten(
    at: String,
    value: &Value,
    levels: usize,
    prefixes: &Prefixes,
    keys: &mut Keys,
) -> Result<(), String> {
    let Some(levels) = levels.checked_sub(1) else { return Err(at) };
    let text = match value {
        Value::Null => return Ok(()),
        Value::Object(map) => {
            for (name, value) in map {
                flatten(format!("{at}/{name}"), value, levels, prefixes, keys)?;
            }
            return Ok(());
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                flatten(format!("{at}/{number}"), value, levels, prefixes, keys)?;
            }
            return Ok(());
        }
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            // Never with an exponent, as confd writes them.
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
    };
    if prefixes.covers(&canonical(&at)) {
        keys.set(&at, &text);
    }
    Ok(())
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(list) => Value::Array(list.into_iter().map(from_toml).collect()),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(name, value)| (name, from_toml(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str, text: &str) -> Result<Vec<String>, String> {
        let mut keys = Keys::default();
        enter(Path::new(name), text, &Prefixes::new(&["/a", "/n"]), &mut keys)
            .map_err(|error| error.to_string())?;
        Ok(keys.iter().map(|(path, value)| format!("{path}={value}")).collect())
    }

    #[test]
    fn each_format_gives_the_same_keys() {
        let expected = ["/a/b=1", "/a/c/0=x", "/a/c/1=true", "/a/f=1000000", "/n=1.5"];
        let yaml = "a:\n  b: 1\n  c: [x, true]\n  f: 1e6\n  z: ~\nn: 1.5\nother: 3\n";
        assert_eq!(keys("x.yml", yaml).unwrap(), expected);
        assert_eq!(keys("x", yaml).unwrap(), expected);
        let json = r#"{"a":{"b":1,"c":["x",true],"f":1e6,"z":null},"n":1.5,"other":3}"#;
        assert_eq!(keys("x.json", json).unwrap(), expected);
        let toml = "n = 1.5\nother = 3\n[a]\nb = 1\nc = [\"x\", true]\nf = 1e6\n";
        assert_eq!(keys("x.toml", toml).unwrap(), expected);
    }

    #[test]
    fn what_is_not_whole_is_an_error_that_names_the_file() {
        for (name, text) in [
            ("x.json", "{\"a\": {\"b\""),
            ("x.json", ""),
            ("x.toml", "[a]\nb = "),
            ("x.yml", "a: [1, 2"),
            ("x.yml", "a: \"b"),
            ("x.yml", "just text"),
            ("x.ini", "a=1"),
        ] {
            let error = keys(name, text).unwrap_err();
            assert!(error.starts_with(&format!("{name}: ")), "{text}: {error}");
        }
        assert!(keys("x.yml", "").unwrap().is_empty());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert!(keys("x.json", &deep).unwrap_err().contains("deeper than"));
        let deeper = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for name in ["x.json", "x.yml", "x.toml"] {
            let text = if name == "x.toml" { format!("a = {deeper}") } else { deeper.clone() };
            assert!(keys(name, &text).is_err());
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..10 {
            let last = format!("*a{}", i - 1);
            bomb.push_str(
                &["a", &i.to_string(), ": &a", &i.to_string(), " [", &vec![last; 10].join(","), "]\n"]
                    .concat(),
            );
        }
        assert!(keys("x.yml", &bomb).is_err());
    }
}
