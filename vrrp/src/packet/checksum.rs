//! The Internet checksum (RFC 1071) over a VRRP message, with and without a pseudo-header.

use std::net::IpAddr;

use vipward_common::wire::IPPROTO_VRRP;

use crate::address::{sum_words, to_abi};
use crate::types::Version;

/// What a version 3 advert over IPv4 is summed over. Both forms are accepted on receive, one is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumForm {
    /// With an IPv4 pseudo-header: RFC 5798 as keepalived and FRR deploy it.
    #[default]
    PseudoHeader,
    /// The message alone: RFC 9568 §5.2.8, and keepalived's `v3_checksum_as_v2`.
    MessageOnly,
}

/// Sum of the pseudo-header's words (RFC 9293 §3.1 for IPv4, RFC 8200 §8.1 for IPv6).
pub(crate) fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> u32 {
    // A message is far below 64 KiB, and both families' length fields then sum to the same.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    sum_words(&to_abi(source))
        .wrapping_add(sum_words(&to_abi(destination)))
        .wrapping_add(length >> 16)
        .wrapping_add(length & 0xffff)
        .wrapping_add(u32::from(IPPROTO_VRRP))
}

/// Folds the carries into 16 bits.
pub(crate) const fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    (((once & 0xffff) + (once >> 16)) & 0xffff) as u16
}

/// The checksum to put into a message whose checksum field is zero.
pub(crate) fn compute(message: &[u8], pseudo_header: u32) -> u16 {
    !fold(sum_words(message).wrapping_add(pseudo_header))
}

/// Whether a received message carries a checksum that we accept.
///
/// Version 2 sums the message alone (RFC 3768 §5.3.8), IPv6 adds its pseudo-header (RFC 9568 §5.2.8), version 3
/// over IPv4 may do either.
#[must_use]
pub fn valid(version: Version, source: IpAddr, destination: IpAddr, message: &[u8]) -> bool {
    const GOOD: u16 = 0xffff;
    let sum = sum_words(message);
    let with_header = sum.wrapping_add(pseudo_header(source, destination, message.len()));
    match (version, source) {
        (Version::V2, _) => fold(sum) == GOOD,
        (Version::V3, IpAddr::V4(_)) => fold(with_header) == GOOD || fold(sum) == GOOD,
        (Version::V3, IpAddr::V6(_)) => fold(with_header) == GOOD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_1071() {
        // RFC 1071 §3: the words 0001 f203 f4f5 f6f7 sum to ddf2 in one's complement.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum_words(&bytes)), 0xddf2);
        assert_eq!(compute(&bytes, 0), !0xddf2);
    }

    /// RFC 1071 §1: a last odd byte is padded with a zero byte behind it.
    #[test]
    fn an_odd_byte_is_the_high_half_of_its_word() {
        assert_eq!(sum_words(&[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
    }

    #[test]
    fn folding_carries_twice() {
        assert_eq!(fold(0x0001_ffff), 1);
        assert_eq!(fold(0xffff_ffff), 0xffff);
    }
}
