//! Taking a configuration: the first one, or a reload that touches only what differs.

use std::collections::HashMap;

use vipward_common::abi::RouterKey;
use vipward_vrrp::router::Event;
use vipward_vrrp::types::Mono;

use super::driver::Driver;
use super::instance::Instance;
use super::message::{Changes, Command, Level, Update};
use super::registry::Id;
use super::snapshot::Surveying;
use super::trackers::tracks;
use super::{plan, realtime};
use crate::check::tracking::Kind;
use crate::config::model::{self, Config};
use crate::kernel::{self, Attachment, Datapath, LeaseOrder};
use crate::net::{Owner, Vip};

/// Priority of the address owner (RFC 9568 §5.2.4).
pub(super) const OWNER: u8 = 255;

/// What makes an instance the same across a reload: its name may change.
type Identity = (String, model::Family, model::Version, u8);

fn identity(instance: &model::Instance) -> Identity {
    (instance.interface.clone(), instance.family, instance.version, instance.vrid)
}

impl Driver {
    /// Carries out a command. An answer that nobody waits for any more is dropped.
    pub(super) fn command(&mut self, now: Mono, command: Command) {
        match command {
            // Whoever asked is told by the dropped channel.
            Command::Configure(..) if self.stopping => {}
            Command::Configure(config, reply) => {
                let _ = reply.send(self.configure(now, &config));
            }
            Command::Track(report) => {
                let (kind, name) = (report.kind, report.name.clone());
                self.trackers.report(report);
                self.reconsider_tracking(now, kind, &name);
            }
            Command::Drain(on, reply) => {
                let _ = reply.send(self.drain(now, on));
            }
            Command::Ping(reply) => _ = reply.send(()),
            Command::Survey(reply) => self.surveys.push_back(Surveying::new(reply)),
            Command::Shutdown => self.shut_down(now),
        }
    }

    fn reconsider_tracking(&mut self, now: Mono, kind: Kind, name: &str) {
        let concerned: Vec<Id> = self
            .registry
            .iter()
            .filter(|(_, instance)| tracks(&instance.model, kind, name))
            .map(|(id, _)| id)
            .collect();
        for id in concerned {
            self.reconsider(now, id);
        }
    }

    fn configure(&mut self, now: Mono, config: &Config) -> Changes {
        self.trackers.configure(config);
        self.follow_realtime(config.globals.rt_priority);
        self.follow_affinity(&config.globals.cpu_affinity);
        self.statics = config.statics.clone();
        self.settle_statics();
        self.debounce.configure(&config.link_delays, &self.links);
        if self.pacing != config.pacing {
            self.pacing = config.pacing.clone();
            self.settle_paces();
        }
        if !std::mem::replace(&mut self.start.configured, true) && !config.globals.startup_delay.is_zero() {
            self.start.until = Some(now + config.globals.startup_delay);
        }
        self.dissolve_groups();
        let mut present: HashMap<Identity, Id> =
            self.registry.iter().map(|(id, instance)| (identity(&instance.model), id)).collect();
        let mut changes = Changes::default();
        let mut placed = Vec::new();
        for model in &config.instances {
            match present.remove(&identity(model)) {
                Some(id) => placed.push((id, model.clone())),
                None => {
                    if let Some(instance) = Instance::new(model.clone()) {
                        changes.added.push(model.name.clone());
                        let id = self.registry.insert(instance);
                        if self.drained {
                            self.feed(now, id, Event::Drain);
                        }
                    }
                }
            }
        }
        // Removed before the others learn of their changes: a VIP may move from one instance to another.
        let removed: Vec<Id> = present.into_values().collect();
        let name = |id: &Id| self.registry.get(*id).map(|instance| instance.model.name.clone());
        changes.removed.extend(removed.iter().filter_map(name));
        self.resign(now, &removed);
        self.forget(&removed);
        self.vips = self.all_vips(&placed);
        for (id, model) in placed {
            if self.registry.get(id).is_some_and(|instance| instance.model != model) {
                changes.changed.push(model.name.clone());
                self.change(now, id, model);
                self.keep_cadence();
            } else {
                changes.unchanged += 1;
            }
        }
        self.form_groups(&config.groups);
        self.reconsider_all(now);
        self.settle_groups(now);
        self.leases.stale = true;
        self.refresh_fences();
        self.sweep();
        changes
    }

