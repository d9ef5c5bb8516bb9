//! Number, character and string literals.

use super::super::error::Fault;
use super::lex::is_name;

/// A number as an argument: what it is by itself, and the integer that it also is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Written as an integer or a character.
    Int(i64),
    /// Written with a point or an exponent.
    Float(f64),
}

/// The length of the number at the beginning of `text`, if nothing else sticks to it.
pub(super) fn scan(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let run = |at: &mut usize, accepted: &dyn Fn(u8) -> bool| {
        while bytes.get(*at).is_some_and(|byte| accepted(*byte)) {
            *at += 1;
        }
    };
    let decimal = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let hexadecimal = |byte: u8| byte.is_ascii_hexdigit() || byte == b'_';
    let base =
        if bytes.get(at) == Some(&b'0') { bytes.get(at + 1).map(u8::to_ascii_lowercase) } else { None };
    let (digits, exponent): (&dyn Fn(u8) -> bool, Option<u8>) = match base {
        Some(b'x') => (&hexadecimal, Some(b'p')),
        Some(b'o' | b'b') => (&decimal, None),
        _ => (&decimal, Some(b'e')),
    };
    if matches!(base, Some(b'x' | b'o' | b'b')) {
        at += 2;
    }
    run(&mut at, digits);
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        run(&mut at, digits);
    }
    if exponent.is_some() && bytes.get(at).map(u8::to_ascii_lowercase) == exponent {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        run(&mut at, &decimal);
    }
    let stuck = text[at..].chars().next().is_some_and(|c| is_name(c) || matches!(c, '+' | '-'));
    (at > 0 && !stuck).then_some(at)
}

/// The number that a literal is.
pub(super) fn number(text: &str) -> Result<Number, Fault> {
    let wrong = || Fault::Syntax(format!("{} is not a number", super::quoted(text)));
    if !underscores_fit(text) {
        return Err(wrong());
    }
    let plain = text.replace('_', "").to_ascii_lowercase();
    let (sign, size) = match plain.strip_prefix('-') {
        Some(size) => (-1, size),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if let Some(number) = integer(sign, size) {
        return i64::try_from(number)
            .map(Number::Int)
            .map_err(|_| Fault::Syntax(format!("{} is too large for an integer", super::quoted(text))));
    }
    let float = match size.strip_prefix("0x") {
        Some(hexadecimal) => hexadecimal_float(hexadecimal).map(|size| f64::from(sign) * size),
        // `08` has neither and is no octal number.
        None if size.contains(['.', 'e']) => plain.parse().ok(),
        None => None,
    };
    float.filter(|float: &f64| float.is_finite()).map(Number::Float).ok_or_else(wrong)
}

/// The integer, if the text has an integer's form. It may be larger than ours are.
fn integer(sign: i32, size: &str) -> Option<i128> {
    let (digits, base) = match size.as_bytes() {
        [b'0', b'x', ..] => (&size[2..], 16),
        [b'0', b'o', ..] => (&size[2..], 8),
        [b'0', b'b', ..] => (&size[2..], 2),
        [b'0', _, ..] => (&size[1..], 8),
        _ => (size, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let size = i128::from_str_radix(digits, base).unwrap_or(i128::MAX);
    Some(size.saturating_mul(sign.into()))
}

/// Underscores stand between digits, or between a base's prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let based = ["0x", "0o", "0b"].iter().find_map(|base| digits.strip_prefix(base));
    let bytes = based.unwrap_or(&digits).as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        let before = if at == 0 { based.is_some() } else { bytes[at - 1].is_ascii_hexdigit() };
        before && bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit)
    })
}

/// `h.hhhp±d`, without its `0x`.
fn hexadecimal_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // More digits than a float holds are not worth rounding rightly: nobody writes them.
    if digits.is_empty() || digits.len() > 13 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let places = i32::try_from(fraction.len()).ok()?;
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(4 * places)?;
    let mantissa = u64::from_str_radix(&digits, 16).ok()?;
    // Exact, for 13 hexadecimal digits are 52 bits.
    #[allow(clippy::cast_precision_loss)]
    Some(mantissa as f64 * 2f64.powi(exponent))
}

/// The integer that a float is, if it is one.
pub(in super::super) fn whole(number: f64) -> Option<i64> {
    // 2^63 itself is a float and no i64.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let fits = number.fract() == 0.0 && (-END..END).contains(&number);
    // Whole and in range.
    #[allow(clippy::cast_possible_truncation)]
    fits.then_some(number as i64)
}

/// The text of a string literal in double quotes.
pub(super) fn string(literal: &str) -> Result<String, Fault> {
    let body = &literal[1..literal.len() - 1];
    let bytes = unescape(body, '"').ok_or_else(|| {
        Fault::Syntax(format!("{} has a `\\` that says nothing to Go", super::quoted(literal)))
    })?;
    String::from_utf8(bytes).map_err(|_| {
        Fault::Syntax(format!("{} is not UTF-8, and configuration files are", super::quoted(literal)))
    })
}

/// The number of a character literal.
pub(super) fn character(literal: &str) -> Result<i64, Fault> {
    let body = &literal[1..literal.len() - 1];
    let wrong = || Fault::Syntax(format!("{} is not one character", super::quoted(literal)));
    // '\xff' is the number 255 and no text.
    if let Some(digits) = body.strip_prefix("\\x").filter(|digits| digits.len() == 2) {
        return i64::from_str_radix(digits, 16).map_err(|_| wrong());
    }
    let bytes = unescape(body, '\'').ok_or_else(wrong)?;
    if let ([byte], true) = (bytes.as_slice(), body.starts_with('\\')) {
        return Ok((*byte).into());
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(u32::from(c).into()),
        _ => Err(wrong()),
    }
}

/// Resolves Go's escapes.
fn unescape(body: &str, quote: char) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        let simple = match escape {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            c if c == quote => u8::try_from(c).ok()?,
            'x' => u8::try_from(digits(&mut rest, 2, 16)?).ok()?,
            'u' | 'U' => {
                let c = char::from_u32(digits(&mut rest, if escape == 'u' { 4 } else { 8 }, 16)?)?;
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
            '0'..='7' => {
                let low = digits(&mut rest, 2, 8)?;
                u8::try_from(escape.to_digit(8)? * 64 + low).ok()?
            }
            _ => return None,
        };
        bytes.push(simple);
    }
    Some(bytes)
}

fn digits(rest: &mut &str, count: usize, base: u32) -> Option<u32> {
    let digits = rest.get(..count)?;
    if !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    *rest = &rest[count..];
    u32::from_str_radix(digits, base).ok()
}
