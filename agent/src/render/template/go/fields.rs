//! Fields and methods of values.

use std::sync::Arc;

use super::super::error::Fault;
use super::super::functions::{Arg, time};
use super::super::value::{Pair, Server, Value};

/// `value.name`, with arguments if it is a method.
pub(super) fn field(value: &Value, name: &Arc<str>, arguments: &[Arg]) -> Result<Value, Fault> {
    if let Some(result) = time::method(value, name, arguments) {
        return result;
    }
    let found = match value {
        // Of nothing, everything is nothing. Of a null, nothing is.
        Value::Missing => Value::Missing,
        Value::Nil => return Err(Fault::action(format!("null has no field `{name}`"))),
        Value::Map(map) => map.entries.get(name).cloned().unwrap_or(Value::Missing),
        Value::Pair(pair) => of_pair(pair, name)?,
        Value::Server(server) => of_server(server, name)?,
        other => {
            return Err(Fault::action(format!("a {} has no field or method `{name}`", other.type_name())));
        }
    };
    if !arguments.is_empty() {
        return Err(Fault::action(format!("`{name}` is a field and takes no arguments")));
    }
    Ok(found)
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
