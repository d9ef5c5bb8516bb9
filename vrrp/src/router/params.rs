//! What is configured for one virtual router on this node.

use std::net::IpAddr;
use std::time::Duration;

use vipward_common::timing::DOWN_TIMER_ADVERTS;

use crate::types::{Family, Interval, Priority, Version, Vrid};

/// Configuration of one router. VRID, version and family are its identity: a reload that changes one of them makes
/// another router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Params {
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Protocol version.
    pub version: Version,
    /// Address family.
    pub family: Family,
    /// Address that our adverts come from, which breaks ties between equal priorities.
    pub source: IpAddr,
    /// Base priority, 1 to 255; tracking moves the effective one.
    pub priority: Priority,
    /// Interval of our own adverts.
    pub interval: Interval,
    /// Whether a master of lower priority is replaced (Preempt_Mode). The owner of the addresses does it anyway.
    pub preempt: bool,
    /// How long a master of lower priority is tolerated before it is replaced; zero for not at all.
    pub preempt_delay: Duration,
    /// Intervals without an advert before the master counts as dead; the RFCs say 3.
    pub down_adverts: u8,
    /// Gratuitous ARP and unsolicited neighbour adverts.
    pub garp: Garp,
    /// As MASTER, leave the advert of a losing master unanswered (RFC 5798 §6.4.3; RFC 9568 answers it).
    pub lower_prio_no_advert: bool,
    /// As MASTER, advertise once more before a rival is given way to: it then hears of a losing master, and tells the
    /// neighbours again.
    pub higher_prio_send_advert: bool,
    /// As MASTER with priority 255, yield to nobody, and answer nobody.
    pub owner_ignore_adverts: bool,
}

impl Params {
    /// The protocol's and keepalived's defaults: version 3, priority 100, 1 s, preemption without delay.
    #[must_use]
    pub fn new(vrid: Vrid, source: IpAddr) -> Params {
        Params {
            vrid,
            version: Version::V3,
            family: Family::of(source),
            source,
            priority: Priority(100),
            interval: Interval::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_adverts: DOWN_TIMER_ADVERTS,
            garp: Garp::default(),
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
        }
    }
}

/// How often the neighbours are told where the addresses live now. The defaults are keepalived's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garp {
    /// From becoming master to the second round; zero for no second round.
    pub delay: Duration,
    /// Announcements of each address in either round.
    pub repeat: u8,
    /// Period of further announcements for as long as we are master.
    pub refresh: Option<Duration>,
    /// Announcements of each address in every refresh.
    pub refresh_repeat: u8,
    /// From a losing master's advert to the second round it causes; zero for no second round.
    pub lower_prio_delay: Duration,
    /// Announcements of each address when a losing master was heard; zero for none.
    pub lower_prio_repeat: u8,
}

impl Default for Garp {
    fn default() -> Garp {
        Garp {
            delay: Duration::from_secs(5),
            repeat: 5,
            refresh: None,
            refresh_repeat: 1,
            lower_prio_delay: Duration::from_secs(5),
            lower_prio_repeat: 5,
        }
    }
}
