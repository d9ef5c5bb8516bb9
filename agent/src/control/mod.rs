//! The control socket: `vipward status`, `reload`, `drain`, and whatever else is asked of a running agent.
//!
//! * [`rundir`]: the directory, opened safely, and the lock that keeps it to one agent;
//! * [`protocol`]: requests, answers and limits;
//! * [`server`]: the agent's side; [`client`]: the other;
//! * [`status`]: what is answered to `status`; [`render`]: the same for people, with [`reasons`] in words; [`show`]:
//!   the command; [`verbs`]: the other ones;
//! * [`outlook`]: why an instance is what it is, and what happens next, in words.
//!
//! Requests are untrusted input, although only root and the agent's own user get this far: bounded in size, time
//! and number.

pub mod client;
pub mod outlook;
pub mod protocol;
pub mod reasons;
pub mod render;
mod resources;
pub mod rundir;
pub mod server;
pub mod show;
pub mod status;
pub mod verbs;

#[cfg(test)]
mod tests;
