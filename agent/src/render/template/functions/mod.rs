//! The functions that templates call, in Go's syntax by their names and in Handlebars as helpers of the same names:
//! Go's own, confd's, and those that confd's maintained fork added.

mod builtin;
mod compare;
mod escape;
mod host;
mod json;
mod list;
mod net;
mod number;
mod regex;
mod store;
mod text;
pub(super) mod time;

use std::sync::{Arc, LazyLock};

use super::error::Fault;
use super::fmt::Sink;
use super::limits::Exceeded;
use super::session::Session;
use super::value::{List, Map, Of, Value};

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    /// What templates call it.
    pub(super) name: &'static str,
    /// Arguments that it needs.
    least: usize,
    /// Arguments that it takes; any number if there is none.
    most: Option<usize>,
    /// How it is run.
    pub(super) kind: Kind,
}

/// How a function is run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// With all its arguments.
    Plain(fn(&mut Call<'_, '_>) -> Result<Value, Fault>),
    /// `and`: arguments after a false one are not evaluated.
    And,
    /// `or`: arguments after a true one are not evaluated.
    Or,
    /// `include`: renders another file, which the syntax at hand knows how to do.
    Include,
}

/// An argument.
#[derive(Clone, Debug)]
pub(super) struct Arg {
    pub(super) value: Value,
    /// A number without a type of its own: `1.0` in a template, and every number in JSON. It is an integer where one is
    /// wanted.
    pub(super) literal: bool,
}

const fn plain(
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&mut Call<'_, '_>) -> Result<Value, Fault>,
) -> Function {
    Function { name, least, most: Some(most), kind: Kind::Plain(run) }
}

const fn variadic(
    name: &'static str,
    least: usize,
    run: fn(&mut Call<'_, '_>) -> Result<Value, Fault>,
) -> Function {
    Function { name, least, most: None, kind: Kind::Plain(run) }
}

const GROUPS: [&[Function]; 12] = [
    &[
        Function { name: "and", least: 1, most: None, kind: Kind::And },
        Function { name: "or", least: 1, most: None, kind: Kind::Or },
        Function { name: "include", least: 1, most: Some(2), kind: Kind::Include },
    ],
    builtin::FUNCTIONS,
    compare::FUNCTIONS,
    escape::FUNCTIONS,
    host::FUNCTIONS,
    json::FUNCTIONS,
    list::FUNCTIONS,
    net::FUNCTIONS,
    number::FUNCTIONS,
    regex::FUNCTIONS,
    store::FUNCTIONS,
    text::FUNCTIONS,
];

/// Every function.
pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|group| group.iter())
}

/// The function of a name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// The function whose name is nearest to a mistyped one.
pub(super) fn near(name: &str) -> Option<&'static str> {
    if name.len() > 32 {
        return None;
    }
    let distances = all().map(|function| (strsim::damerau_levenshtein(name, function.name), function.name));
    distances.filter(|(distance, _)| *distance <= name.len() / 4 + 1).min().map(|(_, name)| name)
}

impl Function {
    /// Whether it takes so many arguments.
    pub(super) fn check_count(&self, count: usize) -> Result<(), Fault> {
        if count >= self.least && self.most.is_none_or(|most| count <= most) {
            return Ok(());
        }
        let wants = match self.most {
            Some(most) if most == self.least => format!("{most}"),
            Some(most) => format!("{} to {most}", self.least),
            None => format!("at least {}", self.least),
        };
        Err(self.fail(format!("takes {wants} arguments and gets {count}")))
    }

    /// It refuses its arguments.
    pub(super) fn fail(&self, why: impl Into<String>) -> Fault {
        Fault::Call { function: self.name, why: why.into() }
    }
}

/// Runs a function whose arguments are all there.
pub(super) fn call(
    function: &'static Function,
    session: &mut Session<'_>,
    arguments: &[Arg],
) -> Result<Value, Fault> {
    function.check_count(arguments.len())?;
    session.meter.steps(1)?;
    let deciding = |stops: bool| {
        let decides = arguments.iter().find(|argument| argument.value.truth() == stops);
        decides.or(arguments.last()).map_or(Value::Missing, |argument| argument.value.clone())
    };
    match function.kind {
        Kind::Plain(run) => run(&mut Call { function, session, arguments }),
        Kind::And => Ok(deciding(false)),
        Kind::Or => Ok(deciding(true)),
        Kind::Include => Err(function.fail("cannot stand here")),
    }
}

