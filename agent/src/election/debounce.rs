//! Changes of interfaces that count only once they have lasted (`interface_up_down_delays`).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use vipward_vrrp::types::Mono;

use crate::config::model::LinkDelay;
use crate::net::{Interface, Links};

/// What is believed of an interface while its state is in doubt.
#[derive(Clone, Copy, Debug)]
struct Belief {
    usable: bool,
    /// When the opposite is believed, if that lasts.
    doubted_until: Option<Mono>,
}

/// Interfaces with a delay.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    /// After going down, and after coming up.
    delays: HashMap<String, (Duration, Duration)>,
    beliefs: BTreeMap<u32, Belief>,
}

impl Debounce {
    /// Takes the delays of a configuration. What is in doubt stays so for as long as was planned.
    pub(super) fn configure(&mut self, delays: &[LinkDelay], links: &Links) {
        self.delays = delays.iter().map(|delay| (delay.interface.clone(), (delay.down, delay.up))).collect();
        let delays = &self.delays;
        self.beliefs.retain(|ifindex, _| {
            links.by_index(*ifindex).is_some_and(|link| delays.contains_key(&link.name))
        });
        for name in delays.keys() {
            if let Some(link) = links.by_name(name) {
                let belief = Belief { usable: link.usable(), doubted_until: None };
                self.beliefs.entry(link.ifindex).or_insert(belief);
            }
        }
    }

    /// Learns of an interface as it is now.
    pub(super) fn observe(&mut self, now: Mono, link: &Interface) {
        let Some((down, up)) = self.delays.get(&link.name) else { return };
        let seen = link.usable();
        // What has just appeared is what it is.
        let belief = self.beliefs.entry(link.ifindex).or_insert(Belief { usable: seen, doubted_until: None });
        if belief.usable == seen {
            belief.doubted_until = None;
            return;
        }
        let delay = if seen { *up } else { *down };
        if delay.is_zero() {
            *belief = Belief { usable: seen, doubted_until: None };
        } else {
            belief.doubted_until.get_or_insert(now + delay);
        }
    }

    /// An interface is gone.
    pub(super) fn forget(&mut self, ifindex: u32) {
        self.beliefs.remove(&ifindex);
    }

    /// Whether an interface counts as usable.
    pub(super) fn usable(&self, link: &Interface) -> bool {
        self.beliefs.get(&link.ifindex).map_or_else(|| link.usable(), |belief| belief.usable)
    }

    /// When the next doubt ends.
    pub(super) fn next(&self) -> Option<Mono> {
        self.beliefs.values().filter_map(|belief| belief.doubted_until).min()
    }

    /// Ends the doubts whose time has come; true if there was any.
    pub(super) fn settle(&mut self, now: Mono) -> bool {
        let mut any = false;
        for belief in self.beliefs.values_mut() {
            if belief.doubted_until.take_if(|until| *until <= now).is_some() {
                belief.usable = !belief.usable;
                any = true;
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::model::Location;
    use crate::net::LinkEvent;

    const SECOND: Duration = Duration::from_secs(1);

    fn link(running: bool) -> Interface {
        Interface { ifindex: 3, name: "e".into(), up: true, running, mac: None, arp: true }
    }

    fn delayed(down: Duration, up: Duration) -> Debounce {
        let at = Location::new(&Arc::default(), 1, 1);
        let mut links = Links::default();
        links.apply(&LinkEvent::Link(link(true)));
        let mut debounce = Debounce::default();
        debounce.configure(&[LinkDelay { interface: "e".into(), down, up, at }], &links);
        debounce
    }

    #[test]
    fn a_change_counts_once_it_has_lasted() {
        let mut debounce = delayed(SECOND, SECOND * 2);
        let start = Mono(5);
        debounce.observe(start, &link(false));
        assert!(debounce.usable(&link(false)));
        assert_eq!(debounce.next(), Some(start + SECOND));
        assert!(!debounce.settle(start), "too early");
        debounce.observe(start + SECOND / 2, &link(false));
        assert!(debounce.settle(start + SECOND) && !debounce.usable(&link(false)), "counted from the change");
        debounce.observe(start + SECOND, &link(true));
        assert!(!debounce.usable(&link(true)));
        assert!(debounce.settle(start + SECOND * 3) && debounce.usable(&link(true)));
    }

    #[test]
    fn a_change_that_is_undone_was_none() {
        let mut debounce = delayed(SECOND, SECOND);
        debounce.observe(Mono(5), &link(false));
        debounce.observe(Mono(6), &link(true));
        assert_eq!(debounce.next(), None);
        assert!(!debounce.settle(Mono(u64::MAX)) && debounce.usable(&link(true)));
    }

    #[test]
    fn without_a_delay_it_counts_at_once() {
        let mut debounce = delayed(Duration::ZERO, SECOND);
        debounce.observe(Mono(5), &link(false));
        assert!(!debounce.usable(&link(false)) && debounce.next().is_none());
        let other = Interface { name: "o".into(), ifindex: 4, ..link(false) };
        debounce.observe(Mono(5), &other);
        assert!(!debounce.usable(&other));
    }
}
