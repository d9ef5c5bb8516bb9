//! The answer to `status`: what the election thread reports, with the wall-clock times that only this side knows.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use vipward_vrrp::types::State;

use crate::check::runner::ScriptResult;
use crate::control::status::{
    Datapath, Family, InstanceStatus, Master, ScriptStatus, State as ShownState, StatusSnapshot, rfc3339,
};
use crate::election::message::{Snapshot, Transition};
use crate::kernel::Kind;

/// What happened, and when by the wall clock.
#[derive(Clone, Debug)]
pub(super) struct History {
    started: SystemTime,
    instances: BTreeSet<String>,
    transitions: HashMap<String, (SystemTime, String)>,
    scripts: Vec<ScriptStatus>,
}

impl History {
    /// Begins now.
    pub(super) fn new() -> History {
        History {
            started: SystemTime::now(),
            instances: BTreeSet::new(),
            transitions: HashMap::new(),
            scripts: Vec::new(),
        }
    }

    /// Notes a transition.
    pub(super) fn transition(&mut self, transition: &Transition) {
        self.transitions.insert(transition.instance.clone(), (SystemTime::now(), transition.why.clone()));
    }

    /// Lists the instances from now on, and returns those that are gone.
    pub(super) fn list_instances(&mut self, names: impl Iterator<Item = String>) -> Vec<String> {
        let before = std::mem::replace(&mut self.instances, names.collect());
        let gone: Vec<String> = before.difference(&self.instances).cloned().collect();
        for name in &gone {
            self.transitions.remove(name);
        }
        gone
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
    pub(super) fn status(&self, instances: Vec<Snapshot>) -> StatusSnapshot {
        StatusSnapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(self.started),
            instances: instances.into_iter().map(|instance| self.instance(instance)).collect(),
            scripts: self.scripts.clone(),
            resources: Vec::new(),
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
            state: match instance.state {
                State::Init => ShownState::Init,
                State::Backup => ShownState::Backup,
                State::Master => ShownState::Master,
                State::Fault => ShownState::Fault,
            },
            priority: instance.priority,
            effective_priority: instance.effective_priority,
            master,
            vips: instance.vips,
            datapath: instance.datapath.map(|kind| match kind {
                Kind::Xdp => Datapath::Xdp,
                Kind::XdpGeneric => Datapath::XdpGeneric,
                Kind::Socket => Datapath::Socket,
            }),
            datapath_reason: instance.datapath_reason,
            transitions: instance.transitions,
            last_transition: last.map(|(at, _)| rfc3339(*at)),
            last_cause: last.map(|(_, why)| why.clone()),
            fault: (!instance.faults.is_empty()).then(|| instance.faults.join("; ")),
            adverts_received: instance.counters.accepted,
            adverts_sent: instance.adverts_sent,
            adverts_rejected: instance.rejected.iter().map(|(_, count)| count).sum(),
            name: instance.name,
        }
    }
}
