//! Addresses, gratuitous ARP and neighbour advertisements, adverts on the wire, links.
//!
//! Everything here is called from the election thread: it never waits, does a bounded amount of work per call,
//! and has a descriptor to poll where there is something to wait for.
//!
//! * [`address`]: the desired set of virtual addresses, the only code that adds or removes one;
//! * [`link`]: which interfaces and addresses exist, as a table and as a stream of changes;
//! * [`advert`]: adverts through the IP output path, batched;
//! * [`announce`]: gratuitous ARP ([`garp`]) and unsolicited neighbour advertisements ([`na`]), batched, in a
//!   `lane` per interface, as fast as its [`pace`] allows;
//! * [`routing`]: the desired set of routes and rules, each of which is a [`route`]'s entry;
//! * [`vmac`]: interfaces with a virtual MAC;
//! * [`firewall`]: what keeps packets for the VIPs from this host's services;
//! * [`sysctl`]: settings of interfaces, for as long as they are needed;
//! * [`ethtool`] and [`xdp`]: what an interface is set to do, and what runs on it, for whoever looks for a fault;
//! * [`netlink`]: the rtnetlink socket below the first two; `socket`: the raw sockets below the others.

pub mod address;
pub mod advert;
pub mod announce;
pub(crate) mod decode;
pub mod error;
pub mod ethtool;
mod expel;
pub mod firewall;
pub mod garp;
mod lane;
pub mod link;
pub mod na;
pub mod netlink;
pub mod pace;
pub mod route;
pub mod routing;
mod socket;
pub mod sysctl;
pub mod vip;
pub mod vmac;
pub mod xdp;

pub use address::{Addresses, Change, Outcome, Owner};
pub use advert::{AdvertSender, Frame, FrameError};
pub use announce::{Announcement, Announcer};
pub use error::NetError;
pub use expel::expel;
pub use link::{Interface, InterfaceAddress, LinkEvent, Links, Monitor};
pub use pace::{Paces, Pauses};
pub use route::Entry;
pub use routing::{Routed, Routing};
pub use sysctl::{Setting, Sysctls};
pub use vip::Vip;
