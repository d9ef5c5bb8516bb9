//! What a state machine asked for. Everything that takes time is queued here and done by `work`.

use std::time::Duration;

use vipward_common::abi::{FLAG_PREEMPT, RouterKey, Rules};
use vipward_common::watch::Own;
use vipward_vrrp::router::{Action, Event, WatchTimer};
use vipward_vrrp::types::{Mono, Priority, State};

use super::driver::Driver;
use super::message::Level;
use super::plan;
use super::registry::Id;
use crate::kernel::{Datapath, KernelError, LeaseOrder, Paths};
use crate::net::{Announcement, Announcer, Links, Owner, Vip};

/// Pause after which a refusing data path is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often that pause doubles: up to about a minute.
const MAX_DOUBLINGS: u32 = 6;

impl Driver {
    /// Does, or queues, one action of `id`'s machine.
    pub(super) fn act(&mut self, now: Mono, id: Id, action: Action) {
        match action {
            Action::Advertise { priority } => self.advertise(id, priority),
            Action::Watch { own, timer, .. } => {
                if let Some(instance) = self.registry.get_mut(id) {
                    instance.judged_by = Some(own);
                }
                self.steer(now, id, |paths, key, rules| paths.watch(key, &judged_by(*rules, own), timer));
            }
            Action::Report if self.claimed == Some(id) => {}
            Action::Report => self.steer(now, id, Datapath::report),
            Action::Off => self.steer(now, id, |paths, key, _| paths.off(key)),
            Action::Leave { until } => self.order_lease(id, LeaseOrder::Leave { now: now.0, until: until.0 }),
            Action::Stay { until } => self.order_lease(id, LeaseOrder::Stay { until: until.0 }),
            Action::Hold => self.hold(id),
            Action::Release => self.release(id),
            Action::Announce { rounds } => self.announce(id, rounds),
            Action::Transition(transition) => {
                // Now, for what the transition sets off takes its time.
                let silence = if transition.from == State::Backup { self.silence(now, id) } else { None };
                if let Some(instance) = self.registry.get_mut(id) {
                    instance.stats.transition(&transition);
                    if transition.to != State::Master {
                        instance.takeover = None;
                    }
                    if !instance.refused && matches!(transition.to, State::Backup | State::Master) {
                        instance.refusals = 0;
                    }
                }
                self.testament.outdate();
                self.member_changed(now, id, &transition);
                self.plan_extra(now, id);
                self.unpublished.push((id, transition, silence));
            }
        }
    }

    /// Queues an advert. One that the data path would not renew the lease for is not sent at all: whoever serves
    /// now must not take it for a master's.
    fn advertise(&mut self, id: Id, priority: Priority) {
        if !priority.is_stop() && self.is_deposed(id) {
            self.leases.depose(id);
            return;
        }
        let Some(instance) = self.registry.get_mut(id) else { return };
        let now_waiting = Some((self.flushes, priority));
        if std::mem::replace(&mut instance.queued, now_waiting) == now_waiting {
            return;
        }
        let mut queued = 0;
        for frame in instance.adverts(priority) {
            self.sender.queue(u64::from(id.0), frame);
            queued += 1;
        }
        instance.stats.adverts_sent += queued;
        if priority.is_stop() {
            instance.stats.resignations += queued;
        }
        if self.leases.on {
            self.leases.advertised.push(id);
        }
    }

    /// Tells the data path what to do with `id`'s adverts; without an interface there is nothing to tell.
    fn steer(
        &mut self,
        now: Mono,
        id: Id,
        order: impl FnOnce(&mut Paths, &RouterKey, &Rules) -> Result<(), KernelError>,
    ) {
        let Some(instance) = self.registry.get(id) else { return };
        let Some(key) = instance.key else { return };
        let rules = instance.rules();
        if let Err(error) = order(&mut self.paths, &key, &rules) {
            self.refuse(now, id, error.to_string());
        }
    }

    /// An instance without a working watch must not pretend: FAULT, and another try soon.
    pub(super) fn datapath_failed(&mut self, now: Mono, id: Id, error: String) {
        self.refuse(now, id, error);
        self.face_refusal(now, id);
    }

