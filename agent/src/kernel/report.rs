//! What a data path reports of one router.

use std::net::IpAddr;

use vipward_common::abi::{self, RouterKey};
use vipward_vrrp::types::{Interval, Mono, Priority};
use vipward_vrrp::watch::{WatchEvent, WatchEventKind};

/// One thing that happened to one router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The router.
    pub key: RouterKey,
    /// What happened.
    pub kind: WatchEventKind,
    /// The router's generation when it happened: what [`super::Datapath::claim`] wants to know of an expiry.
    pub generation: u64,
    /// When it happened.
    pub at: Mono,
    /// The deadline that ran out or is now in force.
    pub deadline: Mono,
    /// Sender of the advert; of no meaning in an expiry.
    pub source: IpAddr,
    /// Priority in the advert; of no meaning in an expiry.
    pub priority: Priority,
    /// Interval in the advert; of no meaning in an expiry.
    pub interval: Interval,
}

impl Report {
    pub(super) fn new(key: RouterKey, event: WatchEvent) -> Report {
        let WatchEvent { kind, generation, at, deadline, interval, source, priority } = event;
        Report { key, kind, generation, at, deadline, source, priority, interval }
    }

    /// Decodes a record of the ring; `None` for one that this agent does not know.
    pub(super) fn from_ring(event: &abi::Event) -> Option<Report> {
        WatchEvent::from_abi(event).map(|(key, event)| Report::new(key, event))
    }
}