    /// Which instance each VIP of the coming configuration belongs to.
    fn all_vips(&self, changed: &[(Id, model::Instance)]) -> HashMap<std::net::IpAddr, Id> {
        let changed_models = changed.iter().map(|(id, model)| (*id, model));
        let others = self.registry.iter().filter(|(id, _)| !changed.iter().any(|(other, _)| other == id));
        changed_models
            .chain(others.map(|(id, instance)| (id, &instance.model)))
            .flat_map(|(id, model)| model.vips.iter().map(move |vip| (vip.address, id)))
            .collect()
    }

    /// A priority that the kernel refuses is one line, and the thread stays at the one it has.
    fn follow_realtime(&mut self, wanted: Option<u8>) {
        if self.realtime == wanted {
            return;
        }
        self.realtime = wanted;
        if let Err(refusal) = realtime::set_priority(wanted) {
            self.warn(refusal);
        }
    }

    fn follow_affinity(&mut self, wanted: &[usize]) {
        if self.affinity.0 == wanted {
            return;
        }
        let before = *self.affinity.1.get_or_insert_with(|| realtime::affinity().unwrap_or_default());
        self.affinity.0 = wanted.to_vec();
        if let Err(refusal) = realtime::set_affinity(wanted, Some(before)) {
            self.warn(refusal);
        }
    }

