//! Probes: a client that asks a VIP a thousand times a second and writes down when it was answered.
//!
//! [`Echo`] asks the kernel of whoever holds the VIP (ICMP echo), [`Pages`] asks its nginx and learns who it is.

mod echo;
mod ledger;
mod pages;
mod timeline;

pub use echo::Echo;
pub use pages::Pages;
pub use timeline::{Reply, Silence, Timeline};
