//! Adverts to and from bytes.
//!
//! * [`encode`](mod@encode): an [`Advert`] to a VRRP message, and the IPv4 header for sockets that want it;
//! * [`message`]: a checked view of a message, and the way back to an [`Advert`];
//! * [`frame`]: from an Ethernet frame or IP packet to the message and what its headers say;
//! * [`receive`]: the receive checks of RFC 9568 §7.1, reference for the XDP program;
//! * [`checksum`]: the Internet checksum with and without a pseudo-header.

pub mod checksum;
pub mod encode;
pub mod frame;
pub mod message;
pub mod receive;

use std::net::IpAddr;

pub use self::checksum::ChecksumForm;
pub use self::encode::{EncodeError, encode, encode_into, ipv4_header};
pub use self::frame::{Arrival, decode_frame, decode_ip_packet, dissect};
pub use self::message::Message;
pub use self::receive::{Envelope, Expectations, Facts, Rejection, Verdict, check};

use crate::types::{Interval, Priority, Version, Vrid};

/// One VRRP advert, all that its message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Protocol version.
    pub version: Version,
    /// Virtual router that it speaks for.
    pub vrid: Vrid,
    /// Priority of its sender; 0 when it stops.
    pub priority: Priority,
    /// The sender's advert interval.
    pub interval: Interval,
    /// The virtual addresses, of one family; IPv6: the link-local one first (RFC 9568 §5.2.9).
    pub addresses: Vec<IpAddr>,
    /// Version 2's authentication; version 3 has none.
    pub auth: Auth,
}

/// Version 2 authentication (RFC 2338 §5.3.6; RFC 3768 dropped it, keepalived and its users did not).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Type 0.
    None,
    /// Type 1: a password in clear text, zero-padded.
    Pass([u8; 8]),
}

impl std::fmt::Debug for Auth {
    /// Keeps the password out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Pass(_) => "Pass(…)",
        })
    }
}
