//! Values as text, exactly as Go's package fmt writes them.

mod float;
mod number;
mod printf;
mod quote;
mod value;

pub(super) use float::shortest as shortest_float;
pub(super) use printf::printf;
pub(super) use quote::is_printable;

use super::limits::Exceeded;
use super::value::Value;

/// Bounded text in the making.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) text: String,
    most: usize,
    over: Exceeded,
}

impl Sink {
    /// For text of at most `most` bytes; `over` is the error beyond.
    pub(super) fn new(most: usize, over: Exceeded) -> Sink {
        Sink { text: String::new(), most, over }
    }

    pub(super) fn str(&mut self, text: &str) -> Result<(), Exceeded> {
        if text.len() > self.most - self.text.len() {
            return Err(self.over.clone());
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn char(&mut self, c: char) -> Result<(), Exceeded> {
        self.str(c.encode_utf8(&mut [0; 4]))
    }

    /// `c` so many times.
    pub(super) fn fill(&mut self, c: char, count: usize) -> Result<(), Exceeded> {
        if count > self.most - self.text.len() {
            return Err(self.over.clone());
        }
        self.text.extend(std::iter::repeat_n(c, count));
        Ok(())
    }
}

/// Flags, width and precision of a verb.
// Go's own five flags, and how %v reads two of them.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// What an action prints: nothing there is `<no value>`.
pub(super) fn show(out: &mut Sink, value: &Value) -> Result<(), Exceeded> {
    match value {
        Value::Missing | Value::Nil => out.str("<no value>"),
        Value::Text(text) => out.str(text),
        value => plain(out, value),
    }
}

/// Go's `Sprint`: a space stands between two operands if neither is a string.
pub(super) fn print<'v>(out: &mut Sink, values: impl Iterator<Item = &'v Value>) -> Result<(), Exceeded> {
    let mut after_text = true;
    for (number, value) in values.enumerate() {
        let text = matches!(value, Value::Text(_));
        if number > 0 && !text && !after_text {
            out.char(' ')?;
        }
        plain(out, value)?;
        after_text = text;
    }
    Ok(())
}

/// Go's `Sprintln`.
pub(super) fn println<'v>(out: &mut Sink, values: impl Iterator<Item = &'v Value>) -> Result<(), Exceeded> {
    for (number, value) in values.enumerate() {
        if number > 0 {
            out.char(' ')?;
        }
        plain(out, value)?;
    }
    out.char('\n')
}

fn plain(out: &mut Sink, value: &Value) -> Result<(), Exceeded> {
    value::Writer { out, spec: Spec::default() }.operand(value, 'v')
}
