//! Whether an instance may take part: its interface, its source address, what it tracks. Always computed anew
//! from the present state, so that the order in which changes came cannot matter.

use std::net::IpAddr;
use std::time::Duration;

use vipward_vrrp::router::Event;
use vipward_vrrp::types::{Family, Mono, Priority, State};

use super::driver::Driver;
use super::instance::{Instance, Own};
use super::message::{Level, Update};
use super::plan;
use super::registry::Id;
use crate::check::plan::tracked;
use crate::check::tracking::{Cause, Effective, Health, Kind, Tracked, effective};
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

    /// Looks at every instance again. What all of them are fit for is known before the first one starts.
    pub(super) fn reconsider_all(&mut self, now: Mono) {
        let ids = self.registry.ids();
        for id in &ids {
            if self.registry.get(*id).is_some_and(|instance| instance.retired) {
                self.reconsider_retired(now, *id);
            } else {
                self.examine(now, *id);
            }
            self.keep_cadence();
        }
        for id in ids {
            self.conclude(now, id);
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
        let news = self.examine(now, id);
        self.conclude(now, id);
        if news {
            for sibling in self.siblings(id) {
                self.conclude(now, sibling);
            }
        }
    }

    /// Finds out what the instance by itself is fit for; returns whether that is news.
    fn examine(&mut self, now: Mono, id: Id) -> bool {
        self.place(now, id);
        self.keep_vmac(id);
        let Some(instance) = self.registry.get(id) else { return false };
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
        let Some(instance) = self.registry.get(id) else { return false };
        let waiting = waiting.or_else(|| self.delayed(now, instance));
        let Some(instance) = self.registry.get_mut(id) else { return false };
        let own = Own { seen: true, faults, waiting };
        let news = instance.own != own;
        instance.own = own;
        self.move_priority(now, id, Priority(fit.priority));
        news
    }

    fn move_priority(&mut self, now: Mono, id: Id, priority: Priority) {
        let worth = |driver: &Driver| driver.registry.get(id).map(|instance| instance.machine.priority());
        let before = worth(self);
        self.feed(now, id, Event::Priority(priority));
        let Some(instance) = self.registry.get(id).filter(|_| worth(self) != before) else { return };
        if instance.model.notify_priority_changes {
            let (name, machine) = (instance.model.name.clone(), &instance.machine);
            let (master, priority) = (machine.state() == State::Master, machine.priority().0);
            self.send(Update::Priority { instance: name, master, priority });
        }
    }

    /// Acts upon what the instance and its sync group are fit for.
    fn conclude(&mut self, now: Mono, id: Id) {
        let (others, other_waits) = self.kept_by_siblings(id);
        let Some(instance) = self.registry.get_mut(id).filter(|instance| !instance.retired) else { return };
        let faults: Vec<String> = instance.own.faults.iter().cloned().chain(others).collect();
        let waiting = instance.own.waiting.clone().or_else(|| other_waits.filter(|_| faults.is_empty()));
        let news = instance.faults != faults;
        instance.faults.clone_from(&faults);
        let waits = std::mem::replace(&mut instance.waiting, waiting.clone()) != waiting;
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
            (State::Init, true)
                if inherited.is_some_and(|until| now < until) && self.all_inherit(now, id) =>
            {
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

    /// Whether the rest of `id`'s sync group, if it is in one, was left as MASTER too: a part of it cannot go on alone.
    fn all_inherit(&self, now: Mono, id: Id) -> bool {
        self.siblings(id).into_iter().filter_map(|sibling| self.registry.get(sibling)).all(|sibling| {
            sibling.machine.state() == State::Master || sibling.inherited.is_some_and(|until| now < until)
        })
    }

    /// The priority that tracking leaves, and everything that rules the instance out.
    pub(super) fn fitness(&self, instance: &Instance, source: Option<IpAddr>) -> (Effective, Vec<String>) {
        let model = &instance.model;
        let fit = effective(model.priority, self.tracked(instance));
        let mut faults = Vec::new();
        match self.links.by_name(&model.interface) {
            None => faults.push(format!("waiting for interface {}, which does not exist", model.interface)),
            Some(link) if !self.debounce.usable(link) && model.track_primary => {
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

    /// What the instance tracks, and what is known of it.
    pub(super) fn tracked<'i>(&self, instance: &'i Instance) -> Vec<Tracked<'i>> {
        let health = |kind, name: &str| match kind {
            Kind::Interface => match self.links.by_name(name) {
                Some(link) if self.debounce.usable(link) => Health::Up,
                Some(_) | None => Health::Down,
            },
            Kind::Script | Kind::File | Kind::Process => self.trackers.health(kind, name, instance.started),
        };
        tracked(&instance.model, &self.trackers.scripts, health)
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
