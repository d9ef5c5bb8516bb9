//! The forms of the protocol that are tested, with the times that follow from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Version, family and way of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Version 2 with a password.
    V2Pass,
    /// Version 3 over IPv4, with the pseudo-header in its checksum.
    V3,
    /// Version 3 over IPv4, without one (RFC 9568).
    V3Plain,
    /// Version 3 over IPv6.
    V3Ipv6,
    /// Version 3 over IPv4 to named peers.
    V3Unicast,
}

impl Form {
    /// Advert interval: the shortest that keepalived allows in version 2, and a tenth of that in version 3.
    pub fn interval(self) -> Duration {
        match self {
            Form::V2Pass => Duration::from_secs(1),
            Form::V3 | Form::V3Plain | Form::V3Ipv6 | Form::V3Unicast => Duration::from_millis(100),
        }
    }

    /// Skew_Time: in seconds in version 2 (RFC 3768 §6.1), in intervals in version 3 (RFC 9568 §6.1). Both are the
    /// same with an interval of a second.
    pub fn skew(self, priority: u8) -> Duration {
        self.interval() * (256 - u32::from(priority)) / 256
    }

    /// Master_Down_Interval, in version 3 called Active_Down_Interval.
    pub fn master_down(self, priority: u8) -> Duration {
        3 * self.interval() + self.skew(priority)
    }

    /// An address that the master holds.
    pub fn vip(self) -> IpAddr {
        match self {
            Form::V3Ipv6 => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x200).into(),
            Form::V2Pass | Form::V3 | Form::V3Plain | Form::V3Unicast => Ipv4Addr::new(10, 77, 0, 200).into(),
        }
    }

    /// `virtual_ipaddress`. Over IPv6 the first one must be link-local (RFC 9568 §5.2.9).
    pub(super) fn vips(self) -> &'static [&'static str] {
        match self {
            Form::V3Ipv6 => &["fe80::200/64", "fd77::200/64"],
            Form::V2Pass | Form::V3 | Form::V3Plain | Form::V3Unicast => &["10.77.0.200/24"],
        }
    }
}
