//! What the data path says. The kernel suspects, this side decides: an expiry counts only if it can still be
//! claimed, for an advert may have come since.

use std::net::IpAddr;

use vipward_common::abi::{self, RouterKey};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::router::{Event, Heard};
use vipward_vrrp::types::{Family, Interval, Mono, Priority, State};

use super::driver::Driver;
use super::figures::Expiry;
use super::registry::Id;
use crate::kernel::{Claim, Datapath, Report, ReportKind};

impl Driver {
    /// Takes one report.
    pub(super) fn hear(&mut self, now: Mono, report: &Report) {
        let Some(id) = self.registry.find(&report.key) else { return };
        match report.kind {
            ReportKind::Expired => {
                let expiry = Expiry { deadline: report.deadline, at: report.at };
                self.expired(now, id, &report.key, report.generation, expiry);
            }
            ReportKind::Changed | ReportKind::Resigned | ReportKind::Outranked | ReportKind::Rival => {
                let heard =
                    Heard { source: report.source, priority: report.priority, interval: report.interval };
                self.feed(now, id, Event::Heard(heard));
            }
        }
    }

    fn expired(&mut self, now: Mono, id: Id, key: &RouterKey, generation: u64, expiry: Expiry) {
        self.figures.timer_lateness.record(expiry.at.saturating_since(expiry.deadline));
        match self.paths.claim(key, generation) {
            Ok(Claim::Won) => {
                self.note_decision(id, expiry);
                self.claimed = Some(id);
                self.feed(now, id, Event::Expired);
                self.claimed = None;
            }
            Ok(Claim::Stale) => {}
            Err(error) => self.datapath_failed(now, id, error.to_string()),
        }
    }

    /// After lost events: what a BACKUP missed is in the data path's state. A rival's adverts repeat themselves; a
    /// change of master and an expiry do not.
    pub(super) fn resynchronise(&mut self, now: Mono) {
        let backups: Vec<(Id, RouterKey)> = self
            .registry
            .iter()
            .filter(|(_, instance)| instance.machine.state() == State::Backup)
            .filter_map(|(id, instance)| Some((id, instance.key?)))
            .collect();
        for (id, key) in backups {
            match self.paths.heard(&key) {
                Ok(heard) => {
                    if let Some(last) = last_advert(&key, &heard) {
                        self.feed(now, id, Event::Heard(last));
                    }
                    if heard.armed == 0 && heard.deadline <= now.0 {
                        let expiry = Expiry { deadline: Mono(heard.deadline), at: now };
                        self.expired(now, id, &key, heard.generation, expiry);
                    }
                }
                Err(error) => self.datapath_failed(now, id, error.to_string()),
            }
        }
    }

    /// How long ago the last advert of this router was accepted.
    pub(super) fn silence(&self, now: Mono, id: Id) -> Option<std::time::Duration> {
        let key = self.registry.get(id)?.key?;
        let heard = self.paths.heard(&key).ok()?;
        (heard.last_advert > 0).then(|| now.saturating_since(Mono(heard.last_advert)))
    }

    /// Whether `address` is a VIP of any instance, and so never the source of adverts.
    pub(super) fn is_vip(&self, address: IpAddr) -> bool {
        self.vips.contains_key(&address)
    }
}

/// What the last accepted advert said.
fn last_advert(key: &RouterKey, heard: &abi::Heard) -> Option<Heard> {
    let family = if key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
    (heard.last_advert > 0).then(|| Heard {
        source: from_abi(heard.source, family),
        priority: Priority(heard.priority),
        interval: Interval::from_nanos(heard.advertised_ns),
    })
}
