//! Points in time: `datetime`, its methods, and Go's layouts.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Span, ZonedDateTime};

use super::super::error::Fault;
use super::super::value::{Named, Value};
use super::Arg;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// How Go prints a time.
const SHOWN: &str = "2006-01-02 15:04:05.999999999 -0700 MST";
const RFC_3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// The present.
pub(in super::super) fn now() -> Value {
    Value::Time(Arc::new(ZonedDateTime::now()))
}

/// What a time prints as.
pub(in super::super) fn show(time: &ZonedDateTime) -> String {
    format(time, SHOWN)
}

pub(in super::super) fn rfc3339(time: &ZonedDateTime) -> String {
    format(time, RFC_3339)
}

/// A method of a time or a month, if it is one.
pub(in super::super) fn method(value: &Value, name: &str, arguments: &[Arg]) -> Option<Result<Value, Fault>> {
    let result = match value {
        Value::Named(named) if name == "String" => no(arguments, Value::text(named.name)),
        Value::Time(time) => of_time(time, name, arguments)?,
        _ => return None,
    };
    Some(result.map_err(|why| Fault::action(format!("`{name}`: {why}"))))
}

fn no(arguments: &[Arg], value: Value) -> Result<Value, String> {
    if arguments.is_empty() { Ok(value) } else { Err("takes no arguments".to_owned()) }
}

fn of_time(time: &ZonedDateTime, name: &str, arguments: &[Arg]) -> Option<Result<Value, String>> {
    let stamp = time.timestamp();
    let value = match name {
        "Format" => match arguments {
            [Arg { value: Value::Text(layout), .. }] if layout.len() <= 4096 => {
                return Some(Ok(Value::text(format(time, layout))));
            }
            _ => return Some(Err("takes one layout, such as \"2006-01-02\"".to_owned())),
        },
        "AddDate" => return Some(add_date(time, arguments)),
        "Before" | "After" | "Equal" => {
            let [Arg { value: Value::Time(other), .. }] = arguments else {
                return Some(Err("takes one time".to_owned()));
            };
            let order = stamp.cmp(&other.timestamp());
            return Some(Ok(Value::Bool(match name {
                "Before" => order.is_lt(),
                "After" => order.is_gt(),
                _ => order.is_eq(),
            })));
        }
        "String" => Value::text(show(time)),
        "Unix" => Value::Int(stamp.as_second()),
        "UnixMilli" => Value::Int(stamp.as_millisecond()),
        "UnixMicro" => Value::Int(stamp.as_microsecond()),
        "UnixNano" => Value::Int(i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MAX)),
        "Year" => Value::Int(time.year().into()),
        "Month" => named("time.Month", time.month().into(), &MONTHS, 1),
        "Day" => Value::Int(time.day().into()),
        "YearDay" => Value::Int(time.day_of_year().into()),
        "Weekday" => named("time.Weekday", time.weekday().to_sunday_zero_offset().into(), &DAYS, 0),
        "Hour" => Value::Int(time.hour().into()),
        "Minute" => Value::Int(time.minute().into()),
        "Second" => Value::Int(time.second().into()),
        "Nanosecond" => Value::Int(time.subsec_nanosecond().into()),
        "UTC" => Value::Time(Arc::new(time.with_time_zone(TimeZone::UTC))),
        "Local" => Value::Time(Arc::new(time.with_time_zone(TimeZone::system()))),
        "IsZero" => Value::Bool(false),
        _ => return None,
    };
    Some(no(arguments, value))
}

