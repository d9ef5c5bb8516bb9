//! What the thread tells of its instances when it is asked.

use std::time::Duration;

use tokio::sync::oneshot;
use vipward_common::abi::{self, Counters};
use vipward_common::lease::{HELD, LEAVING};
use vipward_common::reason::{Fenced, Reason};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::router::Cause;
use vipward_vrrp::types::{Mono, State};

use super::configure::OWNER;
use super::driver::Driver;
use super::instance::Instance;
use super::message::{
    LeaseState, OTHER_ADDRESSES, OTHER_INTERVAL, Preemption, Snapshot, Stranger, Survey, Tracker,
    TransitionCount,
};
use super::plan;
use super::registry::Id;
use crate::check::tracking::{Effect, effect};
use crate::clock;
use crate::config::model;
use crate::kernel::{Datapath, Kind};

/// Instances that are reported in one turn: each takes a few system calls.
const SLICE: usize = 32;

/// A survey that is under way. However many instances there are, elections wait for a slice of it at most.
pub(super) struct Surveying {
    /// Where to go on.
    from: Id,
    instances: Vec<Snapshot>,
    reply: oneshot::Sender<Survey>,
}

impl Surveying {
    pub(super) fn new(reply: oneshot::Sender<Survey>) -> Surveying {
        Surveying { from: Id(0), instances: Vec::new(), reply }
    }
}

impl Driver {
    /// Does a slice of the survey that was asked for first.
    pub(super) fn survey(&mut self) {
        let Some(mut survey) = self.surveys.pop_front() else { return };
        if survey.reply.is_closed() {
            return;
        }
        let mut slice = self.registry.from(survey.from);
        survey.instances.extend(slice.by_ref().take(SLICE).map(|(_, instance)| self.snapshot(instance)));
        if let Some((next, _)) = slice.next() {
            survey.from = next;
            self.surveys.push_front(survey);
            return;
        }
        // Who does not wait any more needs no answer.
        let _ = survey.reply.send(Survey { instances: survey.instances, figures: self.figures() });
    }

    fn snapshot(&self, instance: &Instance) -> Snapshot {
        let (model, attachment) = (&instance.model, instance.attachment.as_ref());
        let counters = instance.key.and_then(|key| self.paths.counters(&key).ok()).unwrap_or_default();
        let counters = counters.plus(&instance.counted);
        let state = instance.machine.state();
        let master = instance.machine.master().filter(|_| state == State::Backup);
        // The only deadline that a BACKUP has.
        let preempts_at = instance.machine.next_deadline().filter(|_| state == State::Backup);
        let heard = instance.key.and_then(|key| self.paths.heard(&key).ok()).unwrap_or_default();
        let last_advert = Some(Mono(heard.last_advert)).filter(|at| at.0 > 0);
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
            patience: instance.machine.patience(),
            preemption: match (instance.machine.preempts(), preempts_at) {
                (false, _) => Preemption::Never,
                (true, None) => Preemption::Ready,
                (true, Some(at)) => Preemption::Delayed(at.saturating_since(clock::now())),
            },
            vips: model.vips.iter().map(|vip| format!("{}/{}", vip.address, vip.prefix_len)).collect(),
            datapath: attachment.map(|a| a.kind),
            datapath_reason: attachment.filter(|a| a.kind != Kind::Xdp).map(|a| a.reason.clone()),
            source: instance.source,
            trackers: self.trackers_of(instance),
            transitions: instance.stats.transitions,
            transitions_by: transitions(instance),
            interval: Duration::from_nanos(instance.machine.params().interval.nanos()),
            last_advert: last_advert.map(|at| clock::now().saturating_since(at)),
            timeouts: heard.timeouts,
            adverts_sent: instance.stats.adverts_sent,
            resignations: instance.stats.resignations,
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

fn transitions(instance: &Instance) -> Vec<TransitionCount> {
    let by_state = State::ALL.into_iter().zip(&instance.stats.transitions_by);
    let counts = by_state.flat_map(|(to, counts)| {
        Cause::LABELS.into_iter().zip(counts).map(move |(cause, count)| TransitionCount {
            to,
            cause,
            count: *count,
        })
    });
    counts.filter(|transitions| transitions.count > 0).collect()
}
