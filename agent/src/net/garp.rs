//! Gratuitous ARP (RFC 5227 §3): the Ethernet frame that tells a segment where an IPv4 address is now.

use std::net::Ipv4Addr;

use vipward_common::wire::eth;

/// The broadcast address of Ethernet.
pub(super) const BROADCAST: [u8; 6] = [0xff; 6];

const HARDWARE_ETHERNET: u16 = 1;
const OPERATION_REQUEST: u16 = 1;

/// Appends a gratuitous ARP as keepalived sends it: a broadcast *request* whose sender and target are both the
/// address. A request updates the caches of hosts that ignore unsolicited replies. The driver pads the frame.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+-------------------------------+
/// |       hardware type: 1        |     protocol type: 0x0800     |
/// +---------------+---------------+-------------------------------+
/// | hw length: 6  | length: 4     |         operation: 1          |
/// +---------------+---------------+-------------------------------+
/// |                 sender: MAC (6), address (4)                  |
/// |                 target: ff:…:ff (6), address (4)              |
/// +---------------------------------------------------------------+
/// ```
pub fn write(frame: &mut Vec<u8>, mac: [u8; 6], address: Ipv4Addr) {
    frame.extend(BROADCAST);
    frame.extend(mac);
    frame.extend(eth::ARP.to_be_bytes());
    frame.extend(HARDWARE_ETHERNET.to_be_bytes());
    frame.extend(eth::IPV4.to_be_bytes());
    frame.extend([6, 4]);
    frame.extend(OPERATION_REQUEST.to_be_bytes());
    frame.extend(mac);
    frame.extend(address.octets());
    frame.extend(BROADCAST);
    frame.extend(address.octets());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_by_byte() {
        let mut frame = Vec::new();
        write(&mut frame, [2, 0, 0, 0, 0, 7], Ipv4Addr::new(10, 0, 0, 50));
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x08, 0x06,
            0, 1, 0x08, 0x00, 6, 4, 0, 1,
            2, 0, 0, 0, 0, 7, 10, 0, 0, 50,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 50,
        ];
        assert_eq!(frame, expected);
    }
}
