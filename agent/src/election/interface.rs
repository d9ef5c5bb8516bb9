//! What an instance needs of its interface beyond addresses: the kernel's settings, and an interface with its virtual MAC.

use std::net::IpAddr;

use super::driver::Driver;
use super::message::Level;
use super::registry::Id;
use crate::config::model::{Family, Instance};
use crate::net::{Interface, LinkEvent, Owner, Setting, firewall, vmac};

impl Driver {
    /// Brings the settings of an instance's interface in line with its configuration, and makes its interface with
    /// the virtual MAC. That takes the kernel milliseconds, and happens at the start, at a reload and with a new
    /// interface only, before the instance takes part.
    pub(super) fn settle_interface(&mut self, id: Id) {
        self.settle_firewall(id);
        let made = self.make_vmac(id);
        let Some(instance) = self.registry.get(id) else { return };
        let wanted = settings(&instance.model);
        for failure in self.sysctls.hold(Owner(id.0), &wanted) {
            self.note(id, Level::Warn, failure);
        }
        // Not before its settings: it must not ask the network for an address of its own.
        if let Some(link) = made {
            match vmac::set_up(&mut self.netlink, link.ifindex, &link.name) {
                // As it is told to us with the next turn; the instance need not wait for that.
                Ok(()) => self.links.apply(&LinkEvent::Link(link)),
                Err(error) => self.note(id, Level::Warn, error.to_string()),
            }
        }
    }

    /// Makes the interface with the virtual MAC anew if somebody removed it, or if it could not be made before.
    pub(super) fn keep_vmac(&mut self, id: Id) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        if instance.model.vmac.is_none() || instance.key.is_none() {
            return;
        }
        let there =
            instance.vmac.as_ref().is_some_and(|(ifindex, _)| self.links.by_index(*ifindex).is_some());
        if !there {
            instance.vmac = None;
            self.settle_interface(id);
        }
    }

    /// Makes the interface with the virtual MAC, or takes over one that an earlier agent left. Returns it as it will
    /// be once it is set up, if it is not.
    fn make_vmac(&mut self, id: Id) -> Option<Interface> {
        let instance = self.registry.get(id)?;
        let wanted = instance.model.vmac.clone();
        let before = instance.vmac.as_ref().map(|(_, name)| name.clone());
        if before.is_some() && before != wanted.as_ref().map(|it| it.name.clone()) {
            self.remove_vmac(id);
        }
        let wanted = wanted?;
        let parent = self.registry.get(id)?.key?.ifindex;
        let found = match self.links.by_name(&wanted.name) {
            Some(link) if link.mac == Some(wanted.mac) => link.clone(),
            Some(_) => {
                let text = format!(
                    "there is an interface {} with another MAC: name another in `use_vmac`",
                    wanted.name
                );
                self.warn_rarely("vmac", text);
                return None;
            }
            None => {
                let made = vmac::create(&mut self.netlink, parent, &wanted.name, wanted.mac);
                match made {
                    Ok(ifindex) => Interface {
                        ifindex,
                        name: wanted.name,
                        up: false,
                        running: false,
                        mac: Some(wanted.mac),
                        arp: true,
                    },
                    Err(error) => {
                        self.warn_rarely("vmac", error.to_string());
                        return None;
                    }
                }
            }
        };
        let running = self.links.by_index(parent).is_some_and(|link| link.running);
        if let Some(instance) = self.registry.get_mut(id) {
            instance.vmac = Some((found.ifindex, found.name.clone()));
        }
        if !self.pacing.groups.is_empty() {
            self.settle_paces();
        }
        (!found.up).then_some(Interface { up: true, running, ..found })
    }

    fn remove_vmac(&mut self, id: Id) {
        let made = self.registry.get_mut(id).and_then(|instance| instance.vmac.take());
        let Some((ifindex, name)) = made else { return };
        // A failure means that it is gone, with its parent or by an administrator.
        let _ = vmac::remove(&mut self.netlink, ifindex, &name);
        self.sender.forget(ifindex);
        self.announcer.forget(ifindex);
    }

    /// What keeps an instance with a virtual MAC from taking part.
    pub(super) fn vmac_fault(&self, instance: &super::instance::Instance) -> Option<String> {
        let vmac = instance.model.vmac.as_ref()?;
        let link = instance.vmac.as_ref().and_then(|(ifindex, _)| self.links.by_index(*ifindex));
        if link.is_none_or(|link| !link.up) {
            return Some(format!("waiting for interface {}, of `use_vmac`", vmac.name));
        }
        let socket = instance.attachment.as_ref().is_some_and(|it| it.kind == crate::kernel::Kind::Socket);
        // A macvlan takes frames from its own MAC for itself: adverts of a peer with the same virtual MAC reach no
        // socket of the interface below. XDP sees them first.
        (socket && !vmac.xmit_base).then(|| {
            "`use_vmac` without XDP does not hear its peers: add `vmac_xmit_base` on all nodes".to_owned()
        })
    }

    /// Closes the VIPs to this host's services, or opens them: an earlier run may have closed them.
    fn settle_firewall(&mut self, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        let table = table(&instance.model);
        let vips = instance.model.vips.iter().filter(|_| !instance.model.accept).map(|vip| vip.address);
        let wanted: Vec<IpAddr> = vips.collect();
        // A change costs tens of milliseconds, in which nobody else is served: a reload must not pay them for nothing.
        if instance.closed.as_ref() == Some(&wanted) {
            return;
        }
        if !wanted.is_empty() {
            if let Err(error) = firewall::close(&table, &wanted) {
                return self.note(id, Level::Warn, error.to_string());
            }
        } else if instance.closed.is_some() || firewall::is_there(&table) {
            firewall::open(&table);
        }
        if let Some(instance) = self.registry.get_mut(id) {
            instance.closed = Some(wanted);
        }
    }

    /// Gives everything back.
    pub(super) fn leave_interface(&mut self, id: Id) {
        if let Some(instance) = self.registry.get_mut(id)
            && instance.closed.take().is_some_and(|closed| !closed.is_empty())
        {
            firewall::open(&table(&instance.model));
        }
        self.sysctls.release(Owner(id.0));
        self.remove_vmac(id);
    }
}

