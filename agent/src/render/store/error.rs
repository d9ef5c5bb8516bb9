//! What goes wrong with a store. Every message names the node, file or option.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Why a store cannot be used now, or as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that cannot be right; trying again does not help.
    #[error("{option}: {why}")]
    Option {
        /// The option's name, as on the command line.
        option: &'static str,
        /// What is wrong with it, and the remedy.
        why: String,
    },
    /// No connection came about.
    #[error("{node} cannot be reached: {why}")]
    Unreachable {
        /// Address of the node.
        node: String,
        /// What the connection failed with.
        why: String,
    },
    /// The node did not answer in time.
    #[error("{node} gave no answer to {what} within {limit:?}")]
    Timeout {
        /// Address of the node.
        node: String,
        /// What it was asked.
        what: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// Wrong credentials, or missing permission.
    #[error("{node} refuses us: {why}; check the user, password, token and what they permit")]
    Refused {
        /// Address of the node.
        node: String,
        /// The node's own words.
        why: String,
    },
    /// The node's answer is not what such a store says.
    #[error("{node} does not answer as {store} does: {why}")]
    Garbage {
        /// Address of the node.
        node: String,
        /// What we took it for.
        store: &'static str,
        /// What is wrong with the answer.
        why: String,
    },
    /// The node reports a failure.
    #[error("{node}: {why}")]
    Failed {
        /// Address of the node.
        node: String,
        /// The node's own words.
        why: String,
    },
    /// A file that cannot be read or understood.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with a line where there is one.
        why: String,
    },
    /// Each node failed in its own way.
    #[error("{}", all(.0))]
    Nodes(Vec<Error>),
}

impl Error {
    /// One error for all nodes that were tried.
    pub(crate) fn of_nodes(mut errors: Vec<Error>) -> Error {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            Some(last) => {
                errors.push(last);
                Error::Nodes(errors)
            }
            None => Error::Option { option: "--node", why: "there is none; give at least one".to_owned() },
        }
    }
}

fn all(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// An error with what caused it: libraries for connections keep the reason in the last link of the chain.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_is_named() {
        let failed = |node: &str| Error::Failed { node: node.to_owned(), why: "no".to_owned() };
        assert_eq!(Error::of_nodes(vec![failed("a")]).to_string(), "a: no");
        assert_eq!(Error::of_nodes(vec![failed("a"), failed("b")]).to_string(), "a: no; b: no");
        assert!(Error::of_nodes(Vec::new()).to_string().contains("--node"));
    }
}
