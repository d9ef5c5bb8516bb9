//! From an [`Advert`] to bytes.

use std::net::{IpAddr, Ipv4Addr};

use vipward_common::wire::{self, IPPROTO_VRRP, TTL, ipv4, vrrp};

use super::checksum::{self, ChecksumForm};
use super::{Advert, Auth};
use crate::types::{Family, Interval, Version};

/// Internetwork control, the precedence of routing protocols (RFC 791 §3.1).
const TOS_INTERNETWORK_CONTROL: u8 = 0xc0;

/// Why an advert has no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The address count is one byte, and the message must fit a standard frame.
    #[error("{0} addresses do not fit one advert")]
    TooManyAddresses(usize),
    /// An address of the other family than the advert's source.
    #[error("{0} does not belong into an {1} advert")]
    Family(IpAddr, Family),
    /// RFC 3768 knows IPv4 only.
    #[error("VRRP version 2 cannot carry IPv6")]
    Version2OverIpv6,
    /// Version 2: 1 to 255 whole seconds; version 3: 1 to 4095 whole centiseconds.
    #[error("an interval of {0} cannot be said in VRRP version {1}")]
    Interval(Interval, Version),
    /// Version 3 dropped authentication (RFC 9568 §9).
    #[error("VRRP version 3 has no authentication")]
    AuthenticationInVersion3,
}

/// The VRRP message of `advert` as it goes from `source` to `destination`; the IP header is the caller's.
///
/// `form` matters to version 3 over IPv4 alone. An advert without addresses is encoded as asked, though receivers
/// reject it (RFC 9568 §5.2.5).
pub fn encode(
    advert: &Advert,
    form: ChecksumForm,
    source: IpAddr,
    destination: IpAddr,
) -> Result<Vec<u8>, EncodeError> {
    let mut message = Vec::new();
    encode_into(&mut message, advert, form, source, destination)?;
    Ok(message)
}

/// As [`encode`](fn@encode), appending to `buffer`, which keeps its length on error.
pub fn encode_into(
    buffer: &mut Vec<u8>,
    advert: &Advert,
    form: ChecksumForm,
    source: IpAddr,
    destination: IpAddr,
) -> Result<(), EncodeError> {
    let family = Family::of(source);
    let count = check(advert, family, destination)?;
    let [high, low] = interval_field(advert)?;
    let mut message = Vec::with_capacity(length(advert, family));
    message.extend([
        advert.version.number() << 4 | wire::TYPE_ADVERTISEMENT,
        advert.vrid.get(),
        advert.priority.0,
        count,
        high,
        low,
        0,
        0,
    ]);
    for address in &advert.addresses {
        match address {
            IpAddr::V4(v4) => message.extend(v4.octets()),
            IpAddr::V6(v6) => message.extend(v6.octets()),
        }
    }
    if advert.version == Version::V2 {
        message.extend(match advert.auth {
            Auth::None => [0; vrrp::AUTH_LEN],
            Auth::Pass(password) => password,
        });
    }
    let header = match (advert.version, family, form) {
        (Version::V2, _, _) | (Version::V3, Family::V4, ChecksumForm::MessageOnly) => 0,
        (Version::V3, Family::V4, ChecksumForm::PseudoHeader) | (Version::V3, Family::V6, _) => {
            checksum::pseudo_header(source, destination, message.len())
        }
    };
    let checksum = checksum::compute(&message, header).to_be_bytes();
    if let Some(field) = message.get_mut(vrrp::CHECKSUM..vrrp::CHECKSUM + checksum.len()) {
        field.copy_from_slice(&checksum);
    }
    buffer.append(&mut message);
    Ok(())
}

/// Refuses what the format cannot say; the address count otherwise.
fn check(advert: &Advert, family: Family, destination: IpAddr) -> Result<u8, EncodeError> {
    if advert.version == Version::V2 && family == Family::V6 {
        return Err(EncodeError::Version2OverIpv6);
    }
    if advert.version == Version::V3 && advert.auth != Auth::None {
        return Err(EncodeError::AuthenticationInVersion3);
    }
    let foreign = |address: &&IpAddr| Family::of(**address) != family;
    if let Some(address) = advert.addresses.iter().chain([&destination]).find(foreign) {
        return Err(EncodeError::Family(*address, family));
    }
    let too_many = EncodeError::TooManyAddresses(advert.addresses.len());
    if length(advert, family) > vrrp::MAX_LEN {
        return Err(too_many);
    }
    u8::try_from(advert.addresses.len()).map_err(|_| too_many)
}

/// Length of the whole message in bytes.
fn length(advert: &Advert, family: Family) -> usize {
    let auth = if advert.version == Version::V2 { vrrp::AUTH_LEN } else { 0 };
    vrrp::LEN + advert.addresses.len() * family.address_len() + auth
}

/// The two bytes in front of the checksum: type and seconds in version 2, centiseconds in version 3.
fn interval_field(advert: &Advert) -> Result<[u8; 2], EncodeError> {
    let error = EncodeError::Interval(advert.interval, advert.version);
    match advert.version {
        Version::V2 => {
            let auth_type = match advert.auth {
                Auth::None => vrrp::AUTH_NONE,
                Auth::Pass(_) => vrrp::AUTH_PASS,
            };
            Ok([auth_type, advert.interval.secs().ok_or(error)?])
        }
        Version::V3 => Ok(advert.interval.centis().ok_or(error)?.to_be_bytes()),
    }
}

/// The IPv4 header of an advert whose message has `length` bytes, for sockets that take whole packets: no options,
/// Don't Fragment unset as the group's senders do, TTL 255, checksum filled in.
#[must_use]
pub fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, length: u16) -> [u8; ipv4::MIN_LEN] {
    let [total_high, total_low] = length.saturating_add(20).to_be_bytes();
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    let with_checksum = |[high, low]: [u8; 2]| {
        [
            0x45,
            TOS_INTERNETWORK_CONTROL,
            total_high,
            total_low,
            0,
            0,
            0,
            0,
            TTL,
            IPPROTO_VRRP,
            high,
            low,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ]
    };
    with_checksum(checksum::compute(&with_checksum([0, 0]), 0).to_be_bytes())
}
