//! What goes wrong in a template, and where.

use std::path::PathBuf;

use thiserror::Error;

use super::limits::Exceeded;

/// A template that cannot be read, compiled or rendered, shown as `FILE:LINE: message`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}:{line}: {}", file.display(), self.message())]
pub struct TemplateError {
    /// The template's file; of a file that another one includes, the included one's.
    pub file: PathBuf,
    /// The line of the action, from 1.
    pub line: u32,
    /// What is wrong.
    pub fault: Fault,
}

impl TemplateError {
    /// What is wrong, in one line.
    pub fn message(&self) -> String {
        super::on_one_line(&self.fault.to_string())
    }
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The text is not a template.
    #[error("{0}")]
    Syntax(String),
    /// An action cannot do what it says with the values at hand.
    #[error("{0}")]
    Action(String),
    /// A function refused its arguments or failed.
    #[error("{function}: {why}")]
    Call {
        /// The function's name.
        function: &'static str,
        /// Why.
        why: String,
    },
    /// A key that the store does not have.
    #[error(
        "{function}: the store has no key `{key}`; check the resource's `keys` and `prefix`, or give `getv` a default"
    )]
    MissingKey {
        /// The function that asked.
        function: &'static str,
        /// The key, without the resource's prefix.
        key: String,
    },
    /// The template wants more than any template may have.
    #[error(transparent)]
    Limit(#[from] Exceeded),
    /// The file cannot be read.
    #[error("{0}")]
    Read(String),
    /// Something inside an included file.
    #[error("{0}")]
    Inside(Box<TemplateError>),
}

impl Fault {
    /// An action that cannot do what it says.
    pub(super) fn action(why: impl Into<String>) -> Fault {
        Fault::Action(why.into())
    }

    /// The error at a place. What happened inside an included file keeps the place it has there.
    pub(super) fn at(self, file: &std::path::Path, line: u32) -> TemplateError {
        match self {
            Fault::Inside(inner) => *inner,
            fault => TemplateError { file: file.to_owned(), line, fault },
        }
    }
}

impl From<TemplateError> for Fault {
    fn from(error: TemplateError) -> Fault {
        Fault::Inside(Box::new(error))
    }
}