    fn change(&mut self, now: Mono, id: Id, model: model::Instance) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        if instance.model.name != model.name {
            let (from, to) = (instance.model.name.clone(), model.name.clone());
            self.send(Update::Renamed { from, to });
        }
        let Some(instance) = self.registry.get_mut(id) else { return };
        let source = instance.source.unwrap_or_else(|| plan::unspecified(&model));
        let Some(params) = plan::params(&model, source) else { return };
        let peers = plan::peers(&model);
        instance.model = model;
        instance.forget_adverts();
        let key = instance.key;
        self.feed(now, id, Event::Reconfigured(params));
        if let Some(key) = key {
            self.mention_unseen_macs(id, key);
        }
        self.renew_rules(now, id);
        if let Some(key) = key
            && let Err(error) = self.paths.set_peers(&key, &peers)
        {
            self.datapath_failed(now, id, error.to_string());
        }
        self.settle_interface(id);
        self.plan_extra(now, id);
        self.schedule(id);
        self.refresh_held(id);
    }

    /// Ties the instance to its interface when that appeared, and unties it when it went.
    pub(super) fn place(&mut self, now: Mono, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        let ifindex = self.links.by_name(&instance.model.interface).map(|link| link.ifindex);
        if instance.key.map(|key| key.ifindex) == ifindex {
            return;
        }
        if let Some(key) = instance.key {
            self.displace(id, key);
        }
        let Some(ifindex) = ifindex else { return };
        self.seat(now, id, ifindex);
    }

    /// Unties the instance from its interface, which may be gone.
    pub(super) fn displace(&mut self, id: Id, key: RouterKey) {
        self.leave(id, key);
        self.leave_interface(id);
        if self.links.by_index(key.ifindex).is_none() {
            self.sender.forget(key.ifindex);
            self.announcer.forget(key.ifindex);
        }
        if let Some(instance) = self.registry.get_mut(id) {
            instance.attachment = None;
            instance.source = None;
        }
    }

    fn leave(&mut self, id: Id, key: RouterKey) {
        if let (Ok(counters), Some(instance)) = (self.paths.counters(&key), self.registry.get_mut(id)) {
            instance.counted = instance.counted.plus(&counters);
        }
        // A router that was never added, or went with its interface, leaves nothing behind.
        let _ = self.paths.remove(&key);
        self.registry.bind(id, None);
        if let Some(instance) = self.registry.get_mut(id) {
            instance.fenced.clear();
        }
        self.leases.stale = true;
        self.fds_change();
    }

    fn seat(&mut self, now: Mono, id: Id, ifindex: u32) {
        let Some(instance) = self.registry.get(id) else { return };
        let key = plan::key(&instance.model, ifindex);
        let (rules, peers) = (instance.rules(), plan::peers(&instance.model));
        let first =
            !self.registry.iter().any(|(_, other)| other.key.is_some_and(|key| key.ifindex == ifindex));
        let interface = instance.model.interface.clone();
        let seated = self.paths.seat(&interface, key, &rules, &peers);
        self.registry.bind(id, Some(key));
        match seated {
            Ok(attachment) => {
                if first {
                    let Attachment { kind, reason } = &attachment;
                    let text = format!("adverts on {interface} are received by {kind}: {reason}");
                    self.send(Update::Note { level: Level::Info, instance: None, text });
                    if self.leases.on && *kind == kernel::Kind::Socket {
                        self.warn(format!(
                            "there is no lease on {interface}: only XDP keeps a node whose agent is stuck from \
                             answering for its VIPs"
                        ));
                    }
                }
                if let Some(instance) = self.registry.get_mut(id) {
                    instance.attachment = Some(attachment);
                }
                self.mention_unseen_macs(id, key);
            }
            Err(error) => self.datapath_failed(now, id, error.to_string()),
        }
        self.fds_change();
        self.leases.stale = true;
        self.settle_interface(id);
        self.settle_inheritance(now, id);
    }

    /// Addresses alone are checked where frames' headers are not seen. That is weaker, and still better than no service.
    fn mention_unseen_macs(&mut self, id: Id, key: RouterKey) {
        let Some(instance) = self.registry.get(id) else { return };
        if instance.model.trusted.iter().any(|router| router.mac.is_some()) && !self.paths.sees_macs(&key) {
            let text = "the MACs in `vipward_peers` are NOT checked, only the addresses: a raw socket does not see \
                        them, XDP does";
            self.note(id, Level::Warn, text.to_owned());
        }
    }

    /// What an earlier agent left of this instance is gone on with, or removed.
    fn settle_inheritance(&mut self, now: Mono, id: Id) {
        let inherited = self.inherited(now, id);
        if let Some(instance) = self.registry.get_mut(id).filter(|_| inherited.is_some()) {
            instance.inherited = inherited;
            // Its checks passed a moment ago, as far as anybody knows: their next result may say otherwise.
            instance.started = true;
            return;
        }
        self.clear_stray_routes(id);
        let strays = self.clear_strays(id, &[]);
        if strays > 0 {
            self.note(id, Level::Info, format!("removing {strays} of its VIPs that were left behind"));
        }
        self.order_lease(id, LeaseOrder::End);
    }

    /// Removes what is left of an instance's VIPs on their interfaces, with whatever prefix they are there, apart from
    /// those that are `released` already; returns how many that are. The address owner's VIPs are the host's own, and
    /// so is an interface's only address.
    pub(super) fn clear_strays(&mut self, id: Id, released: &[Vip]) -> usize {
        let Some(instance) = self.registry.get(id).filter(|instance| instance.model.priority < OWNER) else {
            return 0;
        };
        let model = &instance.model;
        let mut strays = Vec::new();
        let mut spared = Vec::new();
        for vip in &model.vips {
            let device = vip.dev.as_deref().unwrap_or(&model.interface);
            let Some(link) = self.links.by_name(device) else { continue };
            let own = model.vmac.as_ref().is_some_and(|vmac| vmac.name == device);
            let alone = !own
                && vip.address.is_ipv4()
                && self.links.source_v4(link.ifindex, |address| self.is_vip(address)).is_none();
            let here = self.links.holders(vip.address).filter(|held| held.ifindex == link.ifindex);
            for held in here.filter(|held| !released.iter().any(|vip| vip.is(held))) {
                if alone {
                    spared.push(format!(
                        "VIP {} is all that {device} has for an address: it stays",
                        vip.address
                    ));
                } else {
                    strays.push(Vip::found(held));
                }
            }
        }
        self.addresses.expel(Owner(id.0), &strays);
        for text in spared {
            self.note(id, Level::Warn, text);
        }
        strays.len()
    }

    /// Resigns at once: letting go of the data path afterwards can cost the kernel half a second, and a master that
    /// is silent for so long is dead to its backups. Nothing is handed over, for another instance may get the VIPs.
    fn resign(&mut self, now: Mono, retired: &[Id]) {
        for id in retired {
            self.retire(now, *id);
            if self.registry.get(*id).is_some_and(|instance| instance.machine.is_leaving()) {
                self.feed(now, *id, Event::Shutdown);
            }
        }
        self.flush_adverts();
    }

    pub(super) fn forget(&mut self, retired: &[Id]) {
        self.publish_all();
        for id in retired {
            self.deadlines.set(*id, None);
            if let Some(key) = self.registry.get(*id).and_then(|instance| instance.key) {
                self.leave(*id, key);
            }
            self.leave_interface(*id);
            let gone = self.registry.remove(*id).map(|instance| instance.model.name);
            // An instance that stops with the agent was told so.
            self.removed.extend(gone.filter(|_| !self.stopping));
        }
    }
}
