//! Strings.

use sha2::{Digest, Sha256};

use super::super::error::Fault;
use super::super::fmt;
use super::super::path;
use super::super::value::{Of, Value};
use super::{Call, Function, plain, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    plain("base", 1, 1, |call| {
        let path = call.text(0)?;
        call.made(path::base(path).to_owned())
    }),
    plain("dir", 1, 1, |call| {
        let path = call.text(0)?;
        call.made(path::dir(path))
    }),
    plain("split", 2, 2, split),
    plain("join", 2, 2, join),
    plain("toUpper", 1, 1, |call| cased(call, upper)),
    plain("toLower", 1, 1, |call| cased(call, lower)),
    plain("contains", 2, 2, |call| Ok(Value::Bool(call.text(0)?.contains(&**call.text(1)?)))),
    plain("replace", 4, 4, replace),
    plain("trimSuffix", 2, 2, |call| {
        let text = call.text(0)?;
        let trimmed = text.strip_suffix(&**call.text(1)?).unwrap_or(text);
        call.made(trimmed.to_owned())
    }),
    plain("trimPrefix", 2, 2, |call| {
        let text = call.text(0)?;
        let trimmed = text.strip_prefix(&**call.text(1)?).unwrap_or(text);
        call.made(trimmed.to_owned())
    }),
    plain("nospace", 1, 1, |call| {
        let text = call.text(0)?;
        call.made(text.chars().filter(|c| !c.is_whitespace()).collect())
    }),
    plain("repeat", 2, 2, repeat),
    plain("indent", 2, 2, |call| indent(call, "")),
    plain("nindent", 2, 2, |call| indent(call, "\n")),
    plain("quote", 1, 1, |call| quote(call, "%q")),
    plain("squote", 1, 1, |call| quote(call, "'%v'")),
    plain("sha256sum", 1, 1, |call| {
        let digest = Sha256::digest(call.text(0)?.as_bytes());
        let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        call.made(digits.concat())
    }),
    variadic("print", 0, |call| {
        let mut sink = call.sink();
        fmt::print(&mut sink, call.arguments.iter().map(|argument| &argument.value))?;
        call.made(sink.text)
    }),
    variadic("println", 0, |call| {
        let mut sink = call.sink();
        fmt::println(&mut sink, call.arguments.iter().map(|argument| &argument.value))?;
        call.made(sink.text)
    }),
    variadic("printf", 1, |call| {
        let format = call.text(0)?;
        let operands: Vec<&Value> = call.arguments[1..].iter().map(|argument| &argument.value).collect();
        let mut sink = call.sink();
        fmt::printf(&mut sink, format, &operands)?;
        call.made(sink.text)
    }),
];

fn split(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    call.session.meter.made(text.len())?;
    if separator.is_empty() {
        call.elements(text.chars().count())?;
        return Ok(Value::texts(text.chars().map(String::from)));
    }
    call.elements(text.matches(&**separator).count() + 1)?;
    Ok(Value::texts(text.split(&**separator)))
}

fn join(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let list = call.list(0, &[Of::Text], "a list of strings ([]string)")?;
    let separator = call.text(1)?;
    let mut sink = call.sink();
    for (number, item) in list.items.iter().enumerate() {
        if number > 0 {
            sink.str(separator)?;
        }
        if let Value::Text(text) = item {
            sink.str(text)?;
        }
    }
    call.made(sink.text)
}

/// Go maps one character to one, so that `ß` stays what it is.
fn cased(call: &mut Call<'_, '_>, to: fn(char) -> char) -> Result<Value, Fault> {
    let text = call.text(0)?;
    call.made(text.chars().map(to).collect())
}

fn upper(c: char) -> char {
    let mut cased = c.to_uppercase();
    if cased.len() == 1 { cased.next().unwrap_or(c) } else { c }
}

fn lower(c: char) -> char {
    // The one that Unicode lowers to two characters, and Go to one.
    if c == 'İ' { 'i' } else { c.to_lowercase().next().unwrap_or(c) }
}

/// `replace text old new n`: the first n, or all if n is negative. An empty old one stands between all characters.
fn replace(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (text, old, new) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let most = usize::try_from(call.int(3)?).unwrap_or(usize::MAX);
    let mut sink = call.sink();
    let mut rest: &str = text;
    for (at, _) in text.match_indices(&**old).take(most) {
        let passed = text.len() - rest.len();
        sink.str(&text[passed..at])?;
        sink.str(new)?;
        rest = &text[at + old.len()..];
    }
    sink.str(rest)?;
    call.made(sink.text)
}

fn repeat(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let count = usize::try_from(call.int(0)?).map_err(|_| call.fail("a negative count"))?;
    let text = call.text(1)?;
    let mut sink = call.sink();
    if !text.is_empty() {
        for _ in 0..count {
            sink.str(text)?;
        }
    }
    call.made(sink.text)
}

fn indent(call: &mut Call<'_, '_>, before: &str) -> Result<Value, Fault> {
    let blanks = usize::try_from(call.int(0)?).map_err(|_| call.fail("a negative indentation"))?;
    let text = call.text(1)?;
    let mut sink = call.sink();
    sink.str(before)?;
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            sink.char('\n')?;
        }
        sink.fill(' ', blanks)?;
        sink.str(line)?;
    }
    call.made(sink.text)
}

/// Quotes what the value prints as.
fn quote(call: &mut Call<'_, '_>, format: &str) -> Result<Value, Fault> {
    let mut plain = call.sink();
    fmt::print(&mut plain, std::iter::once(call.value(0)))?;
    let mut quoted = call.sink();
    fmt::printf(&mut quoted, format, &[&Value::text(plain.text)])?;
    call.made(quoted.text)
}
