//! The routes and rules of a MASTER, and the addresses, routes and rules that are there in any case.

use super::driver::{Driver, QUIET};
use super::message::Level;
use super::plan;
use super::registry::Id;
use crate::clock;
use crate::config::model::{Route, Rule, Statics};
use crate::net::{Change, Entry, NetError, Owner, Routed};

/// Holds what is static: no instance has this number.
pub(super) const STATICS: Owner = Owner(u32::MAX);
/// Routes and rules per slice, at about 10 µs each.
pub(super) const ROUTES: usize = 32;

impl Driver {
    /// What can be made of routes and rules now, and what cannot be for want of an interface.
    fn entries(&self, routes: &[Route], rules: &[Rule]) -> (Vec<Entry>, Vec<String>) {
        let index = |name: &str| self.links.by_name(name).map(|link| link.ifindex);
        let mut entries = Vec::new();
        let mut missing = Vec::new();
        for route in routes {
            match Entry::route(route, index) {
                Ok(entry) => entries.push(entry),
                Err(interface) => missing.push(format!(
                    "route {} waits for interface {interface}, which does not exist",
                    route.text
                )),
            }
        }
        entries.extend(rules.iter().map(Entry::rule));
        (entries, missing)
    }

    /// Says that `id` is to have its routes and rules; they come after the addresses.
    pub(super) fn hold_routes(&mut self, id: Id) -> Vec<String> {
        let Some(instance) = self.registry.get(id) else { return Vec::new() };
        if instance.model.routes.is_empty() && instance.model.rules.is_empty() {
            self.routing.release(Owner(id.0));
            return Vec::new();
        }
        let (entries, missing) = self.entries(&instance.model.routes, &instance.model.rules);
        self.hold_entries(Owner(id.0), &entries);
        missing
    }

    fn hold_entries(&mut self, owner: Owner, entries: &[Entry]) {
        match self.routing.hold(owner, entries) {
            Ok(true) => self.fds_change(),
            Ok(false) => {}
            Err(error) => self.warn_rarely("routes", error.to_string()),
        }
    }

    /// Removes what an earlier agent left of `id`'s routes and rules.
    pub(super) fn clear_stray_routes(&mut self, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        let (entries, _) = self.entries(&instance.model.routes, &instance.model.rules);
        self.routing.expel(Owner(id.0), &entries);
    }

    /// Brings what is static in line with the configuration and with the interfaces that there are.
    pub(super) fn settle_statics(&mut self) {
        let Statics { addresses, routes, rules } = &self.statics;
        let vips: Vec<_> = addresses
            .iter()
            .filter_map(|vip| Some(plan::address(vip, self.links.by_name(vip.dev.as_deref()?)?.ifindex)))
            .collect();
        let (entries, _) = self.entries(routes, rules);
        self.addresses.hold(STATICS, &vips);
        self.hold_entries(STATICS, &entries);
    }

    /// Gives up what is static: the agent stops.
    pub(super) fn leave_statics(&mut self) {
        self.statics = Statics::default();
        self.addresses.release(STATICS);
        self.routing.release(STATICS);
    }

    /// Does a slice of what is to be done about routes and rules.
    pub(super) fn route_slice(&mut self) {
        for routed in self.routing.apply_slice(ROUTES) {
            self.routed(&routed);
        }
    }

    fn routed(&mut self, routed: &Routed) {
        let id = routed.owner.filter(|owner| *owner != STATICS).map(|owner| Id(owner.0));
        match &routed.result {
            Ok(Change::Restored) => {
                let text = format!("the {} was gone: put back", routed.name);
                match id {
                    Some(id) => {
                        if let Some(instance) = self.registry.get_mut(id) {
                            instance.stats.repairs += 1;
                        }
                        self.note(id, Level::Warn, text);
                    }
                    None => self.warn(text),
                }
            }
            Ok(_) => {}
            Err(error) => self.routing_failed(id, &routed.name, error),
        }
    }

    fn routing_failed(&mut self, id: Option<Id>, name: &str, error: &NetError) {
        let now = clock::now();
        self.reroute_at.get_or_insert(now + REROUTE);
        match id {
            Some(id) => {
                let Some(instance) = self.registry.get_mut(id) else { return };
                if instance
                    .refused_routes
                    .insert(name.to_owned(), now + QUIET)
                    .is_none_or(|until| until <= now)
                {
                    self.note(id, Level::Warn, error.to_string());
                }
            }
            None => self.warn_rarely("static routes", error.to_string()),
        }
    }

    /// Tries again what was refused.
    pub(super) fn retry_routes(&mut self, now: vipward_vrrp::types::Mono) {
        if self.reroute_at.take_if(|at| *at <= now).is_some() {
            self.routing.retry();
        }
    }
}

/// Pause after which refused routes are asked for again.
const REROUTE: std::time::Duration = std::time::Duration::from_secs(1);
