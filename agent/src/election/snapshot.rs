//! What the thread tells of its instances when it is asked.

use vipward_common::abi::{self, Counters};
use vipward_common::lease::{HELD, LEAVING};
use vipward_common::reason::{Fenced, Reason};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::types::{Mono, State};

use super::configure::OWNER;
use super::driver::Driver;
use super::instance::Instance;
use super::message::{LeaseState, OTHER_ADDRESSES, OTHER_INTERVAL, Snapshot, Stranger, Tracker};
use super::plan;
use crate::check::tracking::{Effect, effect};
use crate::clock;
use crate::config::model;
use crate::kernel::{Datapath, Kind};

impl Driver {
    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        self.registry.iter().map(|(_, instance)| self.snapshot(instance)).collect()
    }

    fn snapshot(&self, instance: &Instance) -> Snapshot {
        let (model, attachment) = (&instance.model, instance.attachment.as_ref());
        let counters = instance.key.and_then(|key| self.paths.counters(&key).ok()).unwrap_or_default();
        let counters = counters.plus(&instance.counted);
        let state = instance.machine.state();
        let master = instance.machine.master().filter(|_| state == State::Backup);
        Snapshot {
            name: model.name.clone(),
            vrid: model.vrid,
            group: self.group_name(instance.group).map(str::to_owned),
            interface: model.interface.clone(),
            ipv6: model.family == model::Family::V6,
            state,
            priority: model.priority,
            effective_priority: instance.machine.priority().0,
            master: master.map(|master| (master.source, master.priority.0)),
            vips: model.vips.iter().map(|vip| format!("{}/{}", vip.address, vip.prefix_len)).collect(),
            datapath: attachment.map(|a| a.kind),
            datapath_reason: attachment.filter(|a| a.kind != Kind::Xdp).map(|a| a.reason.clone()),
            source: instance.source,
            trackers: self.trackers_of(instance),
            transitions: instance.stats.transitions,
            adverts_sent: instance.stats.adverts_sent,
            adverts_failed: instance.stats.adverts_failed,
            counters,
            rejected: Reason::ALL
                .iter()
                .zip(counters.rejected)
                .filter(|(_, count)| *count > 0)
                .map(|(reason, count)| (reason.label(), count))
                .collect(),
            strangers: self.strangers(instance, &counters),
            repairs: instance.stats.repairs,
            waiting: instance.waiting.clone(),
            drained: instance.machine.is_drained(),
            leaving: instance.machine.is_leaving(),
            lease: self.lease_state(instance),
            fenced: Fenced::ALL
                .iter()
                .zip(counters.fenced)
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| (kind.label(), count))
                .collect(),
            faults: instance.faults.clone(),
        }
    }

    fn trackers_of(&self, instance: &Instance) -> Vec<Tracker> {
        let owner = instance.model.priority == OWNER;
        let tracked = self.tracked(instance);
        let tracked = tracked.iter().map(|item| {
            // Nothing moves the owner's priority.
            let effect = if owner && item.weight.value != 0 { Effect::Adds(0) } else { effect(item) };
            Tracker {
                kind: item.kind,
                name: item.name.to_owned(),
                weight: item.weight,
                state: item.health.to_string(),
                change: if let Effect::Adds(change) = effect { change } else { 0 },
                fault: effect == Effect::Faults,
            }
        });
        tracked.collect()
    }

    /// Asks only for what was counted: each question may be a system call.
    fn strangers(&self, instance: &Instance, counters: &Counters) -> Vec<Stranger> {
        let Some(key) = instance.key else { return Vec::new() };
        let now = clock::now();
        let rejected = Reason::ALL.iter().zip(counters.rejected);
        let rejected = rejected.map(|(reason, count)| (*reason as u32, reason.label(), count));
        let accepted = [
            (abi::WHAT_ADDRESSES, OTHER_ADDRESSES, counters.address_list),
            (abi::WHAT_INTERVAL, OTHER_INTERVAL, counters.interval_differs),
        ];
        let odd = rejected.chain(accepted).filter(|(.., count)| *count > 0);
        odd.filter_map(|(number, what, _)| {
            let abi::Stranger { at, source, mac, version_type, .. } = self.paths.stranger(&key, number)?;
            Some(Stranger {
                what,
                source: from_abi(source, plan::family(&instance.model)),
                mac: (mac != [0; 6]).then_some(mac),
                version: version_type >> 4,
                age: now.saturating_since(Mono(at)),
            })
        })
        .collect()
    }

    fn lease_state(&self, instance: &Instance) -> LeaseState {
        if !self.leases.on {
            return LeaseState::Unavailable("switched off (--lease off)");
        }
        if instance.model.priority == OWNER {
            return LeaseState::Unavailable("the addresses are the host's own (priority 255)");
        }
        let Some(key) = instance.key else { return LeaseState::None };
        let Some(lease) = self.paths.lease(&key) else {
            return LeaseState::Unavailable("a raw socket keeps nothing from the VIPs");
        };
        let now = clock::now();
        let (left, over) = (Mono(lease.until).saturating_since(now), now.saturating_since(Mono(lease.until)));
        let remaining = left.as_secs_f64() - over.as_secs_f64();
        match lease.mode {
            HELD => LeaseState::Held(remaining),
            LEAVING => LeaseState::Leaving(remaining),
            _ => LeaseState::None,
        }
    }
}
