//! Addresses as the kernel ABI stores them: 16 bytes in network order, IPv4 in the first four.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipward_common::abi::Address;

use crate::types::Family;

/// An address as the ABI stores it.
#[must_use]
pub fn to_abi(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address that the ABI stores; the family is in the router's key.
#[must_use]
pub fn from_abi(address: Address, family: Family) -> IpAddr {
    let [a, b, c, d, ..] = address;
    match family {
        Family::V4 => Ipv4Addr::new(a, b, c, d).into(),
        Family::V6 => Ipv6Addr::from(address).into(),
    }
}

/// Sum of the addresses' 16-bit words, for [`vipward_common::abi::Rules::addresses_sum`]: the same for the same
/// addresses in any order, and cheap enough to take in the kernel while the checksum is.
#[must_use]
pub fn sum(addresses: &[IpAddr]) -> u32 {
    addresses.iter().fold(0, |sum, address| sum.wrapping_add(sum_words(&to_abi(*address))))
}

/// Sum of big-endian 16-bit words; an odd last byte counts as the high half of a word.
pub(crate) fn sum_words(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    words.fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive_the_abi() {
        for text in ["192.0.2.1", "fe80::1234", "0.0.0.0", "::"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(from_abi(to_abi(address), Family::of(address)), address);
        }
    }

    #[test]
    fn sum_ignores_the_order_and_sees_a_changed_address() {
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(sum(&[a, b]), sum(&[b, a]));
        assert_ne!(sum(&[a, b]), sum(&[a, c]));
        assert_eq!(sum(&[a]), 0x0a00 + 1);
    }
}
