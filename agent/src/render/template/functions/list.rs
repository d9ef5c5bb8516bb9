//! Lists and maps, and choosing between values.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::Fault;
use super::super::value::{Of, Value};
use super::{Call, Function, plain, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    plain("reverse", 1, 1, reverse),
    plain("sortByLength", 1, 1, |call| {
        let list = call.list(0, &[Of::Text], "a list of strings ([]string)")?;
        sorted(call, Of::Text, &list.items, |item| match item {
            Value::Text(text) => text.len(),
            _ => 0,
        })
    }),
    plain("sortKVByLength", 1, 1, |call| {
        let list = call.list(0, &[Of::Found, Of::Pair], "a list of keys (from `gets`)")?;
        sorted(call, Of::Pair, &list.items, |item| match item {
            Value::Pair(pair) => pair.key.len(),
            _ => 0,
        })
    }),
    variadic("map", 0, map),
    variadic("dict", 0, map),
    variadic("list", 0, |call| {
        let items = call.arguments.iter().map(|argument| argument.value.clone()).collect();
        list(call, items)
    }),
    plain("append", 2, 2, |call| {
        let mut items = match call.value(0) {
            Value::List(list) => list.items.clone(),
            _ => return Err(call.fail("argument 1 must be a list")),
        };
        items.push(call.value(1).clone());
        list(call, items)
    }),
    plain("hasKey", 2, 2, |call| Ok(Value::Bool(call.map(0)?.entries.contains_key(&**call.text(1)?)))),
    plain("keys", 1, 1, |call| {
        let map = call.map(0)?;
        call.elements(map.entries.len())?;
        Ok(Value::texts(map.entries.keys().cloned()))
    }),
    plain("values", 1, 1, |call| {
        let items = call.map(0)?.entries.values().cloned().collect();
        list(call, items)
    }),
    variadic("pluck", 1, |call| {
        let key = call.text(0)?;
        let mut items = Vec::new();
        for at in 1..call.arguments.len() {
            items.extend(call.map(at)?.entries.get(key).cloned());
        }
        list(call, items)
    }),
    plain("default", 2, 2, |call| {
        let given = call.value(1);
        Ok(if given.truth() { given } else { call.value(0) }.clone())
    }),
    variadic("coalesce", 0, |call| {
        let first = call.arguments.iter().find(|argument| argument.value.truth());
        Ok(first.map_or(Value::Nil, |argument| argument.value.clone()))
    }),
    plain("ternary", 3, 3, |call| Ok(call.value(usize::from(!call.bool(2)?)).clone())),
    plain("empty", 1, 1, |call| Ok(Value::Bool(!call.value(0).truth()))),
];

/// Strings and sorted keys are reversed. Everything else stays as it is, as confd has it; `gets` gives keys in a type of
/// its own, which counts as everything else.
fn reverse(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let value = call.value(0);
    match value {
        Value::List(list) if matches!(list.of, Of::Text | Of::Pair) => {
            call.elements(list.items.len())?;
            Ok(Value::flat(list.of, list.items.iter().rev().cloned().collect()))
        }
        value => Ok(value.clone()),
    }
}

fn sorted(
    call: &mut Call<'_, '_>,
    of: Of,
    items: &[Value],
    length: fn(&Value) -> usize,
) -> Result<Value, Fault> {
    call.elements(items.len())?;
    call.session.meter.steps(items.len())?;
    let mut items = items.to_vec();
    items.sort_by_key(length);
    Ok(Value::flat(of, items))
}

fn map(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    if !call.arguments.len().is_multiple_of(2) {
        return Err(call.fail("takes keys and values in turn, so an even number of arguments"));
    }
    let mut entries: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for at in (0..call.arguments.len()).step_by(2) {
        entries.insert(call.text(at)?.clone(), call.value(at + 1).clone());
    }
    call.elements(entries.len())?;
    Ok(Value::map(entries, &call.session.meter.limits)?)
}

fn list(call: &mut Call<'_, '_>, items: Vec<Value>) -> Result<Value, Fault> {
    call.elements(items.len())?;
    Ok(Value::list(items, &call.session.meter.limits)?)
}
