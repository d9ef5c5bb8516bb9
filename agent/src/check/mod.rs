//! Health scripts, how they move priorities, and notify scripts.
//!
//! Everything here lives on the agent's tokio runtime, apart from the election thread, so that no script can
//! delay an advert:
//!
//! * [`plan`]: what the configuration asks for;
//! * [`launch`]: what to run, and as whom; [`secure`]: whether somebody else could have changed it;
//! * [`process`]: one run of one command, isolated, timed and always reaped;
//! * [`verdict`]: rise and fall;
//! * [`runner`]: the health scripts, one task each;
//! * [`file`], [`processes`]: what else is tracked;
//! * [`tally`]: how often scripts ran, and for how long;
//! * [`tracking`]: from base priority and what is tracked to the effective priority or FAULT;
//! * [`notify`]: the scripts that are told of transitions; [`fifo`]: FIFOs that are told too;
//! * [`mail`]: people who are.

pub mod fifo;
pub mod file;
pub mod launch;
pub mod mail;
pub mod notify;
pub mod plan;
pub mod process;
pub mod processes;
pub mod runner;
pub mod secure;
pub mod tally;
pub mod tracking;
pub mod verdict;

mod output;
#[cfg(test)]
mod tests;
