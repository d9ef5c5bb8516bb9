//! `check_cmd`: a shell line with the paths of the staged file and of its destination in it.
//!
//! Nothing but these two paths is ever put into the line, and they are quoted for the place where they stand: outside
//! quotes, within single or within double ones. No value from a store can get there.

use std::path::Path;

/// A `check_cmd`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckCommand {
    /// As it was written.
    pub line: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Path { source: bool, within: Quotes },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// Why a line cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Something else than the two paths was asked for.
    #[error(
        "`{{{{{0}}}}}` is not known here: use {{{{.src}}}} for the staged file and {{{{.dest}}}} for its destination"
    )]
    Unknown(String),
    /// `{{` without an end.
    #[error("`{{{{` has no `}}}}`")]
    Unclosed,
    /// A path cannot be handed to a shell.
    #[error("the path {0} is not UTF-8, which a shell line cannot name")]
    Path(String),
}

impl CheckCommand {
    /// Takes `line` apart.
    pub fn parse(line: &str) -> Result<CheckCommand, CommandError> {
        let mut parts = Vec::new();
        let mut quotes = Quotes::None;
        let mut rest = line;
        while let Some((text, tail)) = rest.split_once("{{") {
            let (inner, after) = tail.split_once("}}").ok_or(CommandError::Unclosed)?;
            quotes = follow(text, quotes);
            parts.push(Part::Text(text.to_owned()));
            // Go's marks for trimming white space mean nothing here that a shell would see.
            let name = inner.trim_start_matches("- ").trim_end_matches(" -").trim();
            let source = match name {
                ".src" => true,
                ".dest" => false,
                _ => return Err(CommandError::Unknown(inner.escape_debug().to_string())),
            };
            parts.push(Part::Path { source, within: quotes });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(CheckCommand { line: line.to_owned(), parts })
    }

    /// The line for `/bin/sh -c`.
    pub fn with(&self, src: &Path, dest: &Path) -> Result<String, CommandError> {
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Path { source, within } => {
                    let path = if *source { src } else { dest };
                    let text = path.to_str().ok_or_else(|| CommandError::Path(path.display().to_string()))?;
                    line.push_str(&quote(text, *within));
                }
            }
        }
        Ok(line)
    }
}

/// Which quotes are open after `text`, if `quotes` were before it.
fn follow(text: &str, mut quotes: Quotes) -> Quotes {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        quotes = match (quotes, c) {
            (Quotes::None, '\'') => Quotes::Single,
            (Quotes::None, '"') => Quotes::Double,
            (Quotes::Single, '\'') | (Quotes::Double, '"') => Quotes::None,
            (Quotes::None | Quotes::Double, '\\') => {
                chars.next();
                quotes
            }
            _ => quotes,
        };
    }
    quotes
}

fn quote(path: &str, within: Quotes) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=".contains(c);
    match within {
        _ if path.chars().all(plain) => path.to_owned(),
        Quotes::None => format!("'{}'", path.replace('\'', "'\\''")),
        Quotes::Single => path.replace('\'', "'\\''"),
        Quotes::Double => {
            let mut quoted = String::new();
            for c in path.chars() {
                if matches!(c, '\\' | '"' | '$' | '`') {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            quoted
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn shell(line: &str, src: &str) -> String {
        let command =
            CheckCommand::parse(line).expect("parses").with(Path::new(src), Path::new("/d")).expect("text");
        let output = Command::new("/bin/sh").args(["-c", &command]).output().expect("sh");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn a_path_stays_one_word_wherever_it_stands() {
        for path in ["/plain", "/with space", "/it's", "/$(id)`id`\"x\"\\", "/new\nline;id"] {
            for line in [
                "printf %s {{.src}}",
                "printf %s \"{{ .src }}\"",
                "printf %s '{{.src}}'",
                "printf %s {{- .src -}}",
            ] {
                assert_eq!(shell(line, path), path, "{line}");
            }
        }
        assert_eq!(shell("printf %s {{.dest}}", "/s"), "/d");
        assert_eq!(shell("printf '%s' \\'{{.src}}", "/a b"), "'/a b");
    }

    #[test]
    fn nothing_but_the_two_paths_can_be_asked_for() {
        assert_eq!(CheckCommand::parse("x {{.value}}"), Err(CommandError::Unknown(".value".into())));
        assert_eq!(CheckCommand::parse("x {{.src"), Err(CommandError::Unclosed));
        let message = CommandError::Unknown(".value".into()).to_string();
        assert!(message.starts_with("`{{.value}}` is not known here: use {{.src}}"), "{message}");
    }
}
