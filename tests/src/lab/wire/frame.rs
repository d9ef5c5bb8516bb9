//! Reads captured frames. It shares no code with the product, so that a mistake there is not repeated here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a frame means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A VRRP advert.
    Advert(Advert),
    /// A gratuitous ARP or an unsolicited neighbour advertisement: `address` is at `mac` from now on.
    Announcement {
        /// The address that is announced.
        address: IpAddr,
        /// Where it is.
        mac: [u8; 6],
    },
}

/// The fields of an advert that tests look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// 2 or 3.
    pub version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority; 0 means that the master resigns.
    pub priority: u8,
    /// Addresses in it.
    pub addresses: u8,
    /// Advert interval in milliseconds.
    pub interval_ms: u64,
    /// Source address.
    pub source: IpAddr,
    /// Destination: the group, or a unicast peer.
    pub destination: IpAddr,
}

/// Reads an Ethernet frame; nothing if it is of no interest or cut short.
pub(super) fn parse(frame: &[u8]) -> Option<Seen> {
    let payload = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x06] => arp(payload),
        [0x08, 0x00] => ipv4(payload),
        [0x86, 0xdd] => ipv6(payload),
        _ => None,
    }
}

/// Gratuitous: the sender speaks about its own address (RFC 5227 §3), as a request or as a reply.
fn arp(packet: &[u8]) -> Option<Seen> {
    let (mac, sender, target) = (packet.get(8..14)?, packet.get(14..18)?, packet.get(24..28)?);
    let address = IpAddr::V4(v4(sender)?);
    (sender == target).then_some(Seen::Announcement { address, mac: mac.try_into().ok()? })
}

fn ipv4(packet: &[u8]) -> Option<Seen> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let addresses = (IpAddr::V4(v4(packet.get(12..16)?)?), IpAddr::V4(v4(packet.get(16..20)?)?));
    (*packet.get(9)? == 112).then(|| vrrp(packet.get(header..)?, addresses))?
}

fn ipv6(packet: &[u8]) -> Option<Seen> {
    let addresses = (IpAddr::V6(v6(packet.get(8..24)?)?), IpAddr::V6(v6(packet.get(24..40)?)?));
    let message = packet.get(40..)?;
    match packet.get(6)? {
        112 => vrrp(message, addresses),
        58 if *message.first()? == 136 => {
            let address = IpAddr::V6(v6(message.get(8..24)?)?);
            // Option 2: target link-layer address (RFC 4861 §4.6.1).
            let mac =
                message.get(24..).and_then(|option| option.strip_prefix(&[2, 1])).and_then(|o| o.get(..6))?;
            Some(Seen::Announcement { address, mac: mac.try_into().ok()? })
        }
        _ => None,
    }
}

/// VRRP (RFC 3768 §5.1, RFC 9568 §5.2).
fn vrrp(message: &[u8], (source, destination): (IpAddr, IpAddr)) -> Option<Seen> {
    let &[kind, vrid, priority, addresses, a, b, _, _] = message.get(..8)?.first_chunk()?;
    let version = kind >> 4;
    let interval_ms =
        if version == 2 { u64::from(b) * 1_000 } else { u64::from(u16::from_be_bytes([a & 0x0f, b])) * 10 };
    Some(Seen::Advert(Advert { version, vrid, priority, addresses, interval_ms, source, destination }))
}

fn v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

fn v6(bytes: &[u8]) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn a_version_3_advert() {
        let frame = bytes(
            "01005e000012 020000000001 0800 45c00020000100 00ff70 0000 0a4d0001 e0000012 \
             31 33 96 01 0064 0000 0a4dc800",
        );
        let advert = Advert {
            version: 3,
            vrid: 51,
            priority: 150,
            addresses: 1,
            interval_ms: 1_000,
            source: "10.77.0.1".parse().unwrap(),
            destination: "224.0.0.18".parse().unwrap(),
        };
        assert_eq!(parse(&frame), Some(Seen::Advert(advert)));
        for length in 0..34 + 8 {
            assert_eq!(parse(&frame[..length]), None, "cut to {length} bytes");
        }
    }

    #[test]
    fn gratuitous_arp_and_no_other() {
        let arp = |target: &str| {
            bytes(&format!(
                "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a4d00c8 000000000000 {target}"
            ))
        };
        let announced =
            Seen::Announcement { address: "10.77.0.200".parse().unwrap(), mac: [2, 0, 0, 0, 0, 1] };
        assert_eq!(parse(&arp("0a4d00c8")), Some(announced));
        assert_eq!(parse(&arp("0a4d0001")), None);
    }
}
