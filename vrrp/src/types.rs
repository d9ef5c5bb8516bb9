//! The words of the protocol as types, so that centiseconds never meet nanoseconds by accident.

use std::fmt;
use std::net::IpAddr;
use std::ops::Add;
use std::time::Duration;

use vipward_common::timing::{NANOS_PER_CENTI, NANOS_PER_SEC};
use vipward_common::wire::{PRIORITY_OWNER, PRIORITY_STOP};

/// An instant of CLOCK_MONOTONIC in nanoseconds, the kernel's own time of a packet or a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub const fn saturating_since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    /// Saturates at the end of time, in the year 2554 of a machine that never sleeps.
    fn add(self, later: Duration) -> Mono {
        Mono(self.0.saturating_add(nanos(later)))
    }
}

/// Nanoseconds of a duration, saturating after 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768, IPv4 only.
    V2,
    /// RFC 9568 and its ancestor RFC 5798.
    V3,
}

impl Version {
    /// The number in the packet.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// Address family of a virtual router; one router never mixes them (RFC 9568 §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// 4 or 6, as in [`vipward_common::abi::RouterKey::family`].
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Family::V4 => 4,
            Family::V6 => 6,
        }
    }

    /// Bytes of one address.
    #[must_use]
    pub const fn address_len(self) -> usize {
        match self {
            Family::V4 => 4,
            Family::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPv{}", self.number())
    }
}

/// Virtual router identifier, 1 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(std::num::NonZeroU8);

impl Vrid {
    /// Refuses 0, which no virtual router may have (RFC 9568 §5.2.3).
    #[must_use]
    pub const fn new(vrid: u8) -> Option<Vrid> {
        match std::num::NonZeroU8::new(vrid) {
            Some(vrid) => Some(Vrid(vrid)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority of a router, as in the packet (RFC 9568 §5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// 0: the master stops. Only ever in an advert.
    pub const STOP: Priority = Priority(PRIORITY_STOP);
    /// 255: the owner of the addresses, which starts as MASTER and always preempts.
    pub const OWNER: Priority = Priority(PRIORITY_OWNER);

    /// Whether this is the address owner's priority.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.0 == PRIORITY_OWNER
    }

    /// Whether this announces that a master stops.
    #[must_use]
    pub const fn is_stop(self) -> bool {
        self.0 == PRIORITY_STOP
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Time between two adverts. Version 2 sends whole seconds, version 3 centiseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u64);

impl Interval {
    /// Longest interval of a version 3 advert: 12 bits of centiseconds.
    pub const MAX_CENTIS: u16 = 0x0fff;

    /// As in a version 2 advert.
    #[must_use]
    pub const fn from_secs(seconds: u8) -> Interval {
        Interval(seconds as u64 * NANOS_PER_SEC)
    }

    /// As in a version 3 advert.
    #[must_use]
    pub const fn from_centis(centis: u16) -> Interval {
        Interval(centis as u64 * NANOS_PER_CENTI)
    }

    /// Any duration; whether a version can say it is decided when an advert is encoded.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Interval {
        Interval(nanos(duration))
    }

    /// As the kernel ABI stores it.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Interval {
        Interval(nanos)
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// As version 3's field, 1 to 4095, if the interval is a whole number of centiseconds within it.
    #[must_use]
    pub fn centis(self) -> Option<u16> {
        let centis = u16::try_from(self.0 / NANOS_PER_CENTI).ok()?;
        (self.0.is_multiple_of(NANOS_PER_CENTI) && (1..=Self::MAX_CENTIS).contains(&centis)).then_some(centis)
    }

    /// As version 2's field, 1 to 255, if the interval is a whole number of seconds within it.
    #[must_use]
    pub fn secs(self) -> Option<u8> {
        let secs = u8::try_from(self.0 / NANOS_PER_SEC).ok()?;
        (self.0.is_multiple_of(NANOS_PER_SEC) && secs > 0).then_some(secs)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.duration())
    }
}

/// State of a virtual router on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not started, or stopped (RFC 9568 §6.4.1).
    Init,
    /// Watches the master (RFC 9568 §6.4.2).
    Backup,
    /// Holds the addresses (RFC 9568 §6.4.3, where it is called Active).
    Master,
    /// May not hold them: an interface or script that it tracks is down. keepalived's own state, not in any RFC.
    Fault,
}

impl State {
    /// Every state, for tables and metrics.
    pub const ALL: [State; 4] = [State::Init, State::Backup, State::Master, State::Fault];

    /// The users' word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Init => "INIT",
            State::Backup => "BACKUP",
            State::Master => "MASTER",
            State::Fault => "FAULT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
