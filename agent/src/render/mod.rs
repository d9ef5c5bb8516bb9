//! The other half of vipward: configuration files rendered from a key-value store, from an unchanged confd directory.
//! It shares the supervisor and the control socket with the election and nothing else, so nothing here can delay one.

pub mod keys;
pub mod template;
