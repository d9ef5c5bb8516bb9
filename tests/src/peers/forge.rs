//! Adverts made by hand, right or wrong in a chosen place, and the socket that puts them on the wire. Nothing here
//! comes from the product, so that a mistake there is not repeated here.

use std::iter;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::lab::Host;

/// The MAC of forged frames.
const FORGER: [u8; 6] = [0x02, 0, 0, 0, 0xba, 0xd1];

/// An advert over IPv4, of version 3 unless a test wants otherwise. What is wrong with it is up to the test.
#[derive(Clone, Debug)]
pub struct Forged {
    /// 3, or another.
    pub version: u8,
    /// 1 is an advert.
    pub kind: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Addresses in it.
    pub addresses: Vec<Ipv4Addr>,
    /// Addresses that it says it has.
    pub count: u8,
    /// Max Advertise Interval in centiseconds.
    pub interval: u16,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// TTL.
    pub ttl: u8,
    /// Added to the right checksum.
    pub checksum_error: u16,
    /// Bytes cut from its end, with the IP length corrected.
    pub cut: usize,
    /// Authentication type and data of version 2, which goes behind the addresses.
    pub auth: Option<(u8, [u8; 8])>,
    /// The frame's sender.
    pub mac: [u8; 6],
}

impl Forged {
    /// A right one from `source`, at 100 ms.
    pub fn new(vrid: u8, priority: u8, source: Ipv4Addr) -> Forged {
        Forged {
            version: 3,
            kind: 1,
            vrid,
            priority,
            addresses: vec![Ipv4Addr::new(10, 77, 0, 200)],
            count: 1,
            interval: 10,
            source,
            destination: Ipv4Addr::new(224, 0, 0, 18),
            ttl: 255,
            checksum_error: 0,
            cut: 0,
            auth: None,
            mac: FORGER,
        }
    }

    /// As an Ethernet frame to the group's address.
    pub fn frame(&self) -> Vec<u8> {
        let [mut high, low] = self.interval.to_be_bytes();
        if let Some((auth_type, _)) = self.auth {
            high = auth_type;
        }
        let mut message =
            vec![self.version << 4 | self.kind, self.vrid, self.priority, self.count, high, low, 0, 0];
        message.extend(self.addresses.iter().flat_map(Ipv4Addr::octets));
        message.extend(self.auth.iter().flat_map(|(_, data)| data));
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        let ends = || self.source.octets().into_iter().chain(self.destination.octets());
        // RFC 5798 §5.2.8 with the pseudo-header of IPv4, as deployed.
        let pseudo = ends().chain([0, 112]).chain(length.to_be_bytes());
        // RFC 3768 §5.3.8 knows none.
        let pseudo = pseudo.filter(|_| self.version != 2 || self.auth.is_none());
        let sum = checksum(pseudo.chain(message.iter().copied())).wrapping_add(self.checksum_error);
        put(&mut message, 6, sum);
        message.truncate(message.len().saturating_sub(self.cut));

        let total = u16::try_from(20 + message.len()).unwrap_or(u16::MAX).to_be_bytes();
        let mut header = vec![0x45, 0xc0, total[0], total[1], 0, 0, 0, 0, self.ttl, 112, 0, 0];
        header.extend(ends());
        let sum = checksum(header.iter().copied());
        put(&mut header, 10, sum);

        let mut frame = vec![0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
        frame.extend(self.mac);
        frame.extend([0x08, 0x00]);
        frame.extend(header);
        frame.extend(message);
        frame
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: impl Iterator<Item = u8>) -> u16 {
    let mut sum: u32 = 0;
    for (byte, shift) in bytes.zip(iter::repeat([8, 0]).flatten()) {
        sum += u32::from(byte) << shift;
    }
    while let carry @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + carry;
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Puts frames on the wire from a host.
pub struct Injector {
    socket: OwnedFd,
    interface: LinkAddr,
}

impl Injector {
    /// On `host`'s interface.
    pub fn new(host: &Host) -> Result<Injector> {
        let open = || socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
        let socket = host.namespace().enter(open)?.context("cannot open a packet socket")?;
        Ok(Injector { socket, interface: host.link_address()? })
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        sendto(self.socket.as_raw_fd(), frame, &self.interface, MsgFlags::empty())
            .context("cannot send a frame")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 §3's example.
    #[test]
    fn the_checksum_of_the_rfc() {
        assert_eq!(checksum([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7].into_iter()), !0xddf2);
    }
}
