//! What vipward's two halves, the XDP program and the agent, must agree on.
//!
//! * [`abi`]: keys, values and messages that cross the kernel line, `repr(C)` without implicit padding;
//! * [`lease`]: for how long a master may answer for its addresses;
//! * [`reason`]: why an advert was rejected or a packet fenced, which is also the index of its counter;
//! * [`tap`]: copies of what is consumed, for whoever looks on;
//! * [`watch`]: what a backup does with an advert, as one function used by both sides;
//! * [`lease`]: for how long a master may answer for the addresses;
//! * [`timing`]: Skew_Time, Master_Down_Interval and the length of a lease in integer nanoseconds;
//! * [`wire`]: offsets and constants of the packets.
//!
//! The crate is `no_std`, allocates nothing, and everything in it must be digestible for the BPF verifier.
#![no_std]
#![forbid(clippy::indexing_slicing)]
#![allow(clippy::inline_always, reason = "a call costs the verifier, and the packet, more than the copy")]

pub mod abi;
pub mod hint;
pub mod lease;
pub mod reason;
pub mod tap;
pub mod timing;
pub mod watch;
pub mod wire;
