//! `include_check`, and the letters of `include` that say the same for one line: what is an error of an include that
//! finds nothing.

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;

const OPTIONS: [&str; 4] = ["readable", "match", "wildcard_match", "brace_match"];

/// What an include must find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    /// A file for a name.
    pub(super) names: bool,
    /// A file for a pattern.
    pub(super) wildcards: bool,
    /// A file for each of the names in braces.
    pub(super) braces: bool,
}

impl Checks {
    const ALL: Checks = Checks { names: true, wildcards: true, braces: true };
    const NONE: Checks = Checks { names: false, wildcards: false, braces: false };

    /// What the keyword of an include asks for. Files that cannot be read are an error with any.
    pub(super) fn of_variant(keyword: &str) -> Option<Checks> {
        match keyword.strip_prefix("include")? {
            "" | "r" => Some(Checks::NONE),
            "m" => Some(Checks { names: true, ..Checks::NONE }),
            "w" => Some(Checks { names: true, wildcards: true, ..Checks::NONE }),
            "b" => Some(Checks { braces: true, ..Checks::NONE }),
            "a" => Some(Checks::ALL),
            _ => None,
        }
    }

    /// All that either asks for.
    pub(super) fn and(self, other: Checks) -> Checks {
        Checks {
            names: self.names || other.names,
            wildcards: self.wildcards || other.wildcards,
            braces: self.braces || other.braces,
        }
    }

    /// What an `include_check` with these `options` makes of it.
    pub(super) fn set(&mut self, options: &[Word], findings: &mut Findings) {
        let signed = options.first().is_some_and(|word| word.text.starts_with(['+', '-']));
        if !signed {
            *self = if options.is_empty() { Checks::ALL } else { Checks::NONE };
        }
        let mut on = true;
        for word in options {
            let mut name = word.text.as_str();
            if let Some(rest) = name.strip_prefix(['+', '-']) {
                on = name.starts_with('+');
                name = rest;
            }
            match name {
                "readable" | "" => {}
                "match" => self.names = on,
                "wildcard_match" => self.wildcards = on,
                "brace_match" => self.braces = on,
                _ => findings
                    .strict(&word.at, format!("{} is no option of `include_check`", quoted(name)))
                    .maybe_help(|| did_you_mean(name, OPTIONS)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::model::Location;

    fn set(checks: Checks, options: &str) -> (Checks, usize) {
        let word = |text: &str| Word { text: text.to_owned(), at: Location::new(&Arc::default(), 1, 1) };
        let options: Vec<Word> = options.split_whitespace().map(word).collect();
        let mut checks = checks;
        let mut findings = Findings::new(false);
        checks.set(&options, &mut findings);
        (checks, findings.into_sorted(&[]).len())
    }

    #[test]
    fn options_replace_or_change_what_is_demanded() {
        let only_names = Checks { names: true, ..Checks::NONE };
        assert_eq!(set(Checks::NONE, ""), (Checks::ALL, 0));
        assert_eq!(set(Checks::ALL, "readable match"), (only_names, 0));
        assert_eq!(set(Checks::ALL, "-wildcard_match brace_match"), (only_names, 0));
        assert_eq!(set(Checks::NONE, "+match -wildcard_match"), (only_names, 0));
        assert_eq!(set(Checks::NONE, "+match matsch"), (only_names, 1));
    }
}
