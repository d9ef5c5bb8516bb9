//! VRRP as values: packets in, actions and deadlines out. No sockets, no clock, no threads, no unsafe.
//!
//! * [`types`]: instants, intervals, priorities and the other words of the protocol;
//! * [`address`]: addresses as the kernel ABI stores them;
//! * [`packet`]: adverts to and from bytes, and the receive checks that are the XDP program's reference;
//! * [`router`]: the state machine: an event and the time in, actions and the next deadline out;
//! * [`watch`]: the master-down watch in user space, twin of the kernel's.
//!
//! The users' words MASTER and BACKUP are used throughout; RFC 9568 says Active and Backup.
#![forbid(unsafe_code)]

pub mod address;
pub mod packet;
pub mod router;
pub mod types;
pub mod watch;
