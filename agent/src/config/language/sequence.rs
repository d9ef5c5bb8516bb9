//! `~SEQ(VAR, START, STEP, END)`, `~SEQx(…)` and `~LST(VAR, VALUE, …)`: what they count through.

use std::vec;

use thiserror::Error;

use super::between_commas;
use super::parameter::is_name;

/// Why a sequence cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Error {
    /// There is no end of it.
    #[error("its `)` is missing")]
    Open,
    /// The number of arguments.
    #[error("it has `~SEQ(VAR, END)`, `~SEQ(VAR, START, END)` or `~SEQ(VAR, START, STEP, END)`")]
    Arguments,
    /// What is to be counted.
    #[error("`{0}` is no name of a parameter: letters, digits and _, not beginning with a digit")]
    Name(String),
    /// An argument is no number.
    #[error("`{0}` is no whole number, such as 12, -3 or 0x1f")]
    Number(String),
    /// A step leads away from the end, or nowhere.
    #[error("a step of {step} does not lead from {start} to {end}")]
    Step {
        /// Where it begins.
        start: i64,
        /// How it goes on.
        step: i64,
        /// Where it ends.
        end: i64,
    },
    /// keepalived knows no form for these.
    #[error("`~SEQx` counts through positive numbers only")]
    Negative,
    /// A list without values.
    #[error("it has at least one value: `~LST(VAR, VALUE, …)`")]
    Empty,
    /// A value with other than one value per name.
    #[error("`{value}` has {given} where there are {names} to be set")]
    Tuple {
        /// As written.
        value: String,
        /// Its values.
        given: usize,
        /// Those to be set.
        names: usize,
    },
    /// A value with a space.
    #[error("`{0}` has a space in it, which keepalived does not take")]
    Space(String),
}

/// What kind of sequence it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Decimal numbers.
    Decimal,
    /// Hexadecimal numbers.
    Hexadecimal,
    /// Values that are listed.
    List,
}

/// The sequence at the beginning of `text`, if there is one: its kind, and the bytes up to its arguments.
pub(super) fn head(text: &str) -> Option<(Kind, usize)> {
    let (kind, rest) = if let Some(rest) = text.strip_prefix("~LST") {
        (Kind::List, rest)
    } else {
        let rest = text.strip_prefix("~SEQ")?;
        rest.strip_prefix('x').map_or((Kind::Decimal, rest), |rest| (Kind::Hexadecimal, rest))
    };
    let rest = rest.trim_start().strip_prefix('(')?;
    Some((kind, text.len() - rest.len()))
}

/// Bytes of the arguments that `text` begins with, without the bracket after them.
pub(super) fn arguments(text: &str) -> Result<usize, Error> {
    text.find(')').ok_or(Error::Open)
}

/// Values one after the other.
#[derive(Debug)]
pub(super) struct Sequence {
    /// What is set.
    pub(super) names: Vec<String>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Numbers { next: i128, step: i128, left: u64, hexadecimal: bool },
    List(vec::IntoIter<Vec<String>>),
}

impl Sequence {
    /// The sequence of `kind` with these `arguments`.
    pub(super) fn read(kind: Kind, arguments: &str) -> Result<Sequence, Error> {
        let arguments: Vec<&str> = split(arguments);
        match kind {
            Kind::List => list(&arguments),
            Kind::Decimal => numbers(&arguments, false),
            Kind::Hexadecimal => numbers(&arguments, true),
        }
    }

    /// How many values are still to come.
    pub(super) fn left(&self) -> u64 {
        match &self.values {
            Values::Numbers { left, .. } => *left,
            Values::List(values) => values.len() as u64,
        }
    }

    /// The next value of each name.
    pub(super) fn next(&mut self) -> Option<Vec<String>> {
        match &mut self.values {
            Values::Numbers { left: 0, .. } => None,
            Values::Numbers { next, step, left, hexadecimal } => {
                let value = if *hexadecimal { format!("{next:x}") } else { next.to_string() };
                *next += *step;
                *left -= 1;
                Some(vec![value])
            }
            Values::List(values) => values.next(),
        }
    }
}

fn numbers(arguments: &[&str], hexadecimal: bool) -> Result<Sequence, Error> {
    let (name, start, step, end) = match *arguments {
        [name, end] => (name, None, None, end),
        [name, start, end] => (name, Some(start), None, end),
        [name, start, step, end] => (name, Some(start), Some(step), end),
        _ => return Err(Error::Arguments),
    };
    let name = named(name)?;
    let end = number(end)?;
    let start = start.map_or(Ok(if end < 0 { -1 } else { 1 }), number)?;
    let step = step.map_or(Ok(if end < start { -1 } else { 1 }), number)?;
    if hexadecimal && (start < 0 || end < 0) {
        return Err(Error::Negative);
    }
    if step == 0 || (end != start && (end > start) != (step > 0)) {
        return Err(Error::Step { start, step, end });
    }
    let (next, step) = (i128::from(start), i128::from(step));
    let left = u64::try_from((i128::from(end) - next) / step + 1).unwrap_or(u64::MAX);
    Ok(Sequence { names: vec![name], values: Values::Numbers { next, step, left, hexadecimal } })
}

/// As C reads it: 0x before hexadecimal, 0 before octal digits.
fn number(text: &str) -> Result<i64, Error> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if let Some(digits) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        (16, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    };
    let plain = digits.chars().all(|c| c.is_ascii_hexdigit());
    let number = plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()).flatten();
    number.ok_or_else(|| Error::Number(shown(text)))
}

