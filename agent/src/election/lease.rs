//! Leases: what the kernel may let this node serve, renewed by what was really sent.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use vipward_common::lease::NONE;
use vipward_common::timing::lease_length;
use vipward_vrrp::router::Event;
use vipward_vrrp::types::{Mono, State};

use super::configure::OWNER;
use super::driver::Driver;
use super::instance::Instance;
use super::registry::Id;
use crate::kernel::{Datapath, LeaseOrder};

/// `fe80::/10`: such an address means something on its own link alone.
const LINK_LOCAL: u16 = 0xfe80;

/// What the thread must remember of the leases.
pub(super) struct Leases {
    /// Whether there are leases at all.
    pub(super) on: bool,
    /// What is fenced may not be what is to be.
    pub(super) stale: bool,
    /// Whose adverts wait to be sent.
    pub(super) advertised: Vec<Id>,
    /// Whose leases the data path ended, and whose machines do not know yet.
    deposed: Vec<Id>,
}

impl Leases {
    pub(super) fn new(on: bool) -> Leases {
        Leases { on, stale: false, advertised: Vec::new(), deposed: Vec::new() }
    }

    /// Has the machine hear soon that the data path ended its lease.
    pub(super) fn depose(&mut self, id: Id) {
        if !self.deposed.contains(&id) {
            self.deposed.push(id);
        }
    }

    /// Whether a machine waits to hear that it is MASTER no longer.
    pub(super) fn urgent(&self) -> bool {
        !self.deposed.is_empty()
    }
}

impl Driver {
    /// Renews the lease of everybody whose advert went out, at `sent_at` or later. An advert to several peers counts
    /// as sent when it went to one of them; one of priority 0 renews nothing.
    pub(super) fn renew_leases(&mut self, sent_at: Mono, failed: &[Id]) {
        let mut advertised = std::mem::take(&mut self.leases.advertised);
        for id in advertised.drain(..) {
            let Some(instance) = self.registry.get(id) else { continue };
            let resigned = instance.queued.is_none_or(|(_, priority)| priority.is_stop());
            let Some(key) = instance.key.filter(|_| !resigned) else { continue };
            let failures = failed.iter().filter(|other| **other == id).count();
            if failures > 0 && failures >= instance.destinations() {
                continue;
            }
            let params = instance.machine.params();
            let length = lease_length(params.interval.nanos(), params.down_adverts);
            let renewed = self.paths.order_lease(&key, LeaseOrder::Renew { sent_at: sent_at.0, length });
            if !renewed && self.registry.get(id).is_some_and(|it| it.machine.state() == State::Master) {
                self.leases.depose(id);
            }
        }
        self.leases.advertised = advertised;
    }

    /// Whether the data path ended the lease of a machine that believes to be MASTER.
    pub(super) fn is_deposed(&self, id: Id) -> bool {
        let master = self.registry.get(id).filter(|it| self.leases.on && it.machine.state() == State::Master);
        let lease = master.and_then(|instance| self.paths.lease(&instance.key?));
        lease.is_some_and(|lease| lease.mode == NONE)
    }

    /// Tells the machines whose leases the data path ended.
    pub(super) fn face_depositions(&mut self, now: Mono) {
        for id in std::mem::take(&mut self.leases.deposed) {
            // Another election may have been won since.
            if self.is_deposed(id) {
                self.feed(now, id, Event::Deposed);
            }
        }
    }

    pub(super) fn order_lease(&mut self, id: Id, order: LeaseOrder) {
        if let Some(key) = self.registry.get(id).and_then(|instance| instance.key) {
            self.paths.order_lease(&key, order);
        }
    }

    /// Until when a former agent left this instance as MASTER: its lease still holds, and all its addresses are there.
    pub(super) fn inherited(&self, now: Mono, id: Id) -> Option<Mono> {
        let instance = self.registry.get(id).filter(|_| self.leases.on)?;
        let lease = self.paths.lease(&instance.key?)?;
        (lease.serves(now.0) && self.holds_all(instance)).then_some(Mono(lease.until))
    }

    fn holds_all(&self, instance: &Instance) -> bool {
        instance.model.vips.iter().all(|vip| {
            let device = vip.dev.as_deref().unwrap_or(&instance.model.interface);
            let link = self.links.by_name(device);
            link.is_some_and(|link| self.links.holders(vip.address).any(|held| held.ifindex == link.ifindex))
        })
    }

    /// Brings what is fenced in line with the instances and interfaces that there are. An address is fenced on every
    /// interface of ours, for Linux answers for it on all of them; but not the address owner's, for those are the
    /// host's own.
    pub(super) fn refresh_fences(&mut self) {
        if !std::mem::take(&mut self.leases.stale) || !self.leases.on {
            return;
        }
        let by_name = |name: &str| self.links.by_name(name).map(|link| (link.ifindex, link.name.clone()));
        let interfaces: BTreeSet<(u32, String)> = self
            .registry
            .iter()
            .filter(|(_, instance)| instance.key.is_some())
            .flat_map(|(_, instance)| {
                // What comes in for a virtual MAC passes the interface below first.
                let above = instance.model.vmac.as_ref().map(|vmac| vmac.name.as_str());
                let devices = instance.model.vips.iter().filter_map(|vip| vip.dev.as_deref());
                let devices = devices.filter(move |device| Some(*device) != above);
                devices.chain([instance.model.interface.as_str()]).filter_map(by_name)
            })
            .collect();
        for id in self.registry.ids() {
            let Some(instance) = self.registry.get(id) else { continue };
            let Some(key) = instance.key else { continue };
            let wanted = fenced(instance, &interfaces);
            if wanted == instance.fenced {
                continue;
            }
            let refused = self.paths.guard(&key, &interfaces, &wanted).err();
            if let Some(instance) = self.registry.get_mut(id) {
                instance.fenced = wanted;
            }
            if let Some(error) = refused {
                self.warn_rarely("fence", format!("not every VIP is fenced: {error}"));
            }
        }
    }

    /// Removes what an earlier agent left and this configuration does not mention.
    pub(super) fn sweep(&mut self) {
        for note in self.paths.take_notes() {
            self.warn(note);
        }
        if let Err(error) = self.paths.sweep() {
            self.warn(format!("not everything that an earlier agent left could be removed: {error}"));
        }
    }
}

/// What of an instance is fenced, and where.
fn fenced(instance: &Instance, interfaces: &BTreeSet<(u32, String)>) -> Vec<(u32, IpAddr)> {
    if instance.model.priority == OWNER {
        return Vec::new();
    }
    let mut fenced = Vec::new();
    for vip in &instance.model.vips {
        let above = instance.model.vmac.as_ref().map(|vmac| vmac.name.as_str());
        let device = vip.dev.as_deref().filter(|device| Some(*device) != above);
        let device = device.unwrap_or(&instance.model.interface);
        let here = |name: &str| name == device || !is_link_local(vip.address);
        let on = interfaces.iter().filter(|(_, name)| here(name));
        fenced.extend(on.map(|(ifindex, _)| (*ifindex, vip.address)));
    }
    fenced
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if Ipv6Addr::segments(&v6)[0] & 0xffc0 == LINK_LOCAL)
}
