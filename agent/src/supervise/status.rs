//! The answer to `status`: what the election thread reports, with the wall-clock times that only this side knows.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use vipward_vrrp::types::State;

use super::chronicle::shown;
use super::groups::together;
use crate::check::runner::ScriptResult;
use crate::config::model::Config;
use crate::control::status::{
    Datapath, Family, GroupStatus, InstanceStatus, Lease, Master, ScriptStatus, StatusSnapshot,
    Stranger as ShownStranger, TrackerStatus, Transitions, rfc3339,
};
use crate::election::message::{
    LeaseState, Preemption, Snapshot, Stranger, Tracker, Transition, TransitionCount,
};
use crate::kernel::Kind;
use crate::logging;
use crate::metrics::observation::Happened;
use crate::render::engine::ResourceReport;

/// When an instance changed its state, and why.
type LastTransition = (SystemTime, String);

/// Transitions that are remembered for the timeline.
const TIMELINE: usize = 50;

/// What happened, and when by the wall clock.
#[derive(Clone, Debug)]
pub(super) struct History {
    started: SystemTime,
    router_id: String,
    /// The place of each instance in the configuration.
    order: HashMap<String, usize>,
    /// Sync groups: their names and their members'.
    groups: Vec<(String, Vec<String>)>,
    transitions: HashMap<String, LastTransition>,
    /// Of instances whose names others took, until it is heard what they themselves are called now.
    displaced: HashMap<String, LastTransition>,
    scripts: Vec<ScriptStatus>,
    /// The last transitions of all instances, the oldest first.
    timeline: VecDeque<Happened>,
}

impl History {
    /// Begins now.
    pub(super) fn new() -> History {
        History {
            started: SystemTime::now(),
            router_id: String::new(),
            order: HashMap::new(),
            groups: Vec::new(),
            transitions: HashMap::new(),
            displaced: HashMap::new(),
            scripts: Vec::new(),
            timeline: VecDeque::new(),
        }
    }

    /// When the agent started.
    pub(super) fn started(&self) -> SystemTime {
        self.started
    }

    /// The last transitions, the newest first.
    pub(super) fn timeline(&self) -> Vec<Happened> {
        self.timeline.iter().rev().cloned().collect()
    }

    /// Notes a transition.
    pub(super) fn transition(&mut self, transition: &Transition) {
        let (now, why) = (SystemTime::now(), transition.why.clone());
        if self.timeline.len() >= TIMELINE {
            self.timeline.pop_front();
        }
        self.timeline.push_back(Happened {
            at: rfc3339(now),
            instance: transition.instance.clone(),
            from: shown(transition.from),
            to: shown(transition.to),
            why: why.clone(),
        });
        self.transitions.insert(transition.instance.clone(), (now, why));
    }

    /// Forgets an instance that is gone.
    pub(super) fn removed(&mut self, instance: &str) {
        self.transitions.remove(instance);
    }

    /// Keeps the history of an instance that has another name now. Names may move on in a row or change places, and
    /// are told one by one.
    pub(super) fn renamed(&mut self, from: &str, to: &str) {
        let Some(last) = self.displaced.remove(from).or_else(|| self.transitions.remove(from)) else {
            return;
        };
        if let Some(displaced) = self.transitions.insert(to.to_owned(), last) {
            self.displaced.insert(to.to_owned(), displaced);
        }
    }

    /// Takes over what a configuration calls this machine, the order of its instances, and its groups.
    pub(super) fn list_instances(&mut self, router_id: String, config: &Config) {
        self.router_id = router_id;
        let names = config.instances.iter().map(|instance| instance.name.clone());
        self.order = names.enumerate().map(|(place, name)| (name, place)).collect();
        self.groups = config.groups.iter().map(|group| (group.name.clone(), group.members.clone())).collect();
    }

    /// Lists the scripts that run from now on; known results are kept.
    pub(super) fn list_scripts(&mut self, names: impl Iterator<Item = String>) {
        let mut before = std::mem::take(&mut self.scripts);
        self.scripts = names
            .map(|name| match before.iter().position(|script| script.name == name) {
                Some(known) => before.swap_remove(known),
                None => ScriptStatus { name, up: None, detail: None, since: None },
            })
            .collect();
    }

    /// Notes a script's verdict.
    pub(super) fn script(&mut self, result: &ScriptResult) {
        if let Some(script) = self.scripts.iter_mut().find(|script| script.name == result.name) {
            let output =
                if result.output.is_empty() { String::new() } else { format!(": {}", result.output) };
            script.up = Some(result.up);
            script.detail = Some(format!("{}{output}", result.exit));
            script.since = Some(rfc3339(SystemTime::now()));
        }
    }