fn list(arguments: &[&str]) -> Result<Sequence, Error> {
    let (names, values) = arguments.split_first().ok_or(Error::Empty)?;
    if values.is_empty() {
        return Err(Error::Empty);
    }
    let names = tuple(names).into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let values = values.iter().map(|value| {
        let parts = tuple(value);
        if parts.len() != names.len() {
            return Err(Error::Tuple { value: shown(value), given: parts.len(), names: names.len() });
        }
        match parts.iter().find(|part| part.contains(char::is_whitespace) && !part.contains("${")) {
            Some(part) => Err(Error::Space(shown(part))),
            None => Ok(parts.into_iter().map(str::to_owned).collect()),
        }
    });
    let values = values.collect::<Result<Vec<Vec<String>>, _>>()?;
    Ok(Sequence { names, values: Values::List(values.into_iter()) })
}

fn named(name: &str) -> Result<String, Error> {
    if is_name(name) { Ok(name.to_owned()) } else { Err(Error::Name(shown(name))) }
}

/// A piece of the file in a message, without what makes it several lines or too long.
fn shown(text: &str) -> String {
    let quoted = crate::config::diagnostic::quoted(text);
    quoted.trim_matches('`').to_owned()
}

/// The values of `{A, B}`, or the one that `text` is.
fn tuple(text: &str) -> Vec<&str> {
    text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map_or_else(|| vec![text], split)
}

/// `text` at the commas that are in no braces, without the blanks around them.
fn split(text: &str) -> Vec<&str> {
    between_commas(text).map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: Kind, arguments: &str) -> Result<Vec<String>, Error> {
        let mut sequence = Sequence::read(kind, arguments)?;
        let count = sequence.left();
        let values: Vec<String> = std::iter::from_fn(|| sequence.next()).map(|it| it.join("+")).collect();
        assert_eq!(values.len() as u64, count);
        Ok(values)
    }

    fn counted(arguments: &str) -> String {
        values(Kind::Decimal, arguments).map_or_else(|error| error.to_string(), |it| it.join(" "))
    }

    #[test]
    fn what_is_left_out_is_as_in_keepalived() {
        for (arguments, expected) in [
            ("n, 0, 3", "0 1 2 3"),
            ("n,3", "1 2 3"),
            ("n,-3", "-1 -2 -3"),
            ("n,0", "1 0"),
            ("n,5,1", "5 4 3 2 1"),
            ("n,0,5,12", "0 5 10"),
            ("n,5,-2,1", "5 3 1"),
            ("n,010,10", "8 9 10"),
            (" n , +1 , 0x2 ", "1 2"),
            ("n,1,1", "1"),
            ("n,1,7,1", "1"),
        ] {
            assert_eq!(counted(arguments), expected, "{arguments}");
        }
        let values = |arguments| values(Kind::Hexadecimal, arguments).unwrap().join(" ");
        assert_eq!(values("n,144,16,192"), "90 a0 b0 c0");
        assert_eq!(values("n, 0x12, -1, 0x0e"), "12 11 10 f e");
    }

    #[test]
    fn numbers_that_lead_nowhere_are_refused() {
        for (arguments, expected) in [
            ("n", "it has `~SEQ(VAR, END)`"),
            ("n,1,2,3,4", "it has `~SEQ(VAR, END)`"),
            ("1n,1,2", "`1n` is no name"),
            ("n,a,2", "`a` is no whole number"),
            ("n,08,9", "`08` is no whole number"),
            ("n,,9", "`` is no whole number"),
            ("n,1,--9", "`--9` is no whole number"),
            ("n,1,0,2", "a step of 0 does not lead from 1 to 2"),
            ("n,1,-1,2", "a step of -1 does not lead from 1 to 2"),
            ("n,9223372036854775808", "is no whole number"),
        ] {
            assert!(counted(arguments).contains(expected), "{arguments}: {}", counted(arguments));
        }
        assert_eq!(values(Kind::Hexadecimal, "n,-1,1"), Err(Error::Negative));
        let mut all = Sequence::read(Kind::Decimal, "n,-9223372036854775808,9223372036854775807").unwrap();
        assert_eq!((all.left(), all.next()), (u64::MAX, Some(vec![i64::MIN.to_string()])));
    }

    #[test]
    fn lists_set_one_name_or_several() {
        let list = |arguments| values(Kind::List, arguments).map(|it| it.join(" "));
        assert_eq!(list("{a, b}, {10,1},{20,4}, {,x}").as_deref(), Ok("10+1 20+4 +x"));
        assert_eq!(list(" a , x,${y},, z ").as_deref(), Ok("x ${y}  z"));
        assert_eq!(list("{a},{x},y").as_deref(), Ok("x y"));
        assert_eq!(list("a"), Err(Error::Empty));
        assert!(matches!(list("{a,b},{1},{2,3}"), Err(Error::Tuple { given: 1, names: 2, .. })));
        assert!(matches!(list("a,{1,2}"), Err(Error::Tuple { given: 2, names: 1, .. })));
        assert!(matches!(list("a,b c"), Err(Error::Space(_))));
        assert!(matches!(list("{a,1},{1,2}"), Err(Error::Name(_))));
    }

    #[test]
    fn heads_are_told_from_words() {
        assert_eq!(head("~SEQ(a"), Some((Kind::Decimal, 5)));
        assert_eq!(head("~SEQx (a"), Some((Kind::Hexadecimal, 7)));
        assert_eq!(head("~LST(a"), Some((Kind::List, 5)));
        assert_eq!((head("~SEQX(a"), head("~SEQ"), head("~FOO(1)")), (None, None, None));
        assert_eq!((arguments("a, 1) x"), arguments("a")), (Ok(4), Err(Error::Open)));
    }
}
