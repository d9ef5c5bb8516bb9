//! Ethernet frames with adverts in them: adverts captured from keepalived 2.2.7, and a builder for broken ones.

use vipward_common::abi::{Address, Peer, PeerKey, RouterKey, Rules};
use vipward_common::wire::{eth, ipv4, ipv6};
use vipward_vrrp::address::{sum, to_abi};
use vipward_vrrp::packet::{Advert, Arrival, Auth, ChecksumForm, Expectations, encode, ipv4_header};
use vipward_vrrp::types::{Family, Interval, Priority, Version, Vrid};

use std::net::IpAddr;

/// Interface that every frame arrives on.
pub(crate) const IFINDEX: u32 = 3;

/// A frame as keepalived 2.2.7 sent it, and what it says.
pub(crate) struct Captured {
    pub(crate) hex: &'static str,
    pub(crate) source: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) version: Version,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Interval,
    pub(crate) addresses: &'static [&'static str],
    pub(crate) password: Option<[u8; 8]>,
    pub(crate) form: ChecksumForm,
}

impl Captured {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let digits: Vec<u8> = self.hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    pub(crate) fn advert(&self) -> Advert {
        Advert {
            version: self.version,
            vrid: Vrid::new(self.vrid).unwrap(),
            priority: Priority(self.priority),
            interval: self.interval,
            addresses: self.addresses.iter().map(|address| address.parse().unwrap()).collect(),
            auth: self.password.map_or(Auth::None, Auth::Pass),
        }
    }

    pub(crate) fn source(&self) -> IpAddr {
        self.source.parse().unwrap()
    }

    pub(crate) fn destination(&self) -> IpAddr {
        self.destination.parse().unwrap()
    }

    /// Rules under which the frame is accepted.
    pub(crate) fn expectations(&self) -> Table {
        Table::for_advert(&self.advert(), self.destination())
    }
}

/// Version 2 with and without password, version 3 over IPv4 with both checksum forms and by unicast, and over IPv6.
///
/// keepalived 2.2.7 cannot send the form without pseudo-header (`v3_checksum_as_v2` came later): that frame, of VRID
/// 53, has the checksum worked out by hand: 3135 + fe01 + 0032 + 0a09 + 0067 = 39d9 in one's complement, not(39d9) =
/// c626.
pub(crate) const CAPTURED: [Captured; 6] = [
    Captured {
        hex: "01005e000012 f291d5abd5fc 0800 45c0002c00070000ff70d07e 0a090001 e0000012
              21336402010128d4 0a090064 0a090065 7333637265740000",
        source: "10.9.0.1",
        destination: "224.0.0.18",
        version: Version::V2,
        vrid: 51,
        priority: 100,
        interval: Interval::from_secs(1),
        addresses: &["10.9.0.100", "10.9.0.101"],
        password: Some(*b"s3cret\0\0"),
        form: ChecksumForm::MessageOnly,
    },
    Captured {
        hex: "01005e000012 f291d5abd5fc 0800 45c0002800020000ff70d087 0a090001 e0000012
              2132c80100020c53 0a09006e 0000000000000000",
        source: "10.9.0.1",
        destination: "224.0.0.18",
        version: Version::V2,
        vrid: 50,
        priority: 200,
        interval: Interval::from_secs(2),
        addresses: &["10.9.0.110"],
        password: None,
        form: ChecksumForm::MessageOnly,
    },
    Captured {
        hex: "01005e000012 f291d5abd5fc 0800 45c0002000600000ff70d031 0a090001 e0000012
              31349601000a43b8 0a090066",
        source: "10.9.0.1",
        destination: "224.0.0.18",
        version: Version::V3,
        vrid: 52,
        priority: 150,
        interval: Interval::from_centis(10),
        addresses: &["10.9.0.102"],
        password: None,
        form: ChecksumForm::PseudoHeader,
    },
    Captured {
        hex: "01005e000012 f291d5abd5fc 0800 45c0002000110000ff70d080 0a090001 e0000012
              3135fe010032c626 0a090067",
        source: "10.9.0.1",
        destination: "224.0.0.18",
        version: Version::V3,
        vrid: 53,
        priority: 254,
        interval: Interval::from_centis(50),
        addresses: &["10.9.0.103"],
        password: None,
        form: ChecksumForm::MessageOnly,
    },
    Captured {
        hex: "5ebc4c5ade9e f291d5abd5fc 0800 45c0002000070000ff70a692 0a090001 0a090002
              3137780100643760 0a090069",
        source: "10.9.0.1",
        destination: "10.9.0.2",
        version: Version::V3,
        vrid: 55,
        priority: 120,
        interval: Interval::from_secs(1),
        addresses: &["10.9.0.105"],
        password: None,
        form: ChecksumForm::PseudoHeader,
    },
    Captured {
        hex: "333300000012 f291d5abd5fc 86dd 6c0ae5a8002870ff fe8000000000000000000000000a0001
              ff020000000000000000000000000012 3136640200193f93 fe800000000000000000000000000054
              20010db8000000000000000000000054",
        source: "fe80::a:1",
        destination: "ff02::12",
        version: Version::V3,
        vrid: 54,
        priority: 100,
        interval: Interval::from_centis(25),
        addresses: &["fe80::54", "2001:db8::54"],
        password: None,
        form: ChecksumForm::PseudoHeader,
    },
];

