//! The parameters that are there without a definition.

use std::path::Path;

use thiserror::Error;

use super::parameter::Use;

const NAMES: [&str; 5] = ["_PWD", "_INSTANCE", "_RANDOM", "_HASH", "_BANG"];
/// The greatest of keepalived's random numbers, unless a greater one is asked for.
const MAX_RANDOM: u32 = 32_767;

/// Why there is no such value.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Error {
    /// One that has none was given numbers.
    #[error("only `${{_RANDOM MIN MAX}}` takes numbers")]
    Arguments,
    /// They are not two, or too great.
    #[error(
        "it is `${{_RANDOM}}`, `${{_RANDOM MIN}}` or `${{_RANDOM MIN MAX}}`, with numbers up to 4294967295"
    )]
    Numbers,
    /// There is nothing between them.
    #[error("there is no number from {0} to {1}")]
    Range(u32, u32),
}

/// What their values depend on.
pub(super) struct Predefined<'a> {
    /// Where the file is.
    pub(super) directory: &'a Path,
    /// Whose lines count.
    pub(super) id: &'a str,
    /// What comes next.
    pub(super) random: &'a mut fastrand::Rng,
}

impl Predefined<'_> {
    /// Whether there is one of that name.
    pub(super) fn has(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// The value of the one that is `used`.
    pub(super) fn of(self, used: &Use) -> Result<String, Error> {
        if used.name == "_RANDOM" {
            return self.random(&used.arguments);
        }
        if !used.arguments.is_empty() {
            return Err(Error::Arguments);
        }
        Ok(match used.name.as_str() {
            "_PWD" => self.directory.display().to_string(),
            "_INSTANCE" => self.id.to_owned(),
            "_HASH" => "#".to_owned(),
            _ => "!".to_owned(),
        })
    }

    fn random(self, arguments: &[String]) -> Result<String, Error> {
        let number = |text: &String| text.parse::<u32>().map_err(|_| Error::Numbers);
        let (min, max) = match arguments {
            [] => (0, MAX_RANDOM),
            [min] => (number(min)?, MAX_RANDOM),
            [min, max] => (number(min)?, number(max)?),
            _ => return Err(Error::Numbers),
        };
        if min > max {
            return Err(Error::Range(min, max));
        }
        Ok(self.random.u32(min..=max).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<String, Error> {
        let used = Use::read(text.chars()).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        Predefined { directory: Path::new("/etc/x"), id: "one", random: &mut random }.of(&used)
    }

    #[test]
    fn values_are_keepalived_s() {
        for (text, expected) in [
            ("{_PWD}", "/etc/x"),
            ("_INSTANCE", "one"),
            ("{_HASH}", "#"),
            ("{_BANG}", "!"),
            ("{_RANDOM 9 9}", "9"),
        ] {
            assert_eq!(value(text).as_deref(), Ok(expected), "{text}");
        }
        let number = |text: &str| value(text).unwrap().parse::<u32>().unwrap();
        assert!(number("_RANDOM") <= MAX_RANDOM);
        assert!((32_000..=MAX_RANDOM).contains(&number("{_RANDOM 32000}")));
        assert!((70_000..=70_001).contains(&number("{_RANDOM 70000 70001}")));
    }

    #[test]
    fn numbers_without_a_range_are_refused() {
        assert_eq!(value("{_RANDOM 9 3}"), Err(Error::Range(9, 3)));
        assert_eq!(value("{_RANDOM 40000}"), Err(Error::Range(40_000, MAX_RANDOM)));
        assert_eq!(value("{_RANDOM 1 2 3}"), Err(Error::Numbers));
        assert_eq!(value("{_RANDOM 1 4294967296}"), Err(Error::Numbers));
        assert_eq!(value("{_PWD 1}"), Err(Error::Arguments));
    }
}