    /// Notes that the data path refused. A machine's actions are done to the last before it hears of that.
    fn refuse(&mut self, now: Mono, id: Id, error: String) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        if instance.datapath_fault.is_some() {
            return;
        }
        instance.datapath_fault = Some(error);
        instance.refused = true;
        instance.retry.get_or_insert(now + RETRY * 2_u32.pow(instance.refusals.min(MAX_DOUBLINGS)));
        instance.refusals += 1;
        self.schedule(id);
    }

    /// Tells the machine of a refusal that it has not heard of.
    pub(super) fn face_refusal(&mut self, now: Mono, id: Id) {
        if self.registry.get_mut(id).is_some_and(|instance| std::mem::take(&mut instance.refused)) {
            self.reconsider(now, id);
        }
    }

    /// Plans another try of whatever the system refused.
    pub(super) fn retry_later(&mut self, now: Mono, id: Id) {
        if let Some(instance) = self.registry.get_mut(id) {
            instance.retry.get_or_insert(now + RETRY);
            self.schedule(id);
        }
    }

    /// Wakes the thread when `id`'s machine, or another try, is due.
    pub(super) fn schedule(&mut self, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        let next =
            instance.machine.next_deadline().into_iter().chain(instance.retry).chain(instance.extra).min();
        self.deadlines.set(id, next);
    }

    /// A deadline of `id` has come.
    pub(super) fn due(&mut self, now: Mono, id: Id) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        if instance.retry.is_some_and(|at| at <= now) {
            instance.retry = None;
            self.try_again(now, id);
        }
        self.announce_extra(now, id);
        self.feed(now, id, Event::Tick);
    }

    fn try_again(&mut self, now: Mono, id: Id) {
        self.addresses.retry();
        let Some(instance) = self.registry.get_mut(id) else { return };
        if instance.datapath_fault.take().is_none() {
            return;
        }
        // Seats the instance anew, so that nothing of the failed attempt is relied upon.
        if let Some(key) = instance.key {
            self.displace(id, key);
        }
        self.reconsider(now, id);
    }

    fn hold(&mut self, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        let mut held = Vec::with_capacity(instance.model.vips.len());
        let mut notes = Vec::new();
        for vip in &instance.model.vips {
            let device = vip.dev.as_deref().unwrap_or(&instance.model.interface);
            let Some(link) = self.links.by_name(device) else {
                notes.push(format!("VIP {} waits for interface {device}, which does not exist", vip.address));
                continue;
            };
            for elsewhere in self.links.holders(vip.address).filter(|held| held.ifindex != link.ifindex) {
                let other =
                    self.links.by_index(elsewhere.ifindex).map_or("another interface", |link| &link.name);
                notes.push(format!(
                    "VIP {} is also on {other}: remove it there, or set `dev {other}`",
                    vip.address
                ));
            }
            held.push(plan::address(vip, link.ifindex));
        }
        self.addresses.hold(Owner(id.0), &held);
        notes.extend(self.hold_routes(id));
        let Some(instance) = self.registry.get_mut(id) else { return };
        instance.held = held;
        self.testament.outdate();
        let told = std::mem::replace(&mut instance.vip_notes, notes.clone());
        for text in notes.into_iter().filter(|text| !told.contains(text)) {
            self.note(id, Level::Warn, text);
        }
    }

    fn release(&mut self, id: Id) {
        self.routing.release(Owner(id.0));
        self.addresses.release(Owner(id.0));
        let Some(instance) = self.registry.get_mut(id) else { return };
        instance.refused_vips.clear();
        instance.refused_routes.clear();
        instance.vip_notes.clear();
        let released = std::mem::take(&mut instance.held);
        for vip in &released {
            self.announcer.cancel(vip.ifindex, vip.address);
        }
        self.clear_strays(id, &released);
    }

    /// Announces every VIP that is held, `rounds` times: now if it is there, otherwise as soon as it is. A
    /// neighbour that learned of an address before the host has it would be refused.
    fn announce(&mut self, id: Id, rounds: u8) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        instance.announce_when_added = rounds;
        let Some(instance) = self.registry.get(id) else { return };
        for vip in instance.held.iter().filter(|vip| self.addresses.is_present(vip)) {
            announce(&mut self.announcer, &self.links, vip, rounds);
        }
    }

    /// Announces a VIP that has just been added.
    pub(super) fn announce_added(&mut self, id: Id, vip: &Vip) {
        if let Some(instance) = self.registry.get(id) {
            announce(&mut self.announcer, &self.links, vip, instance.announce_when_added);
        }
    }

    /// Tells the data path what changed about `id` without touching its deadline.
    pub(super) fn renew_rules(&mut self, now: Mono, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        if instance.retired {
            return;
        }
        match (instance.machine.state(), instance.judged_by) {
            (State::Master, _) => self.steer(now, id, Datapath::report),
            (State::Backup, Some(own)) => {
                self.steer(now, id, |paths, key, rules| {
                    paths.watch(key, &judged_by(*rules, own), WatchTimer::Keep)
                });
            }
            (State::Backup | State::Init | State::Fault, _) => {}
        }
        self.face_refusal(now, id);
    }

    /// Brings the desired addresses in line with a changed configuration or a VIP interface that came or went.
    pub(super) fn refresh_held(&mut self, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        if instance.machine.state() != State::Master {
            return;
        }
        let before = instance.held.clone();
        self.hold(id);
        let Some(instance) = self.registry.get(id) else { return };
        if instance.held != before {
            let rounds = instance.machine.params().garp.repeat;
            for gone in before.iter().filter(|vip| !instance.held.contains(vip)) {
                self.announcer.cancel(gone.ifindex, gone.address);
            }
            self.announce(id, rounds);
        }
    }
}

/// Queues the announcement of a VIP, `rounds` times.
pub(super) fn announce(announcer: &mut Announcer, links: &Links, vip: &Vip, rounds: u8) {
    let link = links.by_index(vip.ifindex);
    let announcement = link.and_then(|link| Announcement::on(link, vip.address));
    if let Some(announcement) = announcement {
        announcer.queue(announcement, rounds);
    }
}

/// The rules with what the machine currently judges by.
fn judged_by(rules: Rules, own: Own) -> Rules {
    let preempt = if own.preempt { FLAG_PREEMPT } else { 0 };
    Rules {
        priority: own.priority,
        down_adverts: own.down_adverts,
        flags: rules.flags & !FLAG_PREEMPT | preempt,
        ..rules
    }
}
