//! Go's `Sprintf`: the format string, and what it writes where format and operands do not fit.

use super::super::limits::Exceeded;
use super::super::value::Value;
use super::value::Writer;
use super::{Sink, Spec};

/// The largest width or precision; Go takes larger ones for mistakes.
const MOST: usize = 1_000_000;

/// Writes `operands` as `format` says.
pub(in super::super) fn printf(out: &mut Sink, format: &str, operands: &[&Value]) -> Result<(), Exceeded> {
    let mut run = Run { out, rest: format, operands, next: 0, reordered: false, good_index: true };
    while let Some(at) = run.rest.find('%') {
        run.out.str(&run.rest[..at])?;
        run.rest = &run.rest[at + 1..];
        run.directive()?;
    }
    let rest = run.rest;
    run.out.str(rest)?;
    run.extra()
}

struct Run<'f, 'o> {
    out: &'o mut Sink,
    rest: &'f str,
    operands: &'f [&'f Value],
    next: usize,
    /// An index `[n]` was used somewhere, so that operands left over are no mistake.
    reordered: bool,
    /// The last index was a number of an operand.
    good_index: bool,
}

impl Run<'_, '_> {
    /// What stands after a percent sign.
    fn directive(&mut self) -> Result<(), Exceeded> {
        let mut spec = Spec::default();
        self.good_index = true;
        let mut after_index = false;
        self.flags(&mut spec);
        after_index |= self.index();
        if self.eat('*') {
            match self.star() {
                Some(width) => {
                    spec.width = Some(width.unsigned_abs());
                    if width < 0 {
                        // A negative width is the flag `-`, which no zeros go with.
                        spec.minus = true;
                        spec.zero = false;
                    }
                }
                None => self.out.str("%!(BADWIDTH)")?,
            }
            after_index = false;
        } else {
            spec.width = self.number();
            if after_index && spec.width.is_some() {
                self.good_index = false;
            }
        }
        // A point at the very end is a verb that does not exist.
        if self.rest.len() > 1 && self.eat('.') {
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.eat('*') {
                match self.star() {
                    Some(precision) if precision >= 0 => spec.precision = Some(precision.unsigned_abs()),
                    _ => self.out.str("%!(BADPREC)")?,
                }
                after_index = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        let Some(verb) = self.rest.chars().next() else {
            return self.out.str("%!(NOVERB)");
        };
        self.rest = &self.rest[verb.len_utf8()..];
        self.verb(verb, spec)
    }

    fn verb(&mut self, verb: char, mut spec: Spec) -> Result<(), Exceeded> {
        if verb == '%' {
            return self.out.char('%');
        }
        if !self.good_index {
            self.out.str("%!")?;
            self.out.char(verb)?;
            return self.out.str("(BADINDEX)");
        }
        let Some(value) = self.operands.get(self.next) else {
            self.out.str("%!")?;
            self.out.char(verb)?;
            return self.out.str("(MISSING)");
        };
        self.next += 1;
        if verb == 'v' {
            spec.sharp_v = std::mem::take(&mut spec.sharp);
            spec.plus_v = std::mem::take(&mut spec.plus);
        }
        Writer { out: self.out, spec }.operand(value, verb)
    }

    fn flags(&mut self, spec: &mut Spec) {
        while let Some(flag) = self.rest.chars().next() {
            match flag {
                '#' => spec.sharp = true,
                // Zeros stand on the left only.
                '0' => spec.zero = !spec.minus,
                '+' => spec.plus = true,
                '-' => {
                    spec.minus = true;
                    spec.zero = false;
                }
                ' ' => spec.space = true,
                _ => return,
            }
            self.rest = &self.rest[1..];
        }
    }

    /// `[n]`: the next operand is the n-th. Whether there was such an index.
    fn index(&mut self) -> bool {
        if !self.rest.starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']') else {
            self.good_index = false;
            self.rest = &self.rest[1..];
            return false;
        };
        let number = self.rest[1..end].parse::<usize>().ok().filter(|_| !self.rest[1..end].starts_with('+'));
        self.rest = &self.rest[end + 1..];
        match number {
            Some(number @ 1..) if number <= self.operands.len() => {
                self.next = number - 1;
                true
            }
            _ => {
                self.good_index = false;
                number.is_some()
            }
        }
    }

    /// The width or precision that an operand gives.
    fn star(&mut self) -> Option<isize> {
        let value = self.operands.get(self.next)?;
        self.next += 1;
        let number = match value {
            Value::Int(number) => isize::try_from(*number).ok(),
            Value::Named(named) => isize::try_from(named.number).ok(),
            _ => None,
        };
        number.filter(|number| number.unsigned_abs() <= MOST)
    }

    fn number(&mut self) -> Option<usize> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse::<usize>().ok().filter(|number| *number <= MOST)
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Names the operands that no verb used.
    fn extra(&mut self) -> Result<(), Exceeded> {
        let operands = self.operands;
        if self.reordered || self.next >= operands.len() {
            return Ok(());
        }
        self.out.str("%!(EXTRA ")?;
        for (number, value) in operands[self.next..].iter().enumerate() {
            if number > 0 {
                self.out.str(", ")?;
            }
            if value.is_nil() {
                self.out.str("<nil>")?;
                continue;
            }
            self.out.str(value.type_name())?;
            self.out.char('=')?;
            Writer { out: self.out, spec: Spec::default() }.operand(value, 'v')?;
        }
        self.out.char(')')
    }
}
