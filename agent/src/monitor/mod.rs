//! `vipward monitor`: adverts, gratuitous ARP and unsolicited neighbour adverts as they pass by, with what is wrong about
//! each.
//!
//! What the XDP program consumes never reaches a packet socket: copies of that come from the program itself, through its
//! tap, and everything else from a [`socket`]. So nothing is seen twice, and nothing that this host hears is missed.
//!
//! * [`sighting`]: a frame in words; [`judge`]: what is wrong about an advert;
//! * [`watch`]: the two sources as one; [`show`]: the command.

pub(crate) mod judge;
pub mod show;
pub(crate) mod sighting;
mod socket;
pub(crate) mod watch;
