//! What goes wrong with `vipward kv`.

use std::io;

use crate::render::store;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is nothing to get or delete.
    #[error("{0}: there is no such key")]
    NoKey(String),
    /// It has no value.
    #[error("{0} is a directory; `vipward kv ls {0}` lists it")]
    Directory(String),
    /// v3 knows only keys.
    #[error("--dir: the v3 API has no directories; a key may simply have a slash in its name")]
    NoDirectories,
    /// The v2 API's values are text.
    #[error("{0}: the v2 API takes values in UTF-8 only")]
    NoText(String),
    /// The standard input.
    #[error("cannot read the value from the standard input: {0}")]
    Input(#[source] io::Error),
    /// The standard output.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}
