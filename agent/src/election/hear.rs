//! What the data path says. The kernel suspects, this side decides: an expiry counts only if it can still be
//! claimed, for an advert may have come since.

use std::net::IpAddr;

use vipward_common::abi::{self, RouterKey};
use vipward_common::lease;
use vipward_vrrp::address::{from_abi, to_abi};
use vipward_vrrp::router::{Event, Heard};
use vipward_vrrp::types::{Family, Interval, Mono, Priority, State};

use super::driver::Driver;
use super::figures::Expiry;
use super::message::Update;
use super::registry::Id;
use crate::kernel::{Claim, Datapath, Report, ReportKind};

impl Driver {
    /// Takes one report.
    pub(super) fn hear(&mut self, now: Mono, report: &Report) {
        let Some(id) = self.registry.find(&report.key) else { return };
        match report.kind {
            ReportKind::Expired => {
                let Report { generation, deadline, at, .. } = *report;
                self.expired(now, id, &report.key, Expiry { generation, deadline, at });
            }
            ReportKind::Changed | ReportKind::Resigned | ReportKind::Outranked | ReportKind::Rival => {
                let heard =
                    Heard { source: report.source, priority: report.priority, interval: report.interval };
                // Before it answers as the master that it is no longer.
                if self.is_deposed(id) && !self.is_beaten(id, &heard) {
                    self.feed(now, id, Event::Deposed);
                }
                self.mention_lower_priority(now, id, heard.priority);
                self.feed(now, id, Event::Heard(heard));
            }
        }
    }

    /// Whether the machine finds by itself that it has to yield, and can then name the reason.
    fn is_beaten(&self, id: Id, heard: &Heard) -> bool {
        self.registry
            .get(id)
            .is_some_and(|instance| lease::yields(&instance.rules(), heard.priority.0, &to_abi(heard.source)))
    }

    /// Tells of a rival that a MASTER outranks, once per interval: whoever floods the network with these causes no more.
    fn mention_lower_priority(&mut self, now: Mono, id: Id, heard: Priority) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        let (own, interval) = (instance.machine.priority(), instance.machine.params().interval);
        let master = instance.machine.state() == State::Master && !instance.machine.is_leaving();
        if !master || heard.is_stop() || heard >= own || now < instance.lower_quiet_until {
            return;
        }
        // A little less, for adverts may come early.
        instance.lower_quiet_until = now + interval.duration() / 2;
        let instance = instance.model.name.clone();
        self.send(Update::LowerPriority { instance, priority: own.0 });
    }

    /// The watch of `id` ran out.
    pub(super) fn expired(&mut self, now: Mono, id: Id, key: &RouterKey, expiry: Expiry) {
        self.figures.timer_lateness.record(expiry.at.saturating_since(expiry.deadline));
        if !self.member_expired(now, id, expiry) {
            self.claim(now, id, key, expiry);
        }
    }

    /// Makes `id` MASTER if its expiry still stands.
    pub(super) fn claim(&mut self, now: Mono, id: Id, key: &RouterKey, expiry: Expiry) {
        match self.paths.claim(key, expiry.generation) {
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
                        let expiry =
                            Expiry { generation: heard.generation, deadline: Mono(heard.deadline), at: now };
                        self.expired(now, id, &key, expiry);
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
