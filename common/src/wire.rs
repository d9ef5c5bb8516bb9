//! Offsets and constants of Ethernet, IPv4, IPv6 and VRRP, as named numbers.

/// IP protocol number of VRRP.
pub const IPPROTO_VRRP: u8 = 112;
/// The only TTL or hop limit of a multicast advert (RFC 9568 §5.1.1.3, §5.1.2.3): it proves an on-link sender.
pub const TTL: u8 = 255;
/// 224.0.0.18, the IPv4 group (RFC 9568 §5.1.1.2).
pub const GROUP_V4: [u8; 4] = [224, 0, 0, 18];
/// ff02::12, the IPv6 group (RFC 9568 §5.1.2.2).
pub const GROUP_V6: [u8; 16] = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12];
/// ADVERTISEMENT, the only VRRP packet type (RFC 9568 §5.2.2).
pub const TYPE_ADVERTISEMENT: u8 = 1;
/// Priority 0: the master stops (RFC 9568 §5.2.4).
pub const PRIORITY_STOP: u8 = 0;
/// Priority 255: the owner of the addresses (RFC 9568 §5.2.4).
pub const PRIORITY_OWNER: u8 = 255;

/// Ethernet header: offsets and sizes in bytes.
pub mod eth {
    /// Offset of the sender's MAC.
    pub const SOURCE: usize = 6;
    /// Offset of the EtherType of an untagged frame.
    pub const TYPE: usize = 12;
    /// Length of the header without tags.
    pub const LEN: usize = 14;
    /// Length of one VLAN tag.
    pub const VLAN_LEN: usize = 4;
    /// Tags that the parser follows: one customer tag inside one service tag.
    pub const MAX_VLANS: usize = 2;
    /// EtherType of IPv4.
    pub const IPV4: u16 = 0x0800;
    /// EtherType of ARP.
    pub const ARP: u16 = 0x0806;
    /// EtherType of IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// EtherType of an 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// EtherType of an 802.1ad service tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// The VLAN identifier within a tag's control word.
    pub const VID_MASK: u16 = 0x0fff;
}

/// IPv4 header.
pub mod ipv4 {
    /// Version and header length (IHL).
    pub const VERSION_IHL: usize = 0;
    /// Total length.
    pub const TOTAL_LEN: usize = 2;
    /// Flags and fragment offset.
    pub const FRAGMENT: usize = 6;
    /// Time to live.
    pub const TTL: usize = 8;
    /// Protocol.
    pub const PROTOCOL: usize = 9;
    /// Source address.
    pub const SOURCE: usize = 12;
    /// First four bits of a multicast address.
    pub const MULTICAST: u8 = 0b1110;
    /// Destination address.
    pub const DESTINATION: usize = 16;
    /// Length without options.
    pub const MIN_LEN: usize = 20;
    /// Length with the most options.
    pub const MAX_LEN: usize = 60;
    /// "More fragments" and the fragment offset: zero in a whole packet.
    pub const FRAGMENT_MASK: u16 = 0x3fff;
    /// The fragment offset alone: zero in a first fragment.
    pub const OFFSET_MASK: u16 = 0x1fff;
}

/// IPv6 header.
pub mod ipv6 {
    /// Payload length.
    pub const PAYLOAD_LEN: usize = 4;
    /// Next header.
    pub const NEXT_HEADER: usize = 6;
    /// Hop limit.
    pub const HOP_LIMIT: usize = 7;
    /// Source address.
    pub const SOURCE: usize = 8;
    /// First byte of a multicast address.
    pub const MULTICAST: u8 = 0xff;
    /// Destination address.
    pub const DESTINATION: usize = 24;
    /// Length.
    pub const LEN: usize = 40;
}

/// ARP for IPv4 over Ethernet (RFC 826).
pub mod arp {
    /// The address of the sender.
    pub const SENDER: usize = 14;
    /// The address that is asked for, or told.
    pub const TARGET: usize = 24;
}

/// Neighbour solicitation and advertisement (RFC 4861 §4.3).
pub mod nd {
    /// IP protocol number of ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// ICMPv6 type.
    pub const SOLICITATION: u8 = 135;
    /// ICMPv6 type (RFC 4861 §4.4).
    pub const ADVERTISEMENT: u8 = 136;
    /// Offset of the address that is asked for or told within the ICMPv6 message.
    pub const TARGET: usize = 8;
}

/// VRRP message, versions 2 and 3 (RFC 3768 §5.1, RFC 9568 §5.2).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+---------------+---------------+
/// |Version| Type  |     VRID      |   Priority    |  Addr Count   |
/// +-------+-------+---------------+---------------+---------------+
/// | v2: Auth Type | v2: Adver Int |           Checksum            |
/// | v3: (rsvd) | Max Adver Int    |                               |
/// +---------------+---------------+-------------------------------+
/// |                      addresses, 4 or 16 bytes each            |
/// +---------------------------------------------------------------+
/// |                v2 only: 8 bytes of authentication data        |
/// +---------------------------------------------------------------+
/// ```
pub mod vrrp {
    /// Version (high nibble) and type.
    pub const VERSION_TYPE: usize = 0;
    /// Virtual router identifier.
    pub const VRID: usize = 1;
    /// Priority.
    pub const PRIORITY: usize = 2;
    /// Number of addresses.
    pub const COUNT: usize = 3;
    /// Version 2: authentication type.
    pub const AUTH_TYPE: usize = 4;
    /// Version 2: advert interval in seconds.
    pub const INTERVAL_V2: usize = 5;
    /// Version 3: four reserved bits and the interval in centiseconds.
    pub const INTERVAL_V3: usize = 4;
    /// The interval's bits.
    pub const INTERVAL_V3_MASK: u16 = 0x0fff;
    /// Checksum.
    pub const CHECKSUM: usize = 6;
    /// Length of the fixed part.
    pub const LEN: usize = 8;
    /// Longest message that is read: what an untagged Ethernet frame of 1500 bytes carries behind an IPv4 header.
    /// A bound is needed because the verifier walks the checksum's loop; a longer message is rejected for its
    /// length. It holds 255 IPv4 or 92 IPv6 addresses.
    pub const MAX_LEN: usize = 1480;
    /// Version 2: length of the authentication data behind the addresses.
    pub const AUTH_LEN: usize = 8;
    /// Version 2: no authentication.
    pub const AUTH_NONE: u8 = 0;
    /// Version 2: a password in clear text, RFC 2338's type 1, which keepalived still offers.
    pub const AUTH_PASS: u8 = 1;
}
