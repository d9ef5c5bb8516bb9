//! Our values as JSON, which Handlebars' values are, and back.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use super::super::functions::{Arg, time};
use super::super::go::whole;
use super::super::limits::{Exceeded, Limits};
use super::super::value::{Of, Value};

/// A value as JSON.
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::Missing | Value::Nil => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::Number((*number).into()),
        // A whole number is written as one.
        Value::Float(number) => match whole(*number) {
            Some(number) => Json::Number(number.into()),
            None => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        },
        Value::Text(text) => Json::String((**text).to_owned()),
        Value::List(list) => Json::Array(list.items.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(
            map.entries.iter().map(|(key, value)| ((**key).to_owned(), to_json(value))).collect(),
        ),
        Value::Pair(pair) => object([("Key", (&*pair.key).into()), ("Value", (&*pair.value).into())]),
        Value::Server(server) => object([
            ("Target", (&*server.target).into()),
            ("Port", server.port.into()),
            ("Priority", server.priority.into()),
            ("Weight", server.weight.into()),
        ]),
        Value::Time(at) => Json::String(time::rfc3339(at)),
        Value::Named(named) => Json::String(named.name.to_owned()),
    }
}

fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
    Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// JSON as an argument. A list of strings is a `[]string`, and a list of keys what `gets` gives sorted; numbers are
/// integers if they are whole.
pub(super) fn to_argument(json: &Json, limits: &Limits) -> Result<Arg, Exceeded> {
    Ok(Arg { value: from_json(json, limits)?, literal: true })
}

fn from_json(json: &Json, limits: &Limits) -> Result<Value, Exceeded> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(items) => {
            let items = items.iter().map(|item| from_json(item, limits)).collect::<Result<Vec<_>, _>>()?;
            let all = |is: fn(&Value) -> bool| items.iter().all(is);
            if all(|item| matches!(item, Value::Text(_))) {
                Value::flat(Of::Text, items)
            } else if all(|item| matches!(item, Value::Pair(_))) {
                Value::flat(Of::Pair, items)
            } else {
                Value::list(items, limits)?
            }
        }
        Json::Object(entries) => {
            if let (2, Some(Json::String(key)), Some(Json::String(value))) =
                (entries.len(), entries.get("Key"), entries.get("Value"))
            {
                return Ok(Value::pair(key, value));
            }
            let entries =
                entries.iter().map(|(key, item)| Ok((Arc::from(key.as_str()), from_json(item, limits)?)));
            Value::map(entries.collect::<Result<_, _>>()?, limits)?
        }
    })
}

/// About how many bytes a value takes.
pub(super) fn size(json: &Json) -> usize {
    32 + match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(entries) => entries.iter().map(|(key, item)| key.len() + 32 + size(item)).sum(),
        _ => 0,
    }
}
