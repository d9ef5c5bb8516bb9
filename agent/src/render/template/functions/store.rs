//! The store's keys, as confd's memkv gives them out. Keys are names: one that is not written exactly so is not there.

use std::collections::BTreeSet;

use super::super::error::Fault;
use super::super::path::{self, Pattern};
use super::super::value::{Of, Value};
use super::{Call, Function, plain, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    plain("get", 1, 1, get),
    variadic("getv", 1, getv),
    plain("gets", 1, 1, gets),
    plain("getvs", 1, 1, getvs),
    plain("exists", 1, 1, exists),
    plain("ls", 1, 1, ls),
    plain("lsdir", 1, 1, lsdir),
    plain("cget", 0, 9, encrypted),
    plain("cgetv", 0, 9, encrypted),
    plain("cgets", 0, 9, encrypted),
    plain("cgetvs", 0, 9, encrypted),
];

/// The value of a key by its exact name.
fn exact<'k>(call: &Call<'_, 'k>, key: &str) -> Option<&'k str> {
    is_canonical(key).then(|| call.session.keys.get(key)).flatten()
}

fn is_canonical(path: &str) -> bool {
    path == "/" || path.starts_with('/') && !path.ends_with('/') && !path.contains("//")
}

fn missing(call: &Call<'_, '_>, key: &str) -> Fault {
    Fault::MissingKey { function: call.function.name, key: key.chars().take(256).collect() }
}

fn get(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let key = call.text(0)?;
    let value = exact(call, key).ok_or_else(|| missing(call, key))?;
    call.session.meter.made(value.len())?;
    Ok(Value::pair(key, value))
}

/// An empty value counts as present: the default is for keys that are not there.
fn getv(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let key = call.text(0)?;
    let default = call.default(1)?;
    match (exact(call, key), default) {
        (Some(value), _) => {
            call.session.meter.made(value.len())?;
            Ok(Value::text(value))
        }
        (None, Some(default)) => Ok(Value::Text(default.clone())),
        (None, None) => Err(missing(call, key)),
    }
}

/// The keys that match a pattern, in their order.
fn matching<'k>(call: &mut Call<'_, 'k>) -> Result<Vec<(&'k str, &'k str)>, Fault> {
    let pattern = Pattern::new(call.text(0)?).map_err(|error| call.fail(error.to_string()))?;
    let folder = pattern.folder();
    let mut found = Vec::new();
    // No key is in a folder that is not written as keys are.
    if folder.is_empty() || is_canonical(&folder) {
        let keys = call.session.keys;
        for (key, value) in keys.under(&folder) {
            call.session.meter.steps(1)?;
            if pattern.matches(key) {
                call.session.meter.made(key.len() + value.len())?;
                found.push((key, value));
            }
        }
    }
    call.elements(found.len())?;
    Ok(found)
}

fn gets(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let found = matching(call)?;
    Ok(Value::flat(Of::Found, found.into_iter().map(|(key, value)| Value::pair(key, value)).collect()))
}

fn getvs(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let mut values: Vec<&str> = matching(call)?.into_iter().map(|(_, value)| value).collect();
    values.sort_unstable();
    Ok(Value::texts(values))
}

fn exists(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let key = call.text(0)?;
    Ok(Value::Bool(exact(call, key).is_some()))
}

/// The names right below a path. Of a path that is a key itself its own name as well, and of `/` only the keys that have
/// no folder: this is how confd's memkv compares paths.
fn ls(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let asked = call.text(0)?;
    let folder = path::clean(asked);
    let mut names = BTreeSet::new();
    if !folder.starts_with('/') {
        return Ok(Value::flat(Of::Text, Vec::new()));
    }
    let keys = call.session.keys;
    for (key, _) in keys.under(&folder) {
        call.session.meter.steps(1)?;
        if *key == **asked {
            names.insert(path::base(key));
            continue;
        }
        let Some(rest) = below(key, &folder) else {
            continue;
        };
        let name = rest.split('/').next().unwrap_or(rest);
        if folder != "/" || name.len() == rest.len() {
            names.insert(name);
        }
    }
    call.elements(names.len())?;
    Ok(Value::texts(names))
}

/// The names right below a path that have something below themselves; none of `/`, as in memkv.
fn lsdir(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let asked = call.text(0)?;
    let folder = path::clean(asked);
    let mut names = BTreeSet::new();
    if folder != "/" && folder.starts_with('/') {
        let keys = call.session.keys;
        for (key, _) in keys.under(&folder) {
            call.session.meter.steps(1)?;
            if !key.starts_with(&**asked) {
                continue;
            }
            if let Some((name, _)) = below(key, &folder).and_then(|rest| rest.split_once('/')) {
                names.insert(name);
            }
        }
    }
    call.elements(names.len())?;
    Ok(Value::texts(names))
}

/// What of a key is below a folder.
fn below<'k>(key: &'k str, folder: &str) -> Option<&'k str> {
    if folder == "/" {
        return key.strip_prefix('/');
    }
    key.strip_prefix(folder)?.strip_prefix('/')
}

fn encrypted(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let name = call.function.name;
    Err(call.fail(format!(
        "encrypted values (crypt) are gone from confd and not supported; keep the value plain in a store with \
         access control and use `{}`",
        &name[1..]
    )))
}
