//! A value under a verb: Go's rules for each kind, and what it writes where verb and kind do not fit.

use super::super::limits::Exceeded;
use super::super::value::{List, Map, Pair, Server, Value};
use super::{Sink, Spec, number, quote};

/// Writes values under one set of flags.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut Sink,
    pub(super) spec: Spec,
}

impl Writer<'_> {
    /// An operand of `printf` or `print`.
    pub(super) fn operand(&mut self, value: &Value, verb: char) -> Result<(), Exceeded> {
        match (value, verb) {
            (Value::Missing | Value::Nil, 'T' | 'v') => number::pad(self.out, self.spec, "<nil>"),
            (value, 'T') => {
                let shown = self.truncated(value.type_name());
                number::pad(self.out, self.spec, shown)
            }
            // Go's own for wrapping errors, and for nothing here.
            (value, 'w') => self.misfit(value, verb),
            (Value::Missing | Value::Nil, verb) => self.misfit(value, verb),
            (value, verb) => self.value(value, verb),
        }
    }

    fn value(&mut self, value: &Value, verb: char) -> Result<(), Exceeded> {
        match value {
            Value::Missing | Value::Nil => {
                self.out.str(if self.spec.sharp_v { "interface {}(nil)" } else { "<nil>" })
            }
            Value::Bool(truth) => match verb {
                'v' | 't' => number::pad(self.out, self.spec, if *truth { "true" } else { "false" }),
                verb => self.misfit(value, verb),
            },
            Value::Int(number) => self.integer(value, *number, verb),
            Value::Float(number) => match verb {
                'v' | 'b' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'x' | 'X' => {
                    number::floating(self.out, self.spec, *number, verb)
                }
                verb => self.misfit(value, verb),
            },
            Value::Text(text) => self.text(value, text, verb),
            Value::List(list) => self.list(list, verb),
            Value::Map(map) => self.map(map, verb),
            Value::Pair(pair) => self.pair(pair, verb),
            Value::Server(server) => self.server(server, verb),
            Value::Time(time) if matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') => {
                self.text(value, &super::super::functions::time::show(time), verb)
            }
            Value::Time(_) => self.misfit(value, verb),
            Value::Named(named) if matches!(verb, 'v' | 's' | 'q') && !self.spec.sharp_v => {
                self.text(value, named.name, verb)
            }
            Value::Named(named) => self.integer(value, named.number, verb),
        }
    }

    fn integer(&mut self, value: &Value, number: i64, verb: char) -> Result<(), Exceeded> {
        match verb {
            'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => number::integer(self.out, self.spec, number, verb),
            'c' => number::pad(self.out, self.spec, &number::character(number).to_string()),
            'q' => {
                let quoted = quote::single(number::character(number), self.spec.plus);
                number::pad(self.out, self.spec, &quoted)
            }
            'U' => number::unicode(self.out, self.spec, number),
            verb => self.misfit(value, verb),
        }
    }

    fn text(&mut self, value: &Value, text: &str, verb: char) -> Result<(), Exceeded> {
        match verb {
            'v' if self.spec.sharp_v => self.quoted(text),
            'v' | 's' => {
                let shown = self.truncated(text);
                number::pad(self.out, self.spec, shown)
            }
            'q' => self.quoted(text),
            'x' | 'X' => self.hexadecimal(text, verb),
            verb => self.misfit(value, verb),
        }
    }

    fn quoted(&mut self, text: &str) -> Result<(), Exceeded> {
        let text = self.truncated(text);
        let back = if self.spec.sharp { quote::back(text) } else { None };
        let quoted = back.unwrap_or_else(|| quote::double(text, self.spec.plus));
        number::pad(self.out, self.spec, &quoted)
    }

    /// As many characters as the precision allows.
    fn truncated<'t>(&self, text: &'t str) -> &'t str {
        let end = self.spec.precision.and_then(|most| text.char_indices().nth(most));
        end.map_or(text, |(end, _)| &text[..end])
    }

    fn hexadecimal(&mut self, text: &str, verb: char) -> Result<(), Exceeded> {
        let most = self.spec.precision.unwrap_or(usize::MAX).min(text.len());
        let prefix = match (self.spec.sharp, verb) {
            (false, _) => "",
            (true, 'x') => "0x",
            (true, _) => "0X",
        };
        let mut shown = String::new();
        for (number, byte) in text.bytes().take(most).enumerate() {
            if self.spec.space && number > 0 {
                shown.push(' ');
            }
            if self.spec.space || number == 0 {
                shown.push_str(prefix);
            }
            shown.extend([if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") }]);
        }
        number::pad(self.out, self.spec, &shown)
    }

    fn list(&mut self, list: &List, verb: char) -> Result<(), Exceeded> {
        let (open, between, close) = if self.spec.sharp_v { ('{', ", ", '}') } else { ('[', " ", ']') };
        if self.spec.sharp_v {
            self.out.str(list.of.type_name())?;
        }
        self.out.char(open)?;
        for (number, item) in list.items.iter().enumerate() {
            if number > 0 {
                self.out.str(between)?;
            }
            self.value(item, verb)?;
        }
        self.out.char(close)
    }

    fn map(&mut self, map: &Map, verb: char) -> Result<(), Exceeded> {
        self.out.str(if self.spec.sharp_v { "map[string]interface {}{" } else { "map[" })?;
        for (number, (key, item)) in map.entries.iter().enumerate() {
            if number > 0 {
                self.out.str(if self.spec.sharp_v { ", " } else { " " })?;
            }
            self.value(&Value::Text(key.clone()), verb)?;
            self.out.char(':')?;
            self.value(item, verb)?;
        }
        self.out.char(if self.spec.sharp_v { '}' } else { ']' })
    }

    fn pair(&mut self, pair: &Pair, verb: char) -> Result<(), Exceeded> {
        let fields = [("Key", Value::Text(pair.key.clone())), ("Value", Value::Text(pair.value.clone()))];
        self.fields("memkv.KVPair", &fields, verb)
    }

    fn server(&mut self, server: &Server, verb: char) -> Result<(), Exceeded> {
        let fields = [
            ("Target", Value::Text(server.target.clone())),
            ("Port", Value::Int(server.port.into())),
            ("Priority", Value::Int(server.priority.into())),
            ("Weight", Value::Int(server.weight.into())),
        ];
        self.fields("net.SRV", &fields, verb)
    }

    fn fields(&mut self, name: &str, fields: &[(&str, Value)], verb: char) -> Result<(), Exceeded> {
        if self.spec.sharp_v {
            self.out.str(name)?;
        }
        self.out.char('{')?;
        for (number, (name, value)) in fields.iter().enumerate() {
            if number > 0 {
                self.out.str(if self.spec.sharp_v { ", " } else { " " })?;
            }
            if self.spec.plus_v || self.spec.sharp_v {
                self.out.str(name)?;
                self.out.char(':')?;
            }
            self.value(value, verb)?;
        }
        self.out.char('}')
    }

    /// `%!d(string=x)`: the verb says nothing about such a value.
    pub(super) fn misfit(&mut self, value: &Value, verb: char) -> Result<(), Exceeded> {
        self.out.str("%!")?;
        self.out.char(verb)?;
        self.out.char('(')?;
        if value.is_nil() {
            self.out.str("<nil>")?;
        } else {
            self.out.str(value.type_name())?;
            self.out.char('=')?;
            self.value(value, 'v')?;
        }
        self.out.char(')')
    }
}