/// What null is where a list is wanted.
fn no_list() -> &'static Arc<List> {
    static EMPTY: LazyLock<Arc<List>> = LazyLock::new(Arc::default);
    &EMPTY
}

/// A call of a function: its arguments by their types.
pub(super) struct Call<'c, 's> {
    pub(super) function: &'static Function,
    pub(super) session: &'c mut Session<'s>,
    pub(super) arguments: &'c [Arg],
}

impl<'c> Call<'c, '_> {
    pub(super) fn fail(&self, why: impl Into<String>) -> Fault {
        self.function.fail(why)
    }

    fn wrong(&self, at: usize, wanted: &str) -> Fault {
        let got = self.arguments.get(at).map_or("nothing", |argument| argument.value.type_name());
        self.fail(format!("argument {} must be {wanted} and is {got}", at + 1))
    }

    /// Any value; nothing if there is no such argument.
    pub(super) fn value(&self, at: usize) -> &'c Value {
        static MISSING: Value = Value::Missing;
        self.arguments.get(at).map_or(&MISSING, |argument| &argument.value)
    }

    pub(super) fn text(&self, at: usize) -> Result<&'c Arc<str>, Fault> {
        match self.value(at) {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(at, "a string")),
        }
    }

    /// The default that comes after `at` arguments, if one is given. More may be, as in confd, and say nothing.
    pub(super) fn default(&self, at: usize) -> Result<Option<&'c Arc<str>>, Fault> {
        for at in at..self.arguments.len() {
            self.text(at)?;
        }
        if self.arguments.len() > at { self.text(at).map(Some) } else { Ok(None) }
    }

    pub(super) fn int(&self, at: usize) -> Result<i64, Fault> {
        let literal = self.arguments.get(at).is_some_and(|argument| argument.literal);
        match self.value(at) {
            Value::Int(number) => Ok(*number),
            Value::Float(number) if literal => {
                super::go::whole(*number).ok_or_else(|| self.fail(format!("{number} is not an integer")))
            }
            _ => Err(self.wrong(at, "an int")),
        }
    }

    pub(super) fn bool(&self, at: usize) -> Result<bool, Fault> {
        match self.value(at) {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(self.wrong(at, "a bool")),
        }
    }

    /// An integer of its own type, which a literal with a point is not.
    pub(super) fn index(&self, at: usize) -> Result<i64, Fault> {
        match self.value(at) {
            Value::Int(number) => Ok(*number),
            _ => Err(self.wrong(at, "an int")),
        }
    }

    /// A list of one kind; null is an empty one.
    pub(super) fn list(&self, at: usize, of: &[Of], wanted: &str) -> Result<&'c Arc<List>, Fault> {
        match self.value(at) {
            value if value.is_nil() => Ok(no_list()),
            Value::List(list) if of.contains(&list.of) || list.items.is_empty() => Ok(list),
            _ => Err(self.wrong(at, wanted)),
        }
    }

    pub(super) fn map(&self, at: usize) -> Result<&'c Arc<Map>, Fault> {
        match self.value(at) {
            Value::Map(map) => Ok(map),
            _ => Err(self.wrong(at, "a map")),
        }
    }

    /// A sink for a value in the making.
    pub(super) fn sink(&self) -> Sink {
        let most = self.session.meter.limits.value;
        Sink::new(most, Exceeded::Value(most))
    }

    /// A string as a result.
    pub(super) fn made(&mut self, text: String) -> Result<Value, Fault> {
        self.session.meter.made(text.len())?;
        Ok(Value::text(text))
    }

    /// Checks that a list may have so many elements.
    pub(super) fn elements(&mut self, count: usize) -> Result<(), Fault> {
        let limits = self.session.meter.limits;
        if count > limits.elements {
            return Err(Exceeded::Elements(limits.elements).into());
        }
        self.session.meter.held(count.saturating_mul(64))?;
        Ok(())
    }
}
