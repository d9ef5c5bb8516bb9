//! Whether an instance may take part: its interface, its source address, what it tracks. Always computed anew
//! from the present state, so that the order in which changes came cannot matter.

use std::net::IpAddr;
use std::time::Duration;

use vipward_vrrp::router::Event;
use vipward_vrrp::types::{Family, Mono, Priority, State};

use super::driver::Driver;
use super::instance::Instance;
use super::message::Level;
use super::plan;
use super::registry::Id;
use crate::check::plan::tracked;
use crate::check::tracking::{Cause, Effective, effective};
use crate::net::{LinkEvent, Links};

/// When to read the links again, if that failed.
const RELIST: Duration = Duration::from_secs(1);

impl Driver {
    /// Takes a change of interfaces or addresses.
    pub(super) fn link_event(&mut self, now: Mono, event: &LinkEvent) {
        if let LinkEvent::Link(link) = event
            && self.links.by_index(link.ifindex) == Some(link)
        {
            return;
        }
        self.links.apply(event);
        match event {
            LinkEvent::Link(link) => self.debounce.observe(now, link),
            LinkEvent::Gone { ifindex, .. } => self.debounce.forget(*ifindex),
            LinkEvent::AddressAdded(_) | LinkEvent::AddressRemoved(_) | LinkEvent::Overrun => {}
        }
        self.addresses.observe(event);
        match event {
            LinkEvent::Link(_) | LinkEvent::Gone { .. } => {
                self.addresses.retry();
                self.settle_statics();
                self.routing.retry();
                self.routing.reassert();
                if !self.pacing.groups.is_empty() {
                    self.settle_paces();
                }
                self.reconsider_all(now);
                for id in self.registry.ids() {
                    self.refresh_held(id);
                }
                self.leases.stale = true;
            }
            LinkEvent::AddressAdded(changed) | LinkEvent::AddressRemoved(changed) => {
                if matches!(event, LinkEvent::AddressRemoved(_)) {
                    self.routing.reassert();
                }
                if !self.is_vip(changed.address) {
                    self.reconsider_on(now, changed.ifindex, changed.address);
                }
            }
            LinkEvent::Overrun => self.read_links_again(now),
        }
    }

    /// Reads what there is, after changes were lost; soon again if that fails.
    pub(super) fn read_links_again(&mut self, now: Mono) {
        let read = Links::dump(&mut self.netlink).map(|links| self.links = links);
        self.relist_at = None;
        if let Err(error) = read.and_then(|()| self.addresses.resync().map(|_| ())) {
            self.relist_at = Some(now + RELIST);
            self.warn_rarely("links", error.to_string());
        }
        self.settle_statics();
        self.routing.reassert();
        self.reconsider_all(now);
        for id in self.registry.ids() {
            self.refresh_held(id);
        }
        self.leases.stale = true;
    }

    /// Looks at every instance again.
    pub(super) fn reconsider_all(&mut self, now: Mono) {
        for id in self.registry.ids() {
            self.reconsider(now, id);
            self.keep_cadence();
        }
    }

    /// Looks at the instances on an interface again, and at those that send from `address`, which may be on another.
    fn reconsider_on(&mut self, now: Mono, ifindex: u32, address: IpAddr) {
        let concerned: Vec<Id> = self
            .registry
            .iter()
            .filter(|(_, instance)| {
                instance.key.is_some_and(|key| key.ifindex == ifindex)
                    || instance.model.source == Some(address)
            })
            .map(|(id, _)| id)
            .collect();
        for id in concerned {
            self.reconsider(now, id);
        }
    }

    /// Looks at one instance again and tells its machine what changed.
    pub(super) fn reconsider(&mut self, now: Mono, id: Id) {
        if self.registry.get(id).is_some_and(|instance| instance.retired) {
            return self.reconsider_retired(now, id);
        }
        self.place(now, id);
        self.keep_vmac(id);
        let Some(instance) = self.registry.get(id) else { return };
        let source = self.source(instance);
        let (fit, faults) = self.fitness(instance, source);
        if source != instance.source
            && let Some(address) = source
        {
            if let Some(instance) = self.registry.get_mut(id) {
                instance.source = source;
                instance.forget_adverts();
            }
            self.feed(now, id, Event::Source(address));
            self.renew_rules(now, id);
        }
        let waiting = match &fit.fault {
            Some(cause @ Cause::FirstRun { .. }) if faults.is_empty() => Some(cause.to_string()),
            _ => None,
        };
        let Some(instance) = self.registry.get(id) else { return };
        let waiting = waiting.or_else(|| self.delayed(now, instance));
        let Some(instance) = self.registry.get_mut(id) else { return };
        let news = instance.faults != faults;
        instance.faults.clone_from(&faults);
        let waits = std::mem::replace(&mut instance.waiting, waiting.clone()) != waiting;
        self.feed(now, id, Event::Priority(Priority(fit.priority)));
        if let Some(text) = waiting {
            if waits {
                self.note(id, Level::Info, text);
            }
            return;
        }
        self.decide(now, id, &faults, news);
    }

