//! Numbers and truth.

use super::super::error::Fault;
use super::super::value::{Of, Value};
use super::{Call, Function, plain};

pub(super) const FUNCTIONS: &[Function] = &[
    // Go's integers wrap.
    plain("add", 2, 2, |call| Ok(Value::Int(call.int(0)?.wrapping_add(call.int(1)?)))),
    plain("sub", 2, 2, |call| Ok(Value::Int(call.int(0)?.wrapping_sub(call.int(1)?)))),
    plain("mul", 2, 2, |call| Ok(Value::Int(call.int(0)?.wrapping_mul(call.int(1)?)))),
    plain("div", 2, 2, |call| Ok(Value::Int(call.int(0)?.wrapping_div(divisor(call)?)))),
    plain("mod", 2, 2, |call| Ok(Value::Int(call.int(0)?.wrapping_rem(divisor(call)?)))),
    plain("seq", 2, 2, seq),
    plain("atoi", 1, 1, atoi),
    plain("parseBool", 1, 1, parse_bool),
];

fn divisor(call: &Call<'_, '_>) -> Result<i64, Fault> {
    let divisor = call.int(1)?;
    if divisor == 0 { Err(call.fail("division by zero")) } else { Ok(divisor) }
}

/// From the first number to the last one, both included.
fn seq(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (first, last) = (call.int(0)?, call.int(1)?);
    let count = if first > last { 0 } else { usize::try_from(last.abs_diff(first)).unwrap_or(usize::MAX) };
    call.elements(count)?;
    call.session.meter.steps(count)?;
    Ok(Value::flat(Of::Int, (first..=last).map(Value::Int).collect()))
}

fn atoi(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    let number = text.parse::<i64>();
    number.map(Value::Int).map_err(|_| call.fail(format!("{} is not an integer", super::super::quoted(text))))
}

fn parse_bool(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match &**call.text(0)? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        other => Err(call.fail(format!("{} is neither true nor false", super::super::quoted(other)))),
    }
}
