//! Metrics, health and the status page, over HTTP and read-only (`--metrics ADDR`).
//!
//! * [`listen`]: the addresses, bound before anything else is done;
//! * [`server`]: a thread with a runtime of its own, and what a connection may cost;
//! * `routes`: what is answered, and what is refused;
//! * [`observation`]: everything that is known at one moment; `lookout`: asking for it, once for all who want it;
//! * [`exposition`]: the same as metrics; [`page`]: for people; [`health`]: for machines that only want a yes.
//!
//! A request costs the election a slice of a survey per turn, and at most one survey per [`lookout::FRESH`] whatever
//! is asked. Requests are untrusted input: bounded in size, time and number.

pub mod exposition;
pub mod health;
pub mod listen;
mod lookout;
pub mod observation;
pub mod page;
pub(crate) mod routes;
pub mod server;
mod traffic;

#[cfg(test)]
mod tests;

pub use listen::{Listeners, MetricsAddress};
pub use server::Metrics;

/// Whose names of metrics there are beside our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Compat {
    /// keepalived-exporter's
    Keepalived,
}