    /// What an instance waits for that has not begun before `vrrp_startup_delay` is over. One that an earlier agent left
    /// as MASTER has begun long ago.
    fn delayed(&self, now: Mono, instance: &Instance) -> Option<String> {
        self.start.until.filter(|until| now < *until)?;
        let begins =
            instance.machine.state() == State::Init && instance.inherited.is_none_or(|lease| now >= lease);
        begins.then(|| "waiting for the end of vrrp_startup_delay".to_owned())
    }

    /// Lets begin what waited.
    pub(super) fn end_startup_delay(&mut self, now: Mono) {
        if self.start.until.is_some_and(|until| until <= now) {
            self.start.until = None;
            self.reconsider_all(now);
        }
    }

    /// Starts, stops or resumes by what was found; `news` if it is not what was found before.
    fn decide(&mut self, now: Mono, id: Id, faults: &[String], news: bool) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        let state = instance.machine.state();
        if faults.is_empty() {
            instance.started = true;
        }
        let inherited = instance.inherited.take();
        match (state, faults.is_empty()) {
            (State::Init, true) if inherited.is_some_and(|until| now < until) => {
                self.feed(now, id, Event::Resume);
            }
            (State::Init, true) => self.feed(now, id, Event::Startup),
            (State::Fault, true) => self.feed(now, id, Event::Recovered),
            // The transition told of the first reason; what comes on top would stay unseen.
            (State::Fault, false) if news => self.note(id, Level::Warn, faults.join("; ")),
            (State::Init | State::Backup | State::Master, false) => self.feed(now, id, Event::Fault),
            (State::Fault, false) | (State::Backup | State::Master, true) => {}
        }
    }

    /// The priority that tracking leaves, and everything that rules the instance out.
    pub(super) fn fitness(&self, instance: &Instance, source: Option<IpAddr>) -> (Effective, Vec<String>) {
        let model = &instance.model;
        let is_up = |name: &str| self.links.by_name(name).is_some_and(|link| self.debounce.usable(link));
        let health = |name: &str| self.scripts.health(name, instance.started);
        let fit = effective(model.priority, tracked(model, &self.scripts.configured, health, is_up));
        let mut faults = Vec::new();
        match self.links.by_name(&model.interface) {
            None => faults.push(format!("waiting for interface {}, which does not exist", model.interface)),
            Some(link) if !self.debounce.usable(link) => {
                faults.push(format!("interface {} is down", model.interface));
            }
            Some(_) if source.is_none() => faults.push(match (model.source, plan::family(model)) {
                (Some(address), _) => format!("waiting for the configured source address {address}"),
                (None, Family::V4) => format!("waiting for an IPv4 address on interface {}", model.interface),
                (None, Family::V6) => {
                    format!("waiting for an IPv6 link-local address on interface {}", model.interface)
                }
            }),
            Some(_) => {}
        }
        if faults.is_empty() {
            faults.extend(self.vmac_fault(instance));
        }
        faults.extend(instance.datapath_fault.clone());
        if let Some(cause @ Cause::Failed { .. }) = &fit.fault {
            faults.push(cause.to_string());
        }
        (fit, faults)
    }

    /// Where the instance's adverts come from.
    pub(super) fn source(&self, instance: &Instance) -> Option<IpAddr> {
        let link = self.links.by_name(&instance.model.interface)?;
        if let Some(configured) = instance.model.source {
            let present = self.links.addresses(link.ifindex).iter().any(|held| held.address == configured);
            return (present || self.links.holders(configured).next().is_some()).then_some(configured);
        }
        let is_vip = |address| self.is_vip(address);
        match plan::family(&instance.model) {
            Family::V4 => self.links.source_v4(link.ifindex, is_vip).map(IpAddr::from),
            Family::V6 => self.links.source_v6(link.ifindex, is_vip).map(IpAddr::from),
        }
    }
}
