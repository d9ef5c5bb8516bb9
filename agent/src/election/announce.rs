//! How fast announcements leave, and those that keep switches aware of a master's other interfaces.

use std::time::Duration;

use vipward_vrrp::types::{Mono, State};

use super::act::announce;
use super::driver::Driver;
use super::registry::Id;
use crate::config::model::{Pace, Pacing};
use crate::net::{Paces, Pauses};

fn pauses(pace: Pace) -> Pauses {
    Pauses { arp: pace.arp, na: pace.na }
}

impl Driver {
    /// Finds the interfaces of the paces, which may come and go.
    pub(super) fn settle_paces(&mut self) {
        let Pacing { default, groups } = &self.pacing;
        let index = |name: &String| self.links.by_name(name).map(|link| link.ifindex);
        let groups: Vec<(Pauses, Vec<u32>)> = groups
            .iter()
            .map(|group| (pauses(group.pace), group.interfaces.iter().filter_map(index).collect()))
            .collect();
        self.announcer.set_paces(Paces::new(pauses(*default), &groups));
    }

    /// Plans the next announcement on the VIPs' other interfaces: the first one when it becomes master, for those of
    /// the takeover itself end soon.
    pub(super) fn plan_extra(&mut self, now: Mono, id: Id) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        let every = instance.model.garp.extra;
        let wanted = instance.machine.state() == State::Master && !every.is_zero();
        instance.extra = match instance.extra {
            // A shorter interval counts at once.
            Some(at) if wanted => Some(at.min(now + every)),
            _ => wanted.then(|| now + every),
        };
    }

    /// Announces what is due on the VIPs' other interfaces.
    pub(super) fn announce_extra(&mut self, now: Mono, id: Id) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        if instance.extra.take_if(|at| *at <= now).is_none() {
            return;
        }
        let every = instance.model.garp.extra.max(Duration::from_secs(1));
        instance.extra = (instance.machine.state() == State::Master).then(|| now + every);
        let Some(instance) = self.registry.get(id) else { return };
        // Adverts tell switches of the interface that they leave by.
        let own = instance.sends_by();
        let virtual_mac = instance.vmac.as_ref().map(|(ifindex, _)| *ifindex);
        let all = instance.model.garp.extra_all;
        let meant = |ifindex: u32| Some(ifindex) != own && (all || Some(ifindex) == virtual_mac);
        for vip in instance.held.iter().filter(|vip| meant(vip.ifindex) && self.addresses.is_present(vip)) {
            announce(&mut self.announcer, &self.links, vip, 1);
        }
    }
}
