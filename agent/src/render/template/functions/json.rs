//! JSON in and out.

use std::sync::Arc;

use serde_json::Value as Json;

use super::super::error::Fault;
use super::super::fmt::{Sink, shortest_float};
use super::super::limits::{Exceeded, Limits};
use super::super::value::{Pair, Server, Value};
use super::{Call, Function, plain};

/// Bytes that a value of JSON takes in memory for each byte of its text, at worst.
const GROWTH: usize = 32;

pub(super) const FUNCTIONS: &[Function] = &[
    plain("json", 1, 1, |call| match parsed(call)? {
        Json::Null => decode(call, Json::Object(serde_json::Map::new())),
        value @ Json::Object(_) => decode(call, value),
        _ => Err(call.fail("this is no JSON object; `jsonArray` takes arrays")),
    }),
    plain("jsonArray", 1, 1, |call| match parsed(call)? {
        Json::Null => decode(call, Json::Array(Vec::new())),
        value @ Json::Array(_) => decode(call, value),
        _ => Err(call.fail("this is no JSON array; `json` takes objects")),
    }),
    plain("fromJson", 1, 1, |call| {
        let value = parsed(call)?;
        decode(call, value)
    }),
    plain("toJson", 1, 1, |call| {
        let mut sink = call.sink();
        encode(&mut sink, call.value(0), None)?;
        call.made(sink.text)
    }),
    plain("toPrettyJson", 1, 1, |call| {
        let mut sink = call.sink();
        encode(&mut sink, call.value(0), Some(0))?;
        call.made(sink.text)
    }),
];

fn parsed(call: &mut Call<'_, '_>) -> Result<Json, Fault> {
    let text = call.text(0)?;
    call.session.meter.held(text.len().saturating_mul(GROWTH))?;
    serde_json::from_str(text).map_err(|error| call.fail(error.to_string()))
}

fn decode(call: &Call<'_, '_>, json: Json) -> Result<Value, Fault> {
    Ok(from_json(json, &call.session.meter.limits)?)
}

/// JSON as Go's package encoding/json decodes it: every number is a float64.
fn from_json(json: Json, limits: &Limits) -> Result<Value, Exceeded> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::text(text),
        Json::Array(items) => {
            let items = items.into_iter().map(|item| from_json(item, limits));
            Value::list(items.collect::<Result<_, _>>()?, limits)?
        }
        Json::Object(entries) => {
            let entries =
                entries.into_iter().map(|(key, item)| Ok((Arc::from(key), from_json(item, limits)?)));
            Value::map(entries.collect::<Result<_, _>>()?, limits)?
        }
    })
}

/// Writes JSON as Go's package encoding/json does: `<`, `>` and `&` are escaped, and numbers are written as in JavaScript.
/// With an indentation, each element has its own line.
fn encode(sink: &mut Sink, value: &Value, indent: Option<usize>) -> Result<(), Fault> {
    match value {
        Value::Missing | Value::Nil => sink.str("null")?,
        Value::Bool(truth) => sink.str(if *truth { "true" } else { "false" })?,
        Value::Int(number) => sink.str(&number.to_string())?,
        Value::Named(named) => sink.str(&named.number.to_string())?,
        Value::Float(number) => sink.str(&float(*number)?)?,
        Value::Text(text) => string(sink, text)?,
        Value::Time(time) => string(sink, &super::time::rfc3339(time))?,
        Value::Pair(pair) => {
            let Pair { key, value } = &**pair;
            let fields = [("Key", Value::Text(key.clone())), ("Value", Value::Text(value.clone()))];
            object(sink, fields.iter().map(|(name, value)| (*name, value)), indent)?;
        }
        Value::Server(server) => {
            let Server { target, port, priority, weight } = &**server;
            let fields = [
                ("Target", Value::Text(target.clone())),
                ("Port", Value::Int((*port).into())),
                ("Priority", Value::Int((*priority).into())),
                ("Weight", Value::Int((*weight).into())),
            ];
            object(sink, fields.iter().map(|(name, value)| (*name, value)), indent)?;
        }
        Value::Map(map) => object(sink, map.entries.iter().map(|(key, value)| (&**key, value)), indent)?,
        // Go's empty list of strings is often none at all, which only JSON tells apart: write what is meant.
        Value::List(list) if list.items.is_empty() => sink.str("[]")?,
        Value::List(list) => {
            let inner = indent.map(|indent| indent + 2);
            sink.char('[')?;
            for (number, item) in list.items.iter().enumerate() {
                separate(sink, number, inner)?;
                encode(sink, item, inner)?;
            }
            line(sink, indent)?;
            sink.char(']')?;
        }
    }
    Ok(())
}

fn object<'v>(
    sink: &mut Sink,
    fields: impl ExactSizeIterator<Item = (&'v str, &'v Value)>,
    indent: Option<usize>,
) -> Result<(), Fault> {
    if fields.len() == 0 {
        return Ok(sink.str("{}")?);
    }
    let inner = indent.map(|indent| indent + 2);
    sink.char('{')?;
    for (number, (key, value)) in fields.enumerate() {
        separate(sink, number, inner)?;
        string(sink, key)?;
        sink.str(if indent.is_some() { ": " } else { ":" })?;
        encode(sink, value, inner)?;
    }
    line(sink, indent)?;
    Ok(sink.char('}')?)
}

fn separate(sink: &mut Sink, number: usize, indent: Option<usize>) -> Result<(), Exceeded> {
    if number > 0 {
        sink.char(',')?;
    }
    line(sink, indent)
}

fn line(sink: &mut Sink, indent: Option<usize>) -> Result<(), Exceeded> {
    let Some(indent) = indent else {
        return Ok(());
    };
    sink.char('\n')?;
    sink.fill(' ', indent)
}

fn string(sink: &mut Sink, text: &str) -> Result<(), Exceeded> {
    sink.char('"')?;
    for c in text.chars() {
        match c {
            '"' => sink.str("\\\"")?,
            '\\' => sink.str("\\\\")?,
            '\n' => sink.str("\\n")?,
            '\r' => sink.str("\\r")?,
            '\t' => sink.str("\\t")?,
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                sink.str(&format!("\\u{:04x}", c as u32))?;
            }
            c => sink.char(c)?,
        }
    }
    sink.char('"')
}

fn float(number: f64) -> Result<String, Fault> {
    if !number.is_finite() {
        return Err(Fault::action(format!("JSON has no number for {number}")));
    }
    if number == 0.0 || (1e-6..1e21).contains(&number.abs()) {
        return Ok(format!("{number}"));
    }
    // One digit of an exponent is enough where it is negative.
    let text = shortest_float(number);
    Ok(text.replace("e-0", "e-"))
}