    /// The whole answer.
    pub(super) fn status(
        &self,
        mut instances: Vec<Snapshot>,
        resources: Vec<ResourceReport>,
    ) -> StatusSnapshot {
        // The election has them in the order in which they came.
        instances.sort_by_key(|instance| self.order.get(&instance.name).copied().unwrap_or(usize::MAX));
        StatusSnapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            log_level: logging::level().map(|level| level.to_string().to_lowercase()),
            router_id: self.router_id.clone(),
            started: rfc3339(self.started),
            groups: self.groups.iter().map(|(name, members)| group(name, members, &instances)).collect(),
            instances: instances.into_iter().map(|instance| self.instance(instance)).collect(),
            scripts: self.scripts.clone(),
            resources,
        }
    }

    fn instance(&self, instance: Snapshot) -> InstanceStatus {
        let last = self.transitions.get(&instance.name);
        let own = (instance.state == State::Master)
            .then_some(instance.source.map(|source| (source, instance.effective_priority)))
            .flatten();
        let master = own.or(instance.master).map(|(address, priority)| Master {
            address: address.to_string(),
            priority,
            own: own.is_some(),
        });
        InstanceStatus {
            vrid: instance.vrid,
            interface: instance.interface,
            family: if instance.ipv6 { Family::Ipv6 } else { Family::Ipv4 },
            state: shown(instance.state),
            group: instance.group,
            priority: instance.priority,
            effective_priority: instance.effective_priority,
            master,
            takeover_seconds: instance.patience.map(|patience| patience.as_secs_f64()),
            preempts: instance.preemption != Preemption::Never,
            preempts_in_seconds: match instance.preemption {
                Preemption::Delayed(left) => Some(left.as_secs_f64()),
                Preemption::Never | Preemption::Ready => None,
            },
            vips: instance.vips,
            datapath: instance.datapath.map(|kind| match kind {
                Kind::Xdp => Datapath::Xdp,
                Kind::XdpGeneric => Datapath::XdpGeneric,
                Kind::Socket => Datapath::Socket,
            }),
            datapath_reason: instance.datapath_reason,
            trackers: instance.trackers.into_iter().map(tracker).collect(),
            transitions: instance.transitions,
            transitions_by: instance.transitions_by.iter().map(transitions).collect(),
            last_transition: last.map(|(at, _)| rfc3339(*at)),
            last_cause: last.map(|(_, why)| why.clone()),
            fault: (!instance.faults.is_empty()).then(|| instance.faults.join("; ")),
            waiting: instance.waiting,
            drained: instance.drained,
            leaving: instance.leaving,
            lease: match instance.lease {
                LeaseState::Unavailable(reason) => Lease::Unavailable { reason: reason.to_owned() },
                LeaseState::None => Lease::None,
                LeaseState::Held(remaining_seconds) => Lease::Held { remaining_seconds },
                LeaseState::Leaving(remaining_seconds) => Lease::Leaving { remaining_seconds },
            },
            fenced: instance.fenced.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect(),
            interval_seconds: instance.interval.as_secs_f64(),
            last_advert_seconds_ago: instance.last_advert.map(|ago| ago.as_secs_f64()),
            timeouts: instance.timeouts,
            adverts_received: instance.counters.accepted,
            adverts_sent: instance.adverts_sent,
            adverts_priority_zero_sent: instance.resignations,
            adverts_failed: instance.adverts_failed,
            adverts_rejected: instance.rejected.iter().map(|(_, count)| count).sum(),
            adverts_rejected_by: instance
                .rejected
                .iter()
                .map(|(label, n)| ((*label).to_owned(), *n))
                .collect(),
            adverts_priority_zero: instance.counters.priority_zero,
            adverts_address_list_differs: instance.counters.address_list,
            adverts_interval_differs: instance.counters.interval_differs,
            timer_not_armed: instance.counters.arm_failed,
            events_ring_full: instance.counters.ring_full,
            strangers: instance.strangers.iter().map(stranger).collect(),
            repairs: instance.repairs,
            name: instance.name,
        }
    }
}

fn group(name: &str, members: &[String], instances: &[Snapshot]) -> GroupStatus {
    let states = instances.iter().filter(|it| it.group.as_deref() == Some(name)).map(|it| it.state);
    GroupStatus { name: name.to_owned(), state: shown(together(states)), members: members.to_vec() }
}

