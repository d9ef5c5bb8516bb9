//! How fast announcements may leave: some switches cannot take them as fast as we can send them.

use std::collections::BTreeMap;
use std::time::Duration;

use vipward_vrrp::types::Mono;

/// Pauses after an announcement; zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// After a gratuitous ARP.
    pub arp: Duration,
    /// After a neighbour advertisement.
    pub na: Duration,
}

impl Pauses {
    fn of(&self, ipv6: bool) -> Duration {
        if ipv6 { self.na } else { self.arp }
    }
}

/// Interfaces that wait for each other.
#[derive(Clone, Copy, Debug)]
struct Gate {
    pauses: Pauses,
    /// When the next one may leave, of IPv4 and of IPv6.
    open_at: [Mono; 2],
}

/// The pace of every interface.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    default: Pauses,
    /// Gates of groups of interfaces, by the group's number.
    groups: Vec<Gate>,
    group_of: BTreeMap<u32, usize>,
    /// Gates of interfaces of no group.
    alone: BTreeMap<u32, Gate>,
}

impl Paces {
    /// Paces for interfaces by themselves, and for groups of them by their indices.
    pub fn new(default: Pauses, groups: &[(Pauses, Vec<u32>)]) -> Paces {
        let mut paces = Paces { default, ..Paces::default() };
        for (number, (pauses, interfaces)) in groups.iter().enumerate() {
            paces.groups.push(Gate { pauses: *pauses, open_at: [Mono(0); 2] });
            paces.group_of.extend(interfaces.iter().map(|ifindex| (*ifindex, number)));
        }
        paces
    }

    /// Whether everything may leave at once, everywhere.
    pub(super) fn is_free(&self) -> bool {
        self.groups.is_empty() && self.default == Pauses::default()
    }

    /// Whether an announcement may leave by this interface now; if so it is counted as sent.
    pub(super) fn pass(&mut self, ifindex: u32, ipv6: bool, now: Mono) -> bool {
        let default = self.default;
        let gate = match self.group_of.get(&ifindex).and_then(|number| self.groups.get_mut(*number)) {
            Some(gate) => gate,
            None => self.alone.entry(ifindex).or_insert(Gate { pauses: default, open_at: [Mono(0); 2] }),
        };
        let Some(open_at) = gate.open_at.get_mut(usize::from(ipv6)) else { return true };
        if now < *open_at {
            return false;
        }
        *open_at = now + gate.pauses.of(ipv6);
        true
    }

    /// When the next gate opens that is closed now.
    pub(super) fn next(&self, now: Mono) -> Option<Mono> {
        let gates = self.groups.iter().chain(self.alone.values());
        gates.flat_map(|gate| gate.open_at).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARP: Duration = Duration::from_millis(10);
    const NA: Duration = Duration::from_millis(4);

    #[test]
    fn each_interface_waits_by_itself_and_a_group_for_all_of_it() {
        let pauses = Pauses { arp: ARP, na: NA };
        let mut paces = Paces::new(pauses, &[(Pauses { arp: ARP * 2, na: Duration::ZERO }, vec![7, 8])]);
        let now = Mono(1_000_000_000);
        assert!(paces.pass(1, false, now) && paces.pass(2, false, now), "two interfaces");
        assert!(!paces.pass(1, false, now) && paces.pass(1, true, now), "two kinds");
        assert!(paces.pass(7, false, now) && !paces.pass(8, false, now), "one group");
        assert!(paces.pass(7, true, now) && paces.pass(8, true, now), "without a pause");
        assert_eq!(paces.next(now), Some(now + NA));
        assert!(paces.pass(1, true, now + NA) && paces.pass(1, false, now + ARP));
        assert!(!paces.pass(8, false, now + ARP) && paces.pass(8, false, now + ARP * 2));
    }

    #[test]
    fn without_pauses_nothing_waits() {
        let mut paces = Paces::default();
        assert!(paces.is_free());
        let now = Mono(5);
        assert!(paces.pass(1, false, now) && paces.pass(1, false, now));
        assert_eq!(paces.next(now), None);
    }
}
