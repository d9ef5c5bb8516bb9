//! The other half of vipward: configuration files rendered from a key-value store, from an unchanged confd directory.
//! It shares the supervisor and the control socket with the election and nothing else, so nothing here can delay one.
//!
//! * [`settings`]: how it runs;
//! * [`resource`]: what is rendered where;
//! * [`apply`]: from text to the file;
//! * [`keys`]: what a store holds.

pub mod apply;
mod document;
pub mod keys;
pub mod resource;
pub mod settings;
pub mod shell;
