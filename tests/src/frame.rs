//! Ethernet frames with adverts in them, field by field, and the rules of a router that accepts them: for the tests of
//! the data paths and for the bench of the XDP program. Made by hand, so that no codec vouches for itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vipward_common::abi::{self, RouterKey, Rules};
use vipward_common::wire::{GROUP_V4, GROUP_V6, IPPROTO_VRRP, eth, vrrp};
use vipward_vrrp::address::{sum, to_abi};

/// Index of the interface that BPF_PROG_TEST_RUN pretends that frames arrive on.
pub const LOOPBACK: u32 = 1;

/// Which checksum an advert carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Over the message and the pseudo-header.
    Pseudo,
    /// Over the message alone.
    Plain,
    /// This, right or wrong.
    Fixed(u16),
}

/// An advert and everything in front of it.
#[derive(Clone, Debug)]
pub struct Advert {
    /// VLAN tags: EtherType and VID.
    pub tags: Vec<(u16, u16)>,
    /// Source address, which also decides the family.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IP protocol.
    pub protocol: u8,
    /// IPv4 options; a multiple of four bytes.
    pub options: Vec<u8>,
    /// IPv4 flags and fragment offset.
    pub fragment: u16,
    /// VRRP version.
    pub version: u8,
    /// VRRP type; 1 is an advert.
    pub kind: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Instead of the number of addresses.
    pub count: Option<u8>,
    /// Authentication type of version 2.
    pub auth_type: u8,
    /// Seconds in version 2, centiseconds in version 3.
    pub max_interval: u16,
    /// Which checksum it carries.
    pub checksum: Checksum,
    /// Virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Authentication data of version 2.
    pub auth_data: [u8; 8],
    /// More bytes within the message, behind all that.
    pub excess: Vec<u8>,
    /// Bytes behind the IP packet.
    pub padding: usize,
    /// Added to the IP header's length field.
    pub length_error: i32,
}

impl Advert {
    /// An advert that [`rules`] accept: VRID 51, priority 200, one address, one second.
    pub fn new(version: u8, family: u8) -> Advert {
        let v4 = family == 4;
        Advert {
            tags: Vec::new(),
            source: address(family, 1, 1),
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
            addresses: vec![address(family, 100, 0x100)],
            auth_data: *b"secret\0\0",
            excess: Vec::new(),
            padding: 0,
            length_error: 0,
        }
    }

    /// Its interval.
    pub fn interval(&self) -> Duration {
        let unit = if self.version == 2 { 1000 } else { 10 };
        Duration::from_millis(u64::from(self.max_interval) * unit)
    }

    /// The VRRP message.
    pub fn message(&self) -> Vec<u8> {
        let count = self.count.unwrap_or(byte(self.addresses.len()));
        let mut message = vec![self.version << 4 | self.kind, self.vrid, self.priority, count];
        if self.version == 2 {
            message.extend([self.auth_type, byte(self.max_interval.into())]);
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
    pub fn frame(&self) -> Vec<u8> {
        let message = self.message();
        let mut frame = vec![1, 0, 0x5e, 0, 0, 0x12, 2, 0, 0, 0, 0, 1];
        for (ethertype, vid) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(vid.to_be_bytes());
        }
        let length = |payload: usize| {
            // In the field's own arithmetic, for an error may go below nothing.
            let length = i64::try_from(payload).unwrap_or(0) + i64::from(self.length_error);
            u16::try_from(length.rem_euclid(1 << 16)).unwrap_or(u16::MAX)
        };
        if self.source.is_ipv4() {
            frame.extend(eth::IPV4.to_be_bytes());
            let header = 20 + self.options.len();
            frame.extend([0x40 | byte(header / 4), 0xc0]);
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
    u16::try_from(sum).unwrap_or(u16::MAX)
}

/// What fits into a field of one byte.
fn byte(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// The address on the link with one of these numbers.
fn address(family: u8, v4: u8, v6: u16) -> IpAddr {
    match family {
        4 => Ipv4Addr::new(10, 0, 0, v4).into(),
        _ => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, v6).into(),
    }
}

/// The key of a router on an untagged interface.
pub fn key(ifindex: u32, family: u8, vrid: u8) -> RouterKey {
    RouterKey { ifindex, family, vrid, ..RouterKey::default() }
}

/// Rules of a preempting backup of priority 100 which agrees with [`Advert::new`].
pub fn rules(version: u8, family: u8) -> Rules {
    let advert = Advert::new(version, family);
    Rules {
        source: to_abi(address(family, 2, 2)),
        destination: to_abi(advert.destination),
        auth_data: advert.auth_data,
        interval_ns: u64::try_from(advert.interval().as_nanos()).unwrap_or(u64::MAX),
        addresses_sum: sum(&advert.addresses),
        addresses_count: byte(advert.addresses.len()),
        mode: abi::MODE_OFF,
        version,
        priority: 100,
        flags: abi::FLAG_PREEMPT,
        down_adverts: 3,
        auth_type: if version == 2 { vrrp::AUTH_PASS } else { vrrp::AUTH_NONE },
        reserved: [0; 5],
    }
}
