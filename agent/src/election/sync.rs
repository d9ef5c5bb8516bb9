//! Sync groups: their members are MASTER together, and in FAULT together.
//!
//! * A member that may not take part keeps all of them from it (`fitness`).
//! * A member whose watch runs out waits until the watches of all have, and none was renewed since: only then they claim
//!   their expiries, and become MASTER in one turn. One that waits has claimed nothing, so an advert ends its wait.
//! * A MASTER that hears its better takes the others back with it.
//!
//! Nodes on which every member is worth the same never disagree about who is better. Where they do, each of two masters
//! beats the other in some elections, and both step back. To keep them from doing so for ever, the one that lost the
//! election of the group's *first* member, by VRID, then waits longer: both can tell which of them that is.

use vipward_common::abi::RouterKey;
use vipward_vrrp::router::{Cause, Event, Transition};
use vipward_vrrp::types::{Mono, State};

use super::driver::Driver;
use super::figures::Expiry;
use super::registry::Id;
use crate::config::model;
use crate::kernel::{Claim, Datapath, KernelError};

/// A group of this node.
#[derive(Debug)]
pub(super) struct Group {
    name: String,
    /// By VRID and family, which all nodes number alike.
    members: Vec<Id>,
    /// Until then it does not stand for election.
    pub(super) held_until: Option<Mono>,
}

/// A member that waits for the others.
struct Candidate {
    id: Id,
    key: RouterKey,
    expiry: Expiry,
}

impl Driver {
    /// Dissolves all groups, before members come and go.
    pub(super) fn dissolve_groups(&mut self) {
        self.groups.clear();
        for id in self.registry.ids() {
            if let Some(instance) = self.registry.get_mut(id) {
                instance.group = None;
            }
        }
    }

    /// Forms the groups of a configuration, whose instances are here by now.
    pub(super) fn form_groups(&mut self, groups: &[model::Group]) {
        for group in groups {
            let number = self.groups.len();
            let mut members = Vec::new();
            for (id, instance) in self.registry.iter_mut() {
                if group.members.contains(&instance.model.name) {
                    instance.group = Some(number);
                    members.push((instance.model.vrid, instance.model.family == model::Family::V6, id));
                }
            }
            members.sort_unstable();
            let members = members.into_iter().map(|(.., id)| id).collect();
            self.groups.push(Group { name: group.name.clone(), members, held_until: None });
        }
    }

    /// Lets those stand for election that wait for nobody any more, after the groups changed.
    pub(super) fn settle_groups(&mut self, now: Mono) {
        for number in 0..self.groups.len() {
            self.elect(now, number);
        }
        for id in self.registry.ids() {
            if !self.siblings(id).is_empty() {
                continue;
            }
            let Some(instance) = self.registry.get_mut(id) else { continue };
            if let (Some(key), Some(expiry)) = (instance.key, instance.ran_out.take()) {
                self.claim(now, id, &key, expiry);
            }
        }
    }

    /// The other members of `id`'s group.
    pub(super) fn siblings(&self, id: Id) -> Vec<Id> {
        let group = self.registry.get(id).and_then(|instance| self.groups.get(instance.group?));
        let members = group.map(|group| group.members.as_slice()).unwrap_or_default();
        members.iter().copied().filter(|member| *member != id).collect()
    }

    /// The name of `id`'s group.
    pub(super) fn group_name(&self, group: Option<usize>) -> Option<&str> {
        Some(self.groups.get(group?)?.name.as_str())
    }

    /// What keeps the other members of `id`'s group from taking part: faults, or what one of them waits for.
    pub(super) fn kept_by_siblings(&self, id: Id) -> (Vec<String>, Option<String>) {
        let (mut faults, mut waiting) = (Vec::new(), None);
        for sibling in self.siblings(id) {
            let Some(instance) = self.registry.get(sibling) else { continue };
            let name = &instance.model.name;
            if let Some(fault) = instance.own.faults.first() {
                faults.push(format!("{name} of its sync group cannot serve: {fault}"));
            } else if !instance.own.seen {
                waiting.get_or_insert_with(|| format!("waiting for {name} of its sync group"));
            } else if let Some(wait) = &instance.own.waiting {
                waiting.get_or_insert_with(|| format!("{name} of its sync group is {wait}"));
            }
        }
        (faults, waiting)
    }

    /// The watch of a group's member ran out. Returns false if `id` is alone and decides for itself.
    pub(super) fn member_expired(&mut self, now: Mono, id: Id, expiry: Expiry) -> bool {
        if self.siblings(id).is_empty() {
            return false;
        }
        let Some(instance) = self.registry.get_mut(id) else { return false };
        instance.ran_out = Some(expiry);
        if let Some(group) = instance.group {
            self.elect(now, group);
        }
        true
    }