/// One router's rules and peers.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) key: RouterKey,
    pub(crate) rules: Rules,
    pub(crate) peers: Vec<(Address, Peer)>,
}

impl Table {
    /// A multicast router that expects just this advert and has an address of its own.
    pub(crate) fn for_advert(advert: &Advert, destination: IpAddr) -> Table {
        let (auth_type, auth_data) = match advert.auth {
            Auth::None => (0, [0; 8]),
            Auth::Pass(password) => (1, password),
        };
        let own: IpAddr =
            if destination.is_ipv4() { [10, 9, 0, 2].into() } else { "fe80::2".parse().unwrap() };
        Table {
            key: Arrival::on(IFINDEX).key(Family::of(destination), advert.vrid.get()),
            rules: Rules {
                source: to_abi(own),
                destination: to_abi(destination),
                auth_data,
                interval_ns: advert.interval.nanos(),
                addresses_sum: sum(&advert.addresses),
                addresses_count: u8::try_from(advert.addresses.len()).unwrap(),
                version: advert.version.number(),
                priority: 100,
                down_adverts: 3,
                auth_type,
                ..Rules::default()
            },
            peers: Vec::new(),
        }
    }
}

impl Expectations for Table {
    fn rules(&self, key: &RouterKey) -> Option<Rules> {
        (*key == self.key).then_some(self.rules)
    }

    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        let found = self.peers.iter().find(|(address, _)| *address == key.address);
        found.filter(|_| key.router == self.key).map(|(_, peer)| *peer)
    }
}

/// Wraps a message into IPv4 or IPv6, TTL 255.
pub(crate) fn ip_packet(message: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4_header(source, destination, length).to_vec(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0; ipv6::LEN];
            header[0] = 0x60;
            header[ipv6::PAYLOAD_LEN..][..2].copy_from_slice(&length.to_be_bytes());
            header[ipv6::NEXT_HEADER] = 112;
            header[ipv6::HOP_LIMIT] = 255;
            header[ipv6::SOURCE..][..16].copy_from_slice(&source.octets());
            header[ipv6::DESTINATION..][..16].copy_from_slice(&destination.octets());
            header
        }
        _ => panic!("mixed families"),
    };
    packet.extend(message);
    packet
}

/// Puts an Ethernet header with the given VLAN tags (EtherType, VID) in front of an IP packet.
pub(crate) fn ethernet(packet: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let mut frame = vec![0x02; 12];
    for (ethertype, vid) in tags {
        frame.extend(ethertype.to_be_bytes());
        frame.extend((vid | 0xe000).to_be_bytes());
    }
    let ethertype = if packet[0] >> 4 == 4 { eth::IPV4 } else { eth::IPV6 };
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame
}

/// The frame of an advert to the family's group.
pub(crate) fn frame(advert: &Advert, form: ChecksumForm, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    ethernet(&ip_packet(&encode(advert, form, source, destination).unwrap(), source, destination), &[])
}

/// Puts `count` words of NOP options behind an IPv4 header.
pub(crate) fn with_options(packet: &[u8], count: u8) -> Vec<u8> {
    let (header, message) = packet.split_at(ipv4::MIN_LEN);
    let mut packet = header.to_vec();
    packet[ipv4::VERSION_IHL] += count;
    let total = u16::from_be_bytes([packet[2], packet[3]]) + u16::from(count) * 4;
    packet[ipv4::TOTAL_LEN..][..2].copy_from_slice(&total.to_be_bytes());
    packet.extend(vec![1; usize::from(count) * 4]);
    packet.extend(message);
    packet
}
