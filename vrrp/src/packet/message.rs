//! A checked view of a VRRP message: the length is verified once, then every field is there.

use std::net::IpAddr;

use vipward_common::reason::Reason;
use vipward_common::wire::{TYPE_ADVERTISEMENT, vrrp};

use super::{Advert, Auth};
use crate::address::{from_abi, sum_words};
use crate::types::{Family, Interval, Priority, Version, Vrid};

/// A message that is as long as its version and address count demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    version: Version,
    family: Family,
    header: [u8; vrrp::LEN],
    addresses: &'a [u8],
    auth: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message of the given version; bytes beyond those that it needs are ignored here, though they do
    /// count for the checksum (RFC 9568 §5.2.8: the entire message). Fails with [`Reason::Length`].
    pub fn parse(version: Version, family: Family, bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = bytes.split_first_chunk::<{ vrrp::LEN }>().ok_or(Reason::Length)?;
        if bytes.len() > vrrp::MAX_LEN {
            return Err(Reason::Length);
        }
        let [.., count, _, _, _, _] = *header;
        let (addresses, rest) =
            rest.split_at_checked(usize::from(count) * family.address_len()).ok_or(Reason::Length)?;
        let auth = match version {
            Version::V2 => rest.get(..vrrp::AUTH_LEN).ok_or(Reason::Length)?,
            Version::V3 => &[],
        };
        Ok(Message { version, family, header: *header, addresses, auth })
    }

    /// Virtual router identifier as it stands there, 0 included.
    #[must_use]
    pub fn vrid(&self) -> u8 {
        let [_, vrid, ..] = self.header;
        vrid
    }

    /// Priority.
    #[must_use]
    pub fn priority(&self) -> Priority {
        let [_, _, priority, ..] = self.header;
        Priority(priority)
    }

    /// Number of addresses.
    #[must_use]
    pub fn count(&self) -> u8 {
        let [_, _, _, count, ..] = self.header;
        count
    }

    /// Version 2: the authentication type; version 3: the reserved bits and more.
    #[must_use]
    pub fn auth_type(&self) -> u8 {
        let [_, _, _, _, auth_type, ..] = self.header;
        auth_type
    }

    /// Version 2: the authentication data; empty in version 3.
    #[must_use]
    pub fn auth_data(&self) -> &'a [u8] {
        self.auth
    }

    /// The advert interval; version 3's four reserved bits are ignored (RFC 9568 §5.2.6).
    #[must_use]
    pub fn interval(&self) -> Interval {
        let [_, _, _, _, high, low, ..] = self.header;
        match self.version {
            Version::V2 => Interval::from_secs(low),
            Version::V3 => Interval::from_centis(u16::from_be_bytes([high, low]) & vrrp::INTERVAL_V3_MASK),
        }
    }

    /// The addresses in the order of the message.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + 'a {
        let family = self.family;
        self.addresses.chunks_exact(family.address_len()).map(move |octets| {
            let mut address = [0; 16];
            for (to, from) in address.iter_mut().zip(octets) {
                *to = *from;
            }
            from_abi(address, family)
        })
    }

    /// Sum of the addresses' 16-bit words, to compare with [`crate::address::sum`].
    #[must_use]
    pub fn addresses_sum(&self) -> u32 {
        sum_words(self.addresses)
    }
}

impl Advert {
    /// Reads a message for display: everything but the checks that need a configuration or IP addresses.
    ///
    /// Fails with [`Reason::Length`], [`Reason::Version`] (neither 2 nor 3, or version 2 over IPv6, or VRID 0, which
    /// no version has), [`Reason::Type`] or [`Reason::AuthType`] (neither none nor PASS).
    pub fn decode(bytes: &[u8], family: Family) -> Result<Advert, Reason> {
        let [first, ..] = bytes else { return Err(Reason::Length) };
        let version = match (first >> 4, family) {
            (2, Family::V4) => Version::V2,
            (3, _) => Version::V3,
            _ => return Err(Reason::Version),
        };
        if first & 0x0f != TYPE_ADVERTISEMENT {
            return Err(Reason::Type);
        }
        let message = Message::parse(version, family, bytes)?;
        let auth = match (version, message.auth_type(), message.auth_data().first_chunk()) {
            (Version::V3, _, _) | (Version::V2, vrrp::AUTH_NONE, _) => Auth::None,
            (Version::V2, vrrp::AUTH_PASS, Some(password)) => Auth::Pass(*password),
            (Version::V2, _, _) => return Err(Reason::AuthType),
        };
        Ok(Advert {
            version,
            vrid: Vrid::new(message.vrid()).ok_or(Reason::Version)?,
            priority: message.priority(),
            interval: message.interval(),
            addresses: message.addresses().collect(),
            auth,
        })
    }
}