fn tracker(tracker: Tracker) -> TrackerStatus {
    TrackerStatus {
        kind: tracker.kind.name().to_owned(),
        name: tracker.name,
        weight: tracker.weight.value,
        reverse: tracker.weight.reverse,
        state: tracker.state,
        change: tracker.change,
        fault: tracker.fault,
    }
}

fn transitions(counted: &TransitionCount) -> Transitions {
    let TransitionCount { to, cause, count } = *counted;
    Transitions { to: shown(to), cause: cause.to_owned(), count }
}

fn stranger(stranger: &Stranger) -> ShownStranger {
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    ShownStranger {
        what: stranger.what.to_owned(),
        address: stranger.source.to_string(),
        mac: stranger.mac.map(mac),
        version: stranger.version,
        seconds_ago: stranger.age.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Options, load_str};

    /// A history in which each of these had a transition, with its name as the cause.
    fn of(names: &[&str]) -> History {
        let mut history = History::new();
        for name in names {
            history.transitions.insert((*name).to_owned(), (SystemTime::now(), (*name).to_owned()));
        }
        history
    }

    /// Whose history each name has now.
    fn owners(history: &History) -> Vec<(&str, &str)> {
        let mut owners: Vec<(&str, &str)> =
            history.transitions.iter().map(|(name, (_, why))| (name.as_str(), why.as_str())).collect();
        owners.sort_unstable();
        owners
    }

    fn snapshot(name: &str) -> Snapshot {
        Snapshot {
            name: name.to_owned(),
            vrid: 1,
            group: None,
            interface: "eth0".to_owned(),
            ipv6: false,
            state: State::Init,
            priority: 100,
            effective_priority: 100,
            master: None,
            patience: None,
            preemption: Preemption::Ready,
            vips: Vec::new(),
            source: None,
            datapath: None,
            datapath_reason: None,
            trackers: Vec::new(),
            transitions: 0,
            transitions_by: Vec::new(),
            interval: std::time::Duration::from_secs(1),
            last_advert: None,
            timeouts: 0,
            adverts_sent: 0,
            resignations: 0,
            adverts_failed: 0,
            counters: vipward_common::abi::Counters::default(),
            rejected: vec![("ttl", 2), ("auth_data", 3)],
            strangers: Vec::new(),
            repairs: 0,
            waiting: Some("its interface".to_owned()),
            drained: false,
            leaving: false,
            lease: LeaseState::None,
            fenced: Vec::new(),
            faults: Vec::new(),
        }
    }

    #[test]
    fn instances_are_in_the_order_of_the_configuration() {
        let mut history = History::new();
        let instance = |(number, name): (usize, &str)| {
            let vrid = number + 1;
            format!(
                "vrrp_instance {name} {{\ninterface e\nvirtual_router_id {vrid}\n\
                 virtual_ipaddress {{ 10.0.0.{vrid} }}\n}}\n"
            )
        };
        let text: String = ["first", "second", "third"].into_iter().enumerate().map(instance).collect();
        let config = load_str(Path::new("f"), &text, &Options::default()).config.expect("fine");
        history.list_instances("n1".to_owned(), &config);
        let status = history.status(["third", "new", "first", "second"].map(snapshot).to_vec(), Vec::new());
        let names: Vec<&str> = status.instances.iter().map(|instance| instance.name.as_str()).collect();
        assert_eq!(names, ["first", "second", "third", "new"]);
        assert_eq!(status.router_id, "n1");
    }

    #[test]
    fn rejections_are_counted_by_reason_and_as_a_sum() {
        let status = History::new().status(vec![snapshot("a")], Vec::new());
        let instance = status.instances.first().expect("one");
        assert_eq!(instance.adverts_rejected, 5);
        assert_eq!(instance.adverts_rejected_by.get("auth_data"), Some(&3));
        assert_eq!(instance.waiting.as_deref(), Some("its interface"));
    }

    #[test]
    fn a_renamed_instance_keeps_its_history_whoever_had_the_name() {
        let mut swapped = of(&["a", "b"]);
        swapped.renamed("a", "b");
        swapped.renamed("b", "a");
        assert_eq!(owners(&swapped), [("a", "b"), ("b", "a")]);

        let mut moved_on = of(&["a", "b"]);
        moved_on.renamed("a", "b");
        moved_on.renamed("b", "c");
        assert_eq!(owners(&moved_on), [("b", "a"), ("c", "b")]);

        let mut moved_up = of(&["a", "b", "c"]);
        moved_up.removed("a");
        moved_up.renamed("b", "a");
        moved_up.renamed("c", "b");
        assert_eq!(owners(&moved_up), [("a", "b"), ("b", "c")]);
    }
}
