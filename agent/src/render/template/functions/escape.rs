//! Go's escapes for other languages.

use super::super::error::Fault;
use super::super::fmt;
use super::super::value::Value;
use super::{Call, Function, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("html", 0, |call| escaped(call, html)),
    variadic("js", 0, |call| escaped(call, js)),
    variadic("urlquery", 0, |call| escaped(call, query)),
];

fn escaped(call: &mut Call<'_, '_>, escape: fn(char) -> Escape) -> Result<Value, Fault> {
    let mut plain = call.sink();
    // Nothing is a string here, as what an action prints.
    let nothing = Value::text("<no value>");
    let shown = call.arguments.iter().map(|argument| match &argument.value {
        Value::Missing | Value::Nil => &nothing,
        value => value,
    });
    fmt::print(&mut plain, shown)?;
    let mut sink = call.sink();
    for c in plain.text.chars() {
        match escape(c) {
            Escape::Same => sink.char(c)?,
            Escape::Fixed(text) => sink.str(text)?,
            Escape::Made(text) => sink.str(&text)?,
        }
    }
    call.made(sink.text)
}

enum Escape {
    Same,
    Fixed(&'static str),
    Made(String),
}

fn html(c: char) -> Escape {
    Escape::Fixed(match c {
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\0' => "\u{fffd}",
        _ => return Escape::Same,
    })
}

fn js(c: char) -> Escape {
    match c {
        '\\' => Escape::Fixed("\\\\"),
        '\'' => Escape::Fixed("\\'"),
        '"' => Escape::Fixed("\\\""),
        '<' | '>' | '&' | '=' | '\0'..='\x1f' => Escape::Made(format!("\\u{:04X}", c as u32)),
        c if c.is_ascii() || fmt::is_printable(c) => Escape::Same,
        c => Escape::Made(format!("\\u{:04X}", c as u32)),
    }
}

fn query(c: char) -> Escape {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '~' => Escape::Same,
        ' ' => Escape::Fixed("+"),
        c => {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}"));
            Escape::Made(bytes.collect::<Vec<_>>().concat())
        }
    }
}