/// The router's table of nftables.
fn table(model: &Instance) -> String {
    let family = if model.family == Family::V4 { 4 } else { 6 };
    format!("vipward_{}_{}_v{family}", model.interface, model.vrid)
}

/// The kernel's settings that an instance needs.
fn settings(model: &Instance) -> Vec<(Setting, &'static str)> {
    let mut wanted = Vec::new();
    if model.promote_secondaries {
        wanted.push((Setting::v4(&model.interface, "promote_secondaries"), "1"));
    }
    let Some(vmac) = &model.vmac else { return wanted };
    let v4 = |name| Setting::v4(&vmac.name, name);
    // No address of its own, which would show up beside the router's.
    wanted.push((Setting::v6(&vmac.name, "addr_gen_mode"), "1"));
    if model.family == Family::V6 {
        return wanted;
    }
    wanted.push((Setting::v6(&vmac.name, "disable_ipv6"), "1"));
    // Who asks for a VIP is to hear of the virtual MAC alone, and whoever answers by the interface below is no spoof.
    wanted.push((v4("arp_ignore"), "1"));
    wanted.push((v4("accept_local"), "1"));
    wanted.push((v4("promote_secondaries"), "1"));
    // The greater of this and `all` counts, and only 2 outdoes a strict 1.
    let strict =
        std::fs::read(Setting::v4("all", "rp_filter").path()).is_ok_and(|value| value.first() == Some(&b'1'));
    wanted.push((v4("rp_filter"), if strict { "2" } else { "0" }));
    wanted.push((Setting::v4(&model.interface, "arp_ignore"), "1"));
    wanted.push((Setting::v4(&model.interface, "arp_filter"), "1"));
    wanted
}