    /// Makes a group MASTER if all members may be.
    fn elect(&mut self, now: Mono, group: usize) {
        let Some(candidates) = self.candidates(now, group) else { return };
        let (mut won, mut lost) = (Vec::new(), None);
        for candidate in &candidates {
            match self.paths.claim(&candidate.key, candidate.expiry.generation) {
                Ok(Claim::Won) => won.push((candidate.id, candidate.expiry)),
                // An advert came this very moment.
                Ok(Claim::Stale) => lost = Some((candidate.id, None)),
                Err(error) => lost = Some((candidate.id, Some(error))),
            }
            if lost.is_some() {
                break;
            }
        }
        if let Some(lost) = lost {
            return self.give_back(now, &won, lost);
        }
        for (id, expiry) in won {
            self.note_decision(id, expiry);
            self.claimed = Some(id);
            self.feed(now, id, Event::Expired);
            self.claimed = None;
        }
    }

    /// Those that wait, if nobody else is waited for.
    fn candidates(&self, now: Mono, group: usize) -> Option<Vec<Candidate>> {
        let group = self.groups.get(group)?;
        if group.held_until.is_some_and(|until| now < until) {
            return None;
        }
        let mut candidates = Vec::new();
        for id in &group.members {
            let instance = self.registry.get(*id)?;
            match instance.machine.state() {
                State::Master => {}
                State::Backup => {
                    let (key, expiry) = (instance.key?, instance.ran_out?);
                    let heard = self.paths.heard(&key).ok()?;
                    if heard.generation != expiry.generation || heard.armed != 0 {
                        return None;
                    }
                    candidates.push(Candidate { id: *id, key, expiry });
                }
                State::Init | State::Fault => return None,
            }
        }
        Some(candidates)
    }

    /// Not all expiries could be claimed: those that were are watched again.
    fn give_back(&mut self, now: Mono, won: &[(Id, Expiry)], (lost, error): (Id, Option<KernelError>)) {
        if let Some(instance) = self.registry.get_mut(lost) {
            instance.ran_out = None;
        }
        for (id, _) in won {
            if let Some(instance) = self.registry.get_mut(*id) {
                instance.ran_out = None;
            }
            self.feed(now, *id, Event::Refrain);
        }
        if let Some(error) = error {
            self.datapath_failed(now, lost, error.to_string());
        }
    }

    /// Notes that a member changed its state, for [`Driver::follow_members`].
    pub(super) fn member_changed(&mut self, now: Mono, id: Id, transition: &Transition) {
        let Some(instance) = self.registry.get_mut(id) else { return };
        let Some(number) = instance.group else { return };
        instance.ran_out = None;
        if (transition.from, transition.to) != (State::Master, State::Backup) {
            return;
        }
        self.stepped_back.push(id);
        let beaten =
            matches!(transition.cause, Cause::HigherPriority(_) | Cause::GreaterAddress(_) | Cause::Deposed);
        let Some(group) = self.groups.get(number).filter(|_| beaten) else { return };
        if group.members.first() != Some(&id) {
            return;
        }
        // As long as the other node may need to stand for election, and its slowest member to be elected.
        let patience = |id: &Id| {
            let params = self.registry.get(*id)?.machine.params();
            Some(params.interval.duration() * (u32::from(params.down_adverts) + 3))
        };
        let patience = group.members.iter().filter_map(patience).max().unwrap_or_default();
        if let Some(group) = self.groups.get_mut(number) {
            group.held_until = Some(now + patience);
        }
    }

    /// Takes the other members of those back that are MASTER no longer. One that hands over does so by itself.
    pub(super) fn follow_members(&mut self, now: Mono) {
        while let Some(id) = self.stepped_back.pop() {
            for sibling in self.siblings(id) {
                self.feed(now, sibling, Event::Demote);
            }
        }
    }

    /// When the next group may stand for election again.
    pub(super) fn next_hold(&self) -> Option<Mono> {
        self.groups.iter().filter_map(|group| group.held_until).min()
    }

    /// Lets groups stand for election whose wait is over.
    pub(super) fn end_holds(&mut self, now: Mono) {
        for number in 0..self.groups.len() {
            let Some(group) = self.groups.get_mut(number) else { continue };
            if group.held_until.take_if(|until| *until <= now).is_some() {
                self.elect(now, number);
            }
        }
    }
}
