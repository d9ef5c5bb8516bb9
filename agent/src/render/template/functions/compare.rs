//! Go's comparisons: two values of one kind, and nothing is converted.

use std::cmp::Ordering;

use super::super::error::Fault;
use super::super::value::Value;
use super::{Call, Function, plain, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("eq", 2, |call| {
        for at in 1..call.arguments.len() {
            if equal(call, call.value(0), call.value(at))? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
    plain("ne", 2, 2, |call| Ok(Value::Bool(!equal(call, call.value(0), call.value(1))?))),
    plain("lt", 2, 2, |call| Ok(Value::Bool(order(call)?.is_some_and(Ordering::is_lt)))),
    plain("le", 2, 2, |call| Ok(Value::Bool(order(call)?.is_some_and(Ordering::is_le)))),
    // Go takes "not less or equal" for "greater", which tells for what is not a number.
    plain("gt", 2, 2, |call| Ok(Value::Bool(!order(call)?.is_some_and(Ordering::is_le)))),
    plain("ge", 2, 2, |call| Ok(Value::Bool(!order(call)?.is_some_and(Ordering::is_lt)))),
];

fn equal(call: &Call<'_, '_>, left: &Value, right: &Value) -> Result<bool, Fault> {
    Ok(match (left, right) {
        (Value::List(_) | Value::Map(_), nil) | (nil, Value::List(_) | Value::Map(_)) if nil.is_nil() => {
            false
        }
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
            return Err(call.fail("lists and maps cannot be compared"));
        }
        (left, right) if left.is_nil() || right.is_nil() => left.is_nil() && right.is_nil(),
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => left == right,
        // Exactly equal is what Go says.
        #[allow(clippy::float_cmp)]
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Pair(left), Value::Pair(right)) => left == right,
        (Value::Server(left), Value::Server(right)) => left == right,
        (Value::Time(left), Value::Time(right)) => left == right,
        (left, right) => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => left == right,
            _ => return Err(incompatible(call, left, right)),
        },
    })
}

/// None if one of them is not a number.
fn order(call: &Call<'_, '_>) -> Result<Option<Ordering>, Fault> {
    let (left, right) = (call.value(0), call.value(1));
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(Some(left.cmp(right))),
        (Value::Float(left), Value::Float(right)) => Ok(left.partial_cmp(right)),
        (left, right) => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => Ok(Some(left.cmp(&right))),
            _ => Err(incompatible(call, left, right)),
        },
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Named(named) => Some(named.number),
        _ => None,
    }
}

fn incompatible(call: &Call<'_, '_>, left: &Value, right: &Value) -> Fault {
    call.fail(format!("a {} and a {} cannot be compared", left.type_name(), right.type_name()))
}
