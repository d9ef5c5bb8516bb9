//! Why an advert was rejected (RFC 9568 §7.1). The number is the index of the per-CPU counter in the kernel, so new
//! reasons go at the end; the order of the checks is in `vrrp::packet::receive`.

/// A failed receive check. A rejected advert changes its counter and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Reason {
    /// TTL or hop limit is not 255 (multicast), or outside the peer's bounds (unicast).
    Ttl = 0,
    /// The version nibble differs from the instance's version.
    Version = 1,
    /// The type nibble is not 1 (ADVERTISEMENT), the only type there is.
    Type = 2,
    /// Not as long as its header, its address count and the IP header say, or longer than any advert that we read.
    Length = 3,
    /// Neither of the checksum forms that we accept.
    Checksum = 4,
    /// Our own advert came back, for instance from a looped switch port.
    OwnPacket = 5,
    /// Version 2: the authentication type is not the configured one.
    AuthType = 6,
    /// Version 2: the type matches and the password does not.
    AuthData = 7,
    /// Version 2: the advert interval is not the configured one (RFC 3768 §7.1).
    Interval = 8,
    /// Version 3: Max Advertise Interval is 0 (RFC 9568 §7.1).
    IntervalZero = 9,
    /// Addr Count is 0 (RFC 9568 §5.2.5).
    NoAddresses = 10,
    /// The source is not a configured peer, where there are such: always with unicast, with multicast if they are named.
    UnknownPeer = 11,
    /// Multicast where only unicast is configured, or unicast where only multicast is, or another group.
    Destination = 12,
    /// An IP fragment: adverts are never fragmented.
    Fragment = 13,
    /// The source is a configured peer, and the frame comes from another MAC than that peer's.
    PeerMac = 14,
}

/// What was kept from a virtual address that this node may not serve. The number is the index of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Fenced {
    /// An ARP request for it, or an answer to one that was sent from it.
    Arp = 0,
    /// A neighbour solicitation for it.
    Solicitation = 1,
    /// An IP packet to it that this host would have taken in.
    Packet = 2,
    /// A packet that this host would have sent from it, or about it.
    Sent = 3,
}

/// Number of [`Fenced`] kinds.
pub const FENCED: usize = Fenced::ALL.len();

impl Fenced {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Fenced; 4] = [Fenced::Arp, Fenced::Solicitation, Fenced::Packet, Fenced::Sent];

    /// For status and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Fenced::Arp => "arp",
            Fenced::Solicitation => "neighbour_solicitation",
            Fenced::Packet => "packet",
            Fenced::Sent => "sent",
        }
    }
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Reason; 15] = [
        Reason::Ttl,
        Reason::Version,
        Reason::Type,
        Reason::Length,
        Reason::Checksum,
        Reason::OwnPacket,
        Reason::AuthType,
        Reason::AuthData,
        Reason::Interval,
        Reason::IntervalZero,
        Reason::NoAddresses,
        Reason::UnknownPeer,
        Reason::Destination,
        Reason::Fragment,
        Reason::PeerMac,
    ];

    /// The metric label and the word used in logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Reason::Ttl => "ttl",
            Reason::Version => "version",
            Reason::Type => "type",
            Reason::Length => "length",
            Reason::Checksum => "checksum",
            Reason::OwnPacket => "own_packet",
            Reason::AuthType => "auth_type",
            Reason::AuthData => "auth_data",
            Reason::Interval => "interval",
            Reason::IntervalZero => "interval_zero",
            Reason::NoAddresses => "no_addresses",
            Reason::UnknownPeer => "unknown_peer",
            Reason::Destination => "destination",
            Reason::Fragment => "fragment",
            Reason::PeerMac => "peer_mac",
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.label())
    }
}

impl core::error::Error for Reason {}

/// Number of reasons, and so of rejection counters.
pub const REASONS: usize = Reason::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions() {
        for (position, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, position, "{reason:?}");
        }
    }
}