fn named(of: &'static str, number: i64, names: &'static [&'static str], first: i64) -> Value {
    let name = usize::try_from(number - first).ok().and_then(|at| names.get(at)).copied().unwrap_or_default();
    Value::Named(Named { of, number, name })
}

fn add_date(time: &ZonedDateTime, arguments: &[Arg]) -> Result<Value, String> {
    let [
        Arg { value: Value::Int(years), .. },
        Arg { value: Value::Int(months), .. },
        Arg { value: Value::Int(days), .. },
    ] = arguments
    else {
        return Err("takes years, months and days".to_owned());
    };
    let span = || Span::new().try_years(*years)?.try_months(*months)?.try_days(*days);
    let moved = span().and_then(|span| time.checked_add(span));
    moved.map(|time| Value::Time(Arc::new(time))).map_err(|error| error.to_string())
}

/// Writes a time in one of Go's layouts, which show how the second of January 2006, 15:04:05 would look.
fn format(time: &ZonedDateTime, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some(element) = ELEMENTS.iter().find(|element| stands_at(rest, element)) {
            element_of(time, element, &mut out);
            rest = &rest[element.len()..];
        } else if let Some(length) = fraction(rest) {
            write_fraction(time, &rest[..length], &mut out);
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// A layout's elements; one that begins like another comes before it.
const ELEMENTS: [&str; 34] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "__2",
    "_2",
    "15",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
    "_2006",
];

fn stands_at(rest: &str, element: &str) -> bool {
    let Some(after) = rest.strip_prefix(element) else {
        return false;
    };
    match element {
        // `Janet` is no month.
        "Jan" | "Mon" => !after.starts_with(|c: char| c.is_ascii_lowercase()),
        // `_2006` is a year after an underscore.
        "_2" => !after.starts_with("006"),
        "_2006" => false,
        _ => true,
    }
}

fn element_of(time: &ZonedDateTime, element: &str, out: &mut String) {
    let text =
        |names: &[&'static str], at: i8| names.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or("");
    let month = text(&MONTHS, time.month() - 1);
    let day = text(&DAYS, time.weekday().to_sunday_zero_offset());
    let hour12 = (time.hour() + 11) % 12 + 1;
    let shown = match element {
        "January" => month.to_owned(),
        "Jan" => month[..3].to_owned(),
        "Monday" => day.to_owned(),
        "Mon" => day[..3].to_owned(),
        "MST" => zone(time),
        "2006" => format!("{:04}", time.year()),
        "06" => format!("{:02}", time.year().rem_euclid(100)),
        "01" => format!("{:02}", time.month()),
        "1" => time.month().to_string(),
        "02" => format!("{:02}", time.day()),
        "_2" => format!("{:2}", time.day()),
        "2" => time.day().to_string(),
        "002" => format!("{:03}", time.day_of_year()),
        "__2" => format!("{:3}", time.day_of_year()),
        "15" => format!("{:02}", time.hour()),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", time.minute()),
        "4" => time.minute().to_string(),
        "05" => format!("{:02}", time.second()),
        "5" => time.second().to_string(),
        "PM" => if time.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
        "pm" => if time.hour() >= 12 { "pm" } else { "am" }.to_owned(),
        offset => self::offset(time, offset),
    };
    out.push_str(&shown);
}

/// The time zone's name, or its offset if it has none.
fn zone(time: &ZonedDateTime) -> String {
    time.time_zone().to_offset_info(time.timestamp()).abbreviation().to_owned()
}

fn offset(time: &ZonedDateTime, element: &str) -> String {
    let seconds = time.offset().seconds();
    if element.starts_with('Z') && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match &element[1..] {
        "07" => format!("{sign}{hours:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "070000" => format!("{sign}{hours:02}{minutes:02}{rest:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{rest:02}"),
    }
}

/// The length of a fraction of a second, such as `.000` or `,999`, if one stands here.
fn fraction(rest: &str) -> Option<usize> {
    let digits = rest.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let after = digits.trim_start_matches(digit);
    let ends = !after.starts_with(|c: char| c.is_ascii_digit());
    ends.then(|| rest.len() - after.len())
}

fn write_fraction(time: &ZonedDateTime, element: &str, out: &mut String) {
    let places = (element.len() - 1).min(9);
    let digits = format!("{:09}", time.subsec_nanosecond());
    let digits = &digits[..places];
    // Nines leave out zeros at the end, and themselves with them.
    let digits = if element.ends_with('9') { digits.trim_end_matches('0') } else { digits };
    if !digits.is_empty() {
        out.push_str(&element[..1]);
        out.push_str(digits);
        if element.ends_with('0') {
            out.push_str(&"0".repeat(element.len() - 1 - places));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_go_s() {
        let time: ZonedDateTime = "2024-03-05T07:08:09.012-03:30[-03:30]".parse().unwrap();
        for (layout, shown) in [
            ("2006-01-02 15:04:05", "2024-03-05 07:08:09"),
            ("Mon Jan _2 3:04PM 06", "Tue Mar  5 7:08AM 24"),
            ("Monday, January 2 002 __2", "Tuesday, March 5 065  65"),
            ("15:04:05.000 .999999 ,00", "07:08:09.012 .012 ,01"),
            ("-0700 -07:00 Z07 -07:00:00", "-0330 -03:30 -03 -03:30:00"),
            ("Janet _2006 1 2 3 4 5 pm", "Janet _2024 3 5 7 8 9 am"),
            ("plain", "plain"),
        ] {
            assert_eq!(format(&time, layout), shown, "{layout}");
        }
        let utc = time.with_time_zone(TimeZone::UTC);
        assert_eq!(format(&utc, RFC_3339), "2024-03-05T10:38:09.012Z");
        assert_eq!(show(&utc), "2024-03-05 10:38:09.012 +0000 UTC");
    }

    #[test]
    fn methods_take_what_they_take() {
        let time = Value::Time(Arc::new("2024-01-31T00:00:00+00:00[UTC]".parse().unwrap()));
        let int = |number| Arg { value: Value::Int(number), literal: false };
        assert!(method(&time, "Unix", &[int(1)]).unwrap().is_err());
        assert!(method(&time, "AddDate", &[int(i64::MAX), int(0), int(0)]).unwrap().is_err());
        assert!(method(&time, "Nope", &[]).is_none());
        let Some(Ok(Value::Named(month))) = method(&time, "Month", &[]) else { panic!("no month") };
        assert_eq!((month.name, month.number), ("January", 1));
    }
}
