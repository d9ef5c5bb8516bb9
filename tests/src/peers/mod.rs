//! Two routers on one wire, either of them vipward or the real keepalived, run from the same configuration text.
//!
//! A test that is written for a [`Pair`] runs with keepalived on both sides too, which proves that it expects what
//! keepalived really does. Everything is judged from outside: by the addresses of the hosts and by what passes on
//! the wire.

mod conf;
mod forge;
mod form;
mod pair;
mod peer;

pub use conf::{Conf, VRID};
pub use forge::{Forged, Injector};
pub use form::Form;
pub use pair::{Node, Pair, Side, Takeover};
pub use peer::{Kind, Peer};
