//! Go's own functions that look into values.

use super::super::error::Fault;
use super::super::value::{Of, Value};
use super::{Call, Function, plain, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    plain("not", 1, 1, |call| Ok(Value::Bool(!call.value(0).truth()))),
    plain("len", 1, 1, len),
    variadic("index", 1, index),
    variadic("slice", 1, slice),
    variadic("call", 1, |call| Err(call.fail(format!("a {} is not a function", call.value(0).type_name())))),
];

fn len(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let length = match call.value(0) {
        Value::Text(text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries.len(),
        other => return Err(call.fail(format!("a {} has no length", other.type_name()))),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let mut value = call.value(0).clone();
    if value.is_nil() {
        return Err(call.fail("nothing has no elements"));
    }
    for at in 1..call.arguments.len() {
        value = match &value {
            Value::List(list) => list.items[position(call, at, list.items.len())?].clone(),
            Value::Text(text) => Value::Int(text.as_bytes()[position(call, at, text.len())?].into()),
            Value::Map(map) => map.entries.get(call.text(at)?).cloned().unwrap_or(Value::Nil),
            other => return Err(call.fail(format!("a {} has no elements", other.type_name()))),
        };
    }
    Ok(value)
}

/// An argument as a place in something of that length.
fn position(call: &Call<'_, '_>, at: usize, length: usize) -> Result<usize, Fault> {
    let index = call.index(at)?;
    let position = usize::try_from(index).ok().filter(|position| *position < length);
    position.ok_or_else(|| call.fail(format!("there is no element {index}: there are {length}")))
}

fn slice(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let value = call.value(0);
    let (length, most) = match value {
        Value::Text(text) => (text.len(), 2),
        Value::List(list) => (list.items.len(), 3),
        other => return Err(call.fail(format!("a {} cannot be sliced", other.type_name()))),
    };
    if call.arguments.len() - 1 > most {
        return Err(call.fail(format!("too many indexes for a {}", value.type_name())));
    }
    let mut bounds = [0, length, length];
    for at in 1..call.arguments.len() {
        let bound = call.index(at)?;
        let bound = usize::try_from(bound).ok().filter(|bound| *bound <= length);
        bounds[at - 1] = bound.ok_or_else(|| call.fail(format!("index {at} is not within 0 to {length}")))?;
    }
    let [from, to, end] = bounds;
    if from > to || to > end {
        return Err(call.fail(format!("{from} to {to} is no range")));
    }
    match value {
        Value::Text(text) => match text.get(from..to) {
            Some(part) => call.made(part.to_owned()),
            None => {
                Err(call.fail(format!("{from} to {to} cuts a character, and configuration files are UTF-8")))
            }
        },
        Value::List(list) => {
            call.elements(to - from)?;
            let items = list.items[from..to].to_vec();
            // Elements of any kind may be deep.
            match list.of {
                Of::Any => Ok(Value::list(items, &call.session.meter.limits)?),
                of => Ok(Value::flat(of, items)),
            }
        }
        other => Ok(other.clone()),
    }
}
