//! Fields and methods of values.

use std::sync::Arc;

use super::super::error::Fault;
use super::super::functions::{Arg, time};
use super::super::value::{Pair, Server, Value};

/// Whether a value has methods, the only things here that take arguments.
pub(super) fn has_methods(value: &Value) -> bool {
    matches!(value, Value::Time(_) | Value::Named(_))
}

/// `value.name`, the last of its chain: a field or a method.
pub(super) fn last(value: &Value, name: &Arc<str>, arguments: &[Arg]) -> Result<Value, Fault> {
    match time::method(value, name, arguments) {
        Some(result) => result,
        None => field(value, name, !arguments.is_empty()),
    }
}

/// `value.name`, a field or a method without arguments.
pub(super) fn field(value: &Value, name: &Arc<str>, arguments: bool) -> Result<Value, Fault> {
    let found = match value {
        // Of nothing, everything is nothing. Of a null, nothing is.
        Value::Missing => return Ok(Value::Missing),
        Value::Nil => return Err(Fault::action(format!("null has no field `{name}`"))),
        Value::Map(map) => map.entries.get(name).cloned().unwrap_or(Value::Missing),
        Value::Pair(pair) => of_pair(pair, name)?,
        Value::Server(server) => of_server(server, name)?,
        Value::Time(_) | Value::Named(_) => match time::method(value, name, &[]) {
            Some(result) => result?,
            None => return Err(no_field(value, name)),
        },
        other => return Err(no_field(other, name)),
    };
    if arguments {
        return Err(Fault::action(format!("`{name}` is a field and takes no arguments")));
    }
    Ok(found)
}

fn no_field(value: &Value, name: &str) -> Fault {
    Fault::action(format!("a {} has no field or method `{name}`", value.type_name()))
}

fn of_pair(pair: &Pair, name: &str) -> Result<Value, Fault> {
    match name {
        "Key" => Ok(Value::Text(pair.key.clone())),
        "Value" => Ok(Value::Text(pair.value.clone())),
        _ => Err(Fault::action(format!("a key of the store has `.Key` and `.Value` and no `{name}`"))),
    }
}

fn of_server(server: &Server, name: &str) -> Result<Value, Fault> {
    match name {
        "Target" => Ok(Value::Text(server.target.clone())),
        "Port" => Ok(Value::Int(server.port.into())),
        "Priority" => Ok(Value::Int(server.priority.into())),
        "Weight" => Ok(Value::Int(server.weight.into())),
        _ => Err(Fault::action(format!(
            "a server has `.Target`, `.Port`, `.Priority` and `.Weight` and no `{name}`"
        ))),
    }
}
