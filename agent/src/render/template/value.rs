//! The values that templates work with, typed as confd's functions type them in Go: whether a list is a `[]string` or an
//! `[]interface {}` decides what it prints as and which functions take it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ZonedDateTime;

use super::limits::{Exceeded, Limits};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing at all: a map has no such entry, or there is no data.
    Missing,
    /// A null that is known to be one, such as JSON's.
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// Any of Go's integers.
    Int(i64),
    /// A floating-point number, such as each of JSON's numbers.
    Float(f64),
    /// A string. Go's are bytes, ours are text: what is not UTF-8 is refused where it would come up.
    Text(Arc<str>),
    /// A slice.
    List(Arc<List>),
    /// A map with the keys in order, as Go prints and ranges over them.
    Map(Arc<Map>),
    /// A key of the store with its value.
    Pair(Arc<Pair>),
    /// An SRV record.
    Server(Arc<Server>),
    /// A point in time in a time zone.
    Time(Arc<ZonedDateTime>),
    /// A number that prints as a name.
    Named(Named),
}

/// What a list's elements are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Of {
    /// `[]string`
    Text,
    /// `[]int`
    Int,
    /// `memkv.KVPairs`, which `gets` gives. confd's `reverse` leaves it as it is.
    Found,
    /// `[]memkv.KVPair`
    Pair,
    /// `[]*net.SRV`
    Server,
    /// `[]interface {}`
    #[default]
    Any,
}

/// A list.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) of: Of,
    pub(super) items: Vec<Value>,
    depth: u32,
}

/// A `map[string]interface {}`.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) entries: BTreeMap<Arc<str>, Value>,
    depth: u32,
}

/// A key of the store with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Arc<str>,
    pub(super) value: Arc<str>,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The host, with a dot at the end.
    pub target: Arc<str>,
    /// Its port.
    pub port: u16,
    /// Lower ones come first.
    pub priority: u16,
    /// Among those of one priority.
    pub weight: u16,
}

/// A number with a name, such as a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Go's type.
    pub(super) of: &'static str,
    pub(super) number: i64,
    pub(super) name: &'static str,
}

impl Value {
    /// A string.
    pub(super) fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }

    /// A `[]string`.
    pub(super) fn texts<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Value {
        Value::flat(Of::Text, texts.into_iter().map(Value::text).collect())
    }

    /// A list whose elements are no lists or maps.
    pub(super) fn flat(of: Of, items: Vec<Value>) -> Value {
        Value::List(Arc::new(List { of, items, depth: 1 }))
    }

    /// A list of anything.
    pub(super) fn list(items: Vec<Value>, limits: &Limits) -> Result<Value, Exceeded> {
        let depth = deeper(items.iter(), limits)?;
        Ok(Value::List(Arc::new(List { of: Of::Any, items, depth })))
    }

    /// A map.
    pub(super) fn map(entries: BTreeMap<Arc<str>, Value>, limits: &Limits) -> Result<Value, Exceeded> {
        let depth = deeper(entries.values(), limits)?;
        Ok(Value::Map(Arc::new(Map { entries, depth })))
    }

    /// A store's key.
    pub(super) fn pair(key: &str, value: &str) -> Value {
        Value::Pair(Arc::new(Pair { key: key.into(), value: value.into() }))
    }

    /// The name of its type in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Missing | Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(list) => list.of.type_name(),
            Value::Map(_) => "map[string]interface {}",
            Value::Pair(_) => "memkv.KVPair",
            Value::Server(_) => "*net.SRV",
            Value::Time(_) => "time.Time",
            Value::Named(named) => named.of,
        }
    }

    /// Whether it is nothing or null.
    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Value::Missing | Value::Nil)
    }

    /// What `if`, `with`, `and`, `or` and `not` take it for.
    pub(super) fn truth(&self) -> bool {
        match self {
            Value::Missing | Value::Nil => false,
            Value::Bool(truth) => *truth,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.entries.is_empty(),
            Value::Pair(_) | Value::Server(_) | Value::Time(_) => true,
            Value::Named(named) => named.number != 0,
        }
    }

    fn depth(&self) -> u32 {
        match self {
            Value::List(list) => list.depth,
            Value::Map(map) => map.depth,
            _ => 0,
        }
    }
}

impl Of {
    /// The name of such a list's type in Go.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Of::Text => "[]string",
            Of::Int => "[]int",
            Of::Found => "memkv.KVPairs",
            Of::Pair => "[]memkv.KVPair",
            Of::Server => "[]*net.SRV",
            Of::Any => "[]interface {}",
        }
    }
}

/// How deep a value with these inside is. Values are dropped, printed and encoded by recursion, so this is bounded where
/// they are made.
fn deeper<'v>(inside: impl Iterator<Item = &'v Value>, limits: &Limits) -> Result<u32, Exceeded> {
    let depth = inside.map(Value::depth).max().unwrap_or(0) + 1;
    if depth > limits.value_depth { Err(Exceeded::ValueDepth(limits.value_depth)) } else { Ok(depth) }
}
