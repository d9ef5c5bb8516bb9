//! Integers and floating-point numbers with flags, width and precision.

use super::super::limits::Exceeded;
use super::{Sink, Spec, float, quote};

/// Digits that a precision may ask for, as in Go.
const MOST: usize = 1_000_000;

/// Pads `text` to the width: on the right with `-`, and with zeros on the left with `0`.
pub(super) fn pad(out: &mut Sink, spec: Spec, text: &str) -> Result<(), Exceeded> {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        out.str(text)?;
        return out.fill(' ', missing);
    }
    out.fill(if spec.zero { '0' } else { ' ' }, missing)?;
    out.str(text)
}

/// An integer in a base; `%#v`, `%d`, `%b`, `%o`, `%O`, `%x` and `%X`.
pub(super) fn integer(out: &mut Sink, spec: Spec, number: i64, verb: char) -> Result<(), Exceeded> {
    let size = number.unsigned_abs();
    let mut digits = match verb {
        'b' => format!("{size:b}"),
        'o' | 'O' => format!("{size:o}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        _ => size.to_string(),
    };
    let sign = if number < 0 {
        "-"
    } else if spec.plus {
        "+"
    } else if spec.space {
        " "
    } else {
        ""
    };
    let mut least = 0;
    if let Some(precision) = spec.precision {
        if precision == 0 && number == 0 {
            return out.fill(' ', spec.width.unwrap_or(0));
        }
        least = precision;
    } else if let (true, Some(width)) = (spec.zero, spec.width) {
        least = width.saturating_sub(sign.len());
    }
    let least = least.min(MOST);
    if digits.len() < least {
        digits.insert_str(0, &"0".repeat(least - digits.len()));
    }
    if spec.sharp && matches!(verb, 'o' | 'O') && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    let prefix = match verb {
        'b' if spec.sharp => "0b",
        'x' if spec.sharp => "0x",
        'X' if spec.sharp => "0X",
        'O' => "0o",
        _ => "",
    };
    pad(out, Spec { zero: false, ..spec }, &format!("{sign}{prefix}{digits}"))
}

/// `%c`: the character of a number.
pub(super) fn character(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `%U`: the name of a character.
pub(super) fn unicode(out: &mut Sink, spec: Spec, number: i64) -> Result<(), Exceeded> {
    let places = spec.precision.unwrap_or(4).clamp(4, MOST);
    // Go takes the number's bits as they are.
    let digits = format!("{number:X}");
    let mut text = format!("U+{}{digits}", "0".repeat(places.saturating_sub(digits.len())));
    if spec.sharp
        && let Some(c) =
            u32::try_from(number).ok().and_then(char::from_u32).filter(|c| quote::is_printable(*c))
    {
        text.extend([' ', '\'', c, '\'']);
    }
    pad(out, Spec { zero: false, ..spec }, &text)
}

/// A floating-point number in Go's `%e`, `%f`, `%g` and so on.
pub(super) fn floating(out: &mut Sink, spec: Spec, number: f64, verb: char) -> Result<(), Exceeded> {
    let (format, default) = match verb {
        'v' => ('g', None),
        'F' => ('f', Some(6)),
        'e' | 'E' | 'f' => (verb, Some(6)),
        verb => (verb, None),
    };
    let precision = spec.precision.or(default).map(|precision| precision.min(MOST));
    let mut text = match format {
        'b' => float::binary(number),
        'x' | 'X' if number.is_finite() => float::hexadecimal(number, precision),
        'x' | 'X' => float::format(number, 'g', None),
        format => float::format(number, format, precision),
    };
    if format == 'X' {
        text = text.to_uppercase().replace("+INF", "+Inf").replace("-INF", "-Inf").replace("NAN", "NaN");
    }
    if spec.sharp && number.is_finite() && format != 'b' {
        text = keep_zeros(&text, format, spec.precision);
    }
    if spec.space && !spec.plus && text.starts_with('+') {
        text.replace_range(..1, " ");
    }
    let mut spec = spec;
    if !number.is_finite() {
        // Infinity and NaN are not padded with zeros.
        spec.zero = false;
        if number.is_nan() && !spec.space && !spec.plus {
            text.remove(0);
        }
    }
    // `%v` writes +Inf with its plus and everything else positive without.
    if spec.plus || !text.starts_with('+') || number.is_infinite() {
        // Zeros go between sign and digits.
        if let (true, Some(width)) = (spec.zero, spec.width.filter(|width| *width > text.len())) {
            out.str(&text[..1])?;
            let rest = Spec { width: Some(width - 1), ..spec };
            return pad(out, rest, &text[1..]);
        }
        return pad(out, spec, &text);
    }
    pad(out, spec, &text[1..])
}

/// `#`: a point always, and with `g` and `x` the zeros that they else drop.
fn keep_zeros(text: &str, format: char, precision: Option<usize>) -> String {
    let exponent: &[char] = if matches!(format, 'x' | 'X') { &['p', 'P'] } else { &['e', 'E'] };
    let at = text.find(exponent).unwrap_or(text.len());
    let (mut body, tail) = (text[..at].to_owned(), &text[at..]);
    let wanted = match format {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    // Go counts the x of 0x as a digit.
    let significant =
        body.trim_start_matches(['+', '-', ' ', '0', '.']).chars().filter(|c| *c != '.').count();
    let zero = body.len() == 2 && body.ends_with('0');
    if !body.contains('.') {
        body.push('.');
    }
    body.extend(std::iter::repeat_n('0', wanted.saturating_sub(significant + usize::from(zero))));
    body + tail
}
