//! The other half of vipward: configuration files rendered from a key-value store, from an unchanged confd directory.
//! It shares the supervisor and the control socket with the election and nothing else, so nothing here can delay one.
//!
//! * [`settings`]: how it runs;
//! * [`resource`]: what is rendered where;
//! * [`store`]: the stores; [`keys`]: what they hold;
//! * [`engine`]: what is rendered when;
//! * [`template`]: from keys to text; [`apply`]: from text to the file;
//! * [`reload`], [`pending`]: from the file to the service;
//! * [`service`]: how all this is started, [`connect`]: with which store and templates;
//! * [`check`]: what can be found wrong without a store;
//! * [`nginx`]: what is known of one service in particular.

pub mod apply;
pub mod check;
pub mod connect;
mod discover;
mod document;
pub mod engine;
pub mod keys;
pub mod nginx;
pub mod pending;
pub mod reload;
pub mod resource;
pub mod service;
pub mod settings;
pub mod shell;
pub mod store;
pub mod template;
