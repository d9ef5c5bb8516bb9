//! Ethernet frames with adverts in them, field by field.

use std::net::IpAddr;
use std::time::Duration;

use vipward_common::wire::{GROUP_V4, GROUP_V6, IPPROTO_VRRP, eth, vrrp};
use vipward_vrrp::address::to_abi;

/// Which checksum an advert carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// Over the message and the pseudo-header.
    Pseudo,
    /// Over the message alone.
    Plain,
    /// This, right or wrong.
    Fixed(u16),
}

/// An advert and everything in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Advert {
    /// VLAN tags: EtherType and VID.
    pub(crate) tags: Vec<(u16, u16)>,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    /// IPv4 options; a multiple of four bytes.
    pub(crate) options: Vec<u8>,
    /// IPv4 flags and fragment offset.
    pub(crate) fragment: u16,
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// Instead of the number of addresses.
    pub(crate) count: Option<u8>,
    pub(crate) auth_type: u8,
    /// Seconds in version 2, centiseconds in version 3.
    pub(crate) max_interval: u16,
    pub(crate) checksum: Checksum,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) auth_data: [u8; 8],
    /// More bytes within the message, behind all that.
    pub(crate) excess: Vec<u8>,
    /// Bytes behind the IP packet.
    pub(crate) padding: usize,
    /// Added to the IP header's length field.
    pub(crate) length_error: i32,
}

impl Advert {
    /// An advert that [`super::rules`] accept: VRID 51, priority 200, one address, one second.
    pub(crate) fn new(version: u8, family: u8) -> Advert {
        let v4 = family == 4;
        Advert {
            tags: Vec::new(),
            source: if v4 { "10.0.0.1" } else { "fe80::1" }.parse().unwrap(),
            destination: if v4 { IpAddr::from(GROUP_V4) } else { IpAddr::from(GROUP_V6) },
            ttl: 255,
            protocol: IPPROTO_VRRP,
            options: Vec::new(),
            fragment: 0,
            version,
            kind: 1,
            vrid: 51,
            priority: 200,
            count: None,
            auth_type: if version == 2 { vrrp::AUTH_PASS } else { 0 },
            max_interval: if version == 2 { 1 } else { 100 },
            checksum: if version == 2 { Checksum::Plain } else { Checksum::Pseudo },
            addresses: vec![if v4 { "10.0.0.100" } else { "fe80::100" }.parse().unwrap()],
            auth_data: *b"secret\0\0",
            excess: Vec::new(),
            padding: 0,
            length_error: 0,
        }
    }

    pub(crate) fn interval(&self) -> Duration {
        let unit = if self.version == 2 { 1000 } else { 10 };
        Duration::from_millis(u64::from(self.max_interval) * unit)
    }

    /// The VRRP message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let count = self.count.unwrap_or(u8::try_from(self.addresses.len()).unwrap());
        let mut message = vec![self.version << 4 | self.kind, self.vrid, self.priority, count];
        if self.version == 2 {
            message.extend([self.auth_type, u8::try_from(self.max_interval).unwrap()]);
        } else {
            message.extend(self.max_interval.to_be_bytes());
        }
        message.extend([0, 0]);
        for address in &self.addresses {
            message.extend(octets(*address));
        }
        if self.version == 2 {
            message.extend(self.auth_data);
        }
        message.extend(&self.excess);
        let checksum = match self.checksum {
            Checksum::Plain => !fold(words(&message)),
            Checksum::Pseudo => !fold(words(&message) + self.pseudo_header(message.len())),
            Checksum::Fixed(checksum) => checksum,
        };
        message[vrrp::CHECKSUM..vrrp::LEN].copy_from_slice(&checksum.to_be_bytes());
        message
    }

    /// The frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let message = self.message();
        let mut frame = vec![1, 0, 0x5e, 0, 0, 0x12, 2, 0, 0, 0, 0, 1];
        for (ethertype, vid) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(vid.to_be_bytes());
        }
        let length = |payload: usize| {
            let length = i64::try_from(payload).unwrap() + i64::from(self.length_error);
            u16::try_from(length.rem_euclid(1 << 16)).unwrap()
        };
        if self.source.is_ipv4() {
            frame.extend(eth::IPV4.to_be_bytes());
            let header = 20 + self.options.len();
            frame.extend([0x40 | u8::try_from(header / 4).unwrap(), 0xc0]);
            frame.extend(length(header + message.len()).to_be_bytes());
            frame.extend([0, 1]);
            frame.extend(self.fragment.to_be_bytes());
            frame.extend([self.ttl, self.protocol, 0, 0]);
            frame.extend(octets(self.source));
            frame.extend(octets(self.destination));
            frame.extend(&self.options);
            let start = frame.len() - header;
            let checksum = !fold(words(&frame[start..]));
            frame[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        } else {
            frame.extend(eth::IPV6.to_be_bytes());
            frame.extend([0x60, 0, 0, 0]);
            frame.extend(length(message.len()).to_be_bytes());
            frame.extend([self.protocol, self.ttl]);
            frame.extend(octets(self.source));
            frame.extend(octets(self.destination));
        }
        frame.extend(message);
        frame.resize(frame.len() + self.padding, 0xa5);
        frame
    }

    fn pseudo_header(&self, length: usize) -> u64 {
        words(&octets(self.source))
            + words(&octets(self.destination))
            + u64::from(IPPROTO_VRRP)
            + length as u64
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    let length = if address.is_ipv4() { 4 } else { 16 };
    to_abi(address)[..length].to_vec()
}

fn words(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}
