//! Floating-point numbers as Go's package strconv writes them.

/// Digits that a float has at most, before and after the point, the shortest way or not: zeros follow. The standard
/// library's precision ends at 65,535, and with a panic.
const MOST_DIGITS: usize = 1100;

/// Digits of a number: `0.d1d2d3… × 10^point`, without the sign.
struct Decimal {
    digits: String,
    point: i32,
}

/// The absolute value, correctly rounded to so many significant digits, or as few as identify it.
fn decimal(number: f64, digits: Option<usize>) -> Decimal {
    let number = number.abs();
    let text = match digits {
        Some(digits) => format!("{number:.*e}", digits.saturating_sub(1).min(MOST_DIGITS)),
        None => format!("{number:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    if digits == "0" {
        return Decimal { digits: String::new(), point: 0 };
    }
    if digits.bytes().all(|digit| digit == b'0') {
        digits.clear();
        return Decimal { digits, point: 0 };
    }
    Decimal { digits, point }
}

/// `FormatFloat(number, verb, precision, 64)` with verb `e`, `E`, `f`, `g` or `G`, with a sign in front always.
pub(super) fn format(number: f64, verb: char, precision: Option<usize>) -> String {
    let sign = if number.is_sign_negative() && !number.is_nan() { '-' } else { '+' };
    if number.is_nan() {
        return "+NaN".to_owned();
    }
    if number.is_infinite() {
        return format!("{sign}Inf");
    }
    let body = match verb {
        'e' | 'E' => {
            let decimal = decimal(number, precision.map(|places| places + 1));
            let places = precision.unwrap_or(decimal.digits.len().saturating_sub(1));
            exponential(&decimal, places, verb)
        }
        'f' => {
            if let Some(places) = precision {
                let known = places.min(MOST_DIGITS);
                let zeros = "0".repeat(places - known);
                format!("{:.*}{zeros}", known, number.abs())
            } else {
                fixed(&decimal(number, None))
            }
        }
        verb => general(number, verb, precision),
    };
    format!("{sign}{body}")
}

fn general(number: f64, verb: char, precision: Option<usize>) -> String {
    let wanted = precision.map(|digits| digits.max(1));
    let mut decimal = decimal(number, wanted);
    let kept = decimal.digits.trim_end_matches('0').len();
    // Where it goes over to an exponent: six digits decide if there is no precision.
    let mut most = wanted.unwrap_or(6);
    if let Some(wanted) = wanted
        && wanted > kept
        && i32::try_from(kept).is_ok_and(|kept| kept >= decimal.point)
    {
        most = kept;
    }
    decimal.digits.truncate(kept);
    let exponent = decimal.point - 1;
    if exponent < -4 || i64::from(exponent) >= i64::try_from(most).unwrap_or(i64::MAX) {
        let exponential_verb = if verb == 'G' { 'E' } else { 'e' };
        return exponential(&decimal, kept.saturating_sub(1), exponential_verb);
    }
    fixed(&decimal)
}

fn exponential(decimal: &Decimal, places: usize, verb: char) -> String {
    let digit = |at: usize| decimal.digits.as_bytes().get(at).map_or('0', |digit| char::from(*digit));
    let mut out = String::from(digit(0));
    if places > 0 {
        out.push('.');
        out.extend((1..=places).map(digit));
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{out}{verb}{sign}{:02}", exponent.abs())
}

fn fixed(decimal: &Decimal) -> String {
    let digits = &decimal.digits;
    let point = usize::try_from(decimal.point).unwrap_or(0);
    if digits.is_empty() {
        return "0".to_owned();
    }
    if decimal.point <= 0 {
        let zeros = usize::try_from(-decimal.point).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    }
    if digits.len() <= point {
        return format!("{digits}{}", "0".repeat(point - digits.len()));
    }
    format!("{}.{}", &digits[..point], &digits[point..])
}

/// As few digits as identify the number, `%v`'s way.
pub(in super::super) fn shortest(number: f64) -> String {
    let text = format(number, 'g', None);
    // Infinity alone keeps its plus.
    if text == "+Inf" { text } else { text.strip_prefix('+').map_or(text.clone(), str::to_owned) }
}

/// `%b`: the mantissa as an integer and a power of two.
pub(super) fn binary(number: f64) -> String {
    let (sign, mantissa, exponent) = parts(number);
    format!("{sign}{mantissa}p{exponent:+}")
}

/// `%x`: hexadecimal digits and a power of two, all digits or rounded to so many places.
pub(super) fn hexadecimal(number: f64, precision: Option<usize>) -> String {
    let (sign, mut mantissa, mut exponent) = parts(number);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The first bit before the point and 60 behind it, so that the digits are nibbles.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent = exponent - i32::try_from(shift).unwrap_or(0) + 60;
    }
    if let Some(places) = precision.filter(|places| *places < 15) {
        let cut = 60 - 4 * u32::try_from(places).unwrap_or(0);
        let half = 1u64 << (cut - 1);
        let rest = mantissa & ((1 << cut) - 1);
        mantissa >>= cut;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= cut;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None => digits.truncate(digits.trim_end_matches('0').len()),
        Some(places) => {
            digits.extend(std::iter::repeat_n('0', places.saturating_sub(15)));
            digits.truncate(places);
        }
    }
    let point = if digits.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x{}{point}{digits}p{exponent_sign}{:02}", mantissa >> 60, exponent.abs())
}

/// Sign, mantissa and exponent such that the number is `mantissa × 2^exponent`.
fn parts(number: f64) -> (char, u64, i32) {
    let bits = number.to_bits();
    let sign = if bits >> 63 == 1 { '-' } else { '+' };
    let raw = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    if raw == 0 { (sign, fraction, -1074) } else { (sign, fraction | 1 << 52, raw - 1075) }
}
