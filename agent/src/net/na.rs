//! Unsolicited neighbour advertisements (RFC 4861 §4.4, §7.2.6): IPv6's way to say where an address is now.
//!
//! The Ethernet frame is built whole, so it can leave the moment the address is added, whatever the kernel
//! still has to do about it.

use std::net::Ipv6Addr;

use vipward_common::wire::eth;

/// ff02::1, all nodes of the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Its Ethernet group (RFC 2464 §7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const NEXT_HEADER_ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Receivers discard anything else: a router has been crossed.
const HOP_LIMIT: u8 = 255;
const FLAG_ROUTER: u32 = 1 << 31;
const FLAG_OVERRIDE: u32 = 1 << 29;
const OPTION_TARGET_LINK_LAYER: u8 = 2;
/// Type, code, checksum, flags, target, and one option of eight bytes.
const MESSAGE_LEN: u16 = 32;

/// Appends an unsolicited neighbour advertisement for `address`, sent from that address to all nodes, with the
/// override flag so that caches change at once. `router` says whether this host forwards IPv6 on the interface
/// (RFC 4861 §4.4): neighbours drop a default route to a node that says it is no router.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------+---------------+-------------------------------+
/// |  type: 136    |    code: 0    |           checksum            |
/// +-+-+-+---------+---------------+-------------------------------+
/// |R|S|O|                       reserved                          |
/// +-+-+-+---------------------------------------------------------+
/// |                     target address (16)                       |
/// +---------------+---------------+-------------------------------+
/// |  option: 2    |  length: 1    |            MAC (6)            |
/// +---------------+---------------+-------------------------------+
/// ```
pub fn write(frame: &mut Vec<u8>, mac: [u8; 6], address: Ipv6Addr, router: bool) {
    let flags = FLAG_OVERRIDE | if router { FLAG_ROUTER } else { 0 };
    let mut message = [0; MESSAGE_LEN as usize];
    let parts: [&[u8]; 6] = [
        &[NEIGHBOUR_ADVERTISEMENT, 0],
        &[0, 0],
        &flags.to_be_bytes(),
        &address.octets(),
        &[OPTION_TARGET_LINK_LAYER, 1],
        &mac,
    ];
    message.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
    let checksum = checksum(address, ALL_NODES, &message).to_be_bytes();
    message.iter_mut().skip(2).zip(checksum).for_each(|(to, from)| *to = from);

    frame.extend(ALL_NODES_MAC);
    frame.extend(mac);
    frame.extend(eth::IPV6.to_be_bytes());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(MESSAGE_LEN.to_be_bytes());
    frame.extend([NEXT_HEADER_ICMPV6, HOP_LIMIT]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
}

/// The ICMPv6 checksum with its pseudo-header (RFC 4443 §2.3, RFC 8200 §8.1), over a message whose own checksum
/// field is zero; over a complete message the result is 0.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8; MESSAGE_LEN as usize]) -> u16 {
    let pseudo = [u32::from(MESSAGE_LEN), u32::from(NEXT_HEADER_ICMPV6)];
    let addresses = source.segments().into_iter().chain(destination.segments()).map(u32::from);
    let words =
        message.chunks_exact(2).map(|pair| pair.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    let sum: u32 = pseudo.into_iter().chain(addresses).chain(words).sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    // Fewer than 64 words: a second carry is all there can be.
    let folded = (folded >> 16) + (folded & 0xffff);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_by_byte() {
        let mac = [2, 0, 0, 0, 0, 7];
        let address: Ipv6Addr = "fd00::50".parse().unwrap();
        for router in [false, true] {
            let mut frame = Vec::new();
            write(&mut frame, mac, address, router);
            assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x86, 0xdd]);
            assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
            assert_eq!(frame[22..38], address.octets());
            assert_eq!(frame[38..54], ALL_NODES.octets());
            assert_eq!(frame[54..56], [136, 0]);
            assert_eq!(frame[58..62], [if router { 0xa0 } else { 0x20 }, 0, 0, 0]);
            assert_eq!(frame[62..78], address.octets());
            assert_eq!(frame[78..], [2, 1, 2, 0, 0, 0, 0, 7]);
            let message = frame[54..].first_chunk().unwrap();
            assert_eq!(checksum(address, ALL_NODES, message), 0, "the receiver's test");
        }
    }
}
