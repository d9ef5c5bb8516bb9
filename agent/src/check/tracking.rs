//! From base priority, tracked scripts and tracked interfaces to the effective priority or FAULT, as keepalived
//! computes it: a pure function of the present states, so that the order in which they came cannot matter.
//!
//! | weight | up | down | no result yet |
//! |---|---|---|---|
//! | 0 | – | FAULT | waits in INIT |
//! | 0 reverse | FAULT | – | waits in INIT |
//! | +N | priority + N | – | – |
//! | +N reverse | priority − N | – | – |
//! | −N | – | priority − N | – |
//! | −N reverse | – | priority + N | – |
//!
//! The sum is kept within 1 to 254. The address owner's 255 stays whatever the weights say; FAULT concerns it too.

use std::fmt;

/// Highest priority of a router that does not own the addresses.
const MAX_PRIORITY: i64 = 254;
/// Priority of the address owner (RFC 9568 §5.2.4).
const OWNER: u8 = 255;

/// What is known of a tracked script or interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No result yet since the agent started: with weight 0 the instance waits for the first one.
    Unproven,
    /// No result yet, in an instance that was running before a reload: counts for nothing until there is one, so
    /// that a reload causes no transition by itself.
    Assumed,
    /// Up.
    Up,
    /// Down; a script with `init_fail` is so from the start.
    Down,
}

/// What kind of thing is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `vrrp_script`.
    Script,
    /// A network interface.
    Interface,
}

impl Kind {
    /// The word for it.
    const fn name(self) -> &'static str {
        match self {
            Kind::Script => "script",
            Kind::Interface => "interface",
        }
    }
}

/// A `weight` with its `reverse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// −253 to 253; 0 means FAULT.
    pub value: i32,
    /// The other way round.
    pub reverse: bool,
}

impl Weight {
    /// The weight of a script in an instance: the one written there if there is one, else the script's own.
    pub fn of_script(own: Weight, written: Option<i32>, reverse: bool) -> Weight {
        match written {
            Some(value) => Weight { value, reverse },
            None => Weight { value: own.value, reverse: own.reverse || reverse },
        }
    }
}

/// One thing that an instance tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// What it does to the instance.
    pub weight: Weight,
    /// Its present state.
    pub health: Health,
}

impl Tracked<'_> {
    /// What it adds to the priority at present; `None` for a weight of 0, which decides about FAULT instead.
    fn delta(&self) -> Option<i32> {
        let Weight { value, reverse } = self.weight;
        let counts = match self.health {
            Health::Unproven | Health::Assumed => false,
            Health::Up => value > 0,
            Health::Down => value < 0,
        };
        (value != 0).then_some(match (counts, reverse) {
            (false, _) => 0,
            (true, false) => value,
            (true, true) => -value,
        })
    }

    /// The same for a person, if it does something: `script chk is down: -60`.
    pub fn effect(&self) -> Option<String> {
        let delta = self.delta().filter(|delta| *delta != 0)?;
        let state = if self.health == Health::Up { "up" } else { "down" };
        Some(format!("{} {} is {state}: {delta:+}", self.kind.name(), self.name))
    }
}

/// Why an instance may not take part in the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// FAULT: this is down (or up, with `reverse`) and has weight 0.
    Failed {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// It is up, and should not be.
        reverse: bool,
    },
    /// INIT: this script has weight 0 and has not run yet. No fault, and nobody is notified.
    FirstRun {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Failed { kind, name, reverse } => {
                let kind = kind.name();
                write!(f, "{kind} {name} is {}", if *reverse { "up" } else { "down" })
            }
            Cause::FirstRun { name } => write!(f, "waiting for the first result of script {name}"),
        }
    }
}

/// What an instance is worth at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Priority to advertise: 1 to 254, or 255 for the owner.
    pub priority: u8,
    /// Why the instance may not take part. A failure goes before a wait.
    pub fault: Option<Cause>,
}

/// Computes what an instance of priority `base` is worth; see the table above.
#[must_use]
pub fn effective<'a>(base: u8, tracked: impl IntoIterator<Item = Tracked<'a>>) -> Effective {
    let mut sum = i64::from(base);
    let mut failed = None;
    let mut waiting = None;
    for item in tracked {
        let Weight { value, reverse } = item.weight;
        let name = || item.name.to_owned();
        match item.health {
            Health::Unproven if value == 0 => {
                waiting.get_or_insert_with(|| Cause::FirstRun { name: name() });
            }
            Health::Unproven | Health::Assumed => {}
            Health::Up | Health::Down if value == 0 => {
                if (item.health == Health::Up) == reverse {
                    failed.get_or_insert_with(|| Cause::Failed { kind: item.kind, name: name(), reverse });
                }
            }
            Health::Up | Health::Down => sum += i64::from(item.delta().unwrap_or(0)),
        }
    }
    let priority =
        if base == OWNER { OWNER } else { u8::try_from(sum.clamp(1, MAX_PRIORITY)).unwrap_or(base) };
    Effective { priority, fault: failed.or(waiting) }
}

#[cfg(test)]
mod tests {
    use super::Health::{Assumed, Down, Unproven, Up};
    use super::*;

    fn script(name: &str, value: i32, reverse: bool, health: Health) -> Tracked<'_> {
        Tracked { kind: Kind::Script, name, weight: Weight { value, reverse }, health }
    }

    #[test]
    fn every_weight_in_every_state() {
        // weight, reverse, then the priority of a base of 100 when up, down, unproven, assumed; 0 is FAULT, 1 INIT.
        let cases = [
            (0, false, [100, 0, 1, 100]),
            (0, true, [0, 100, 1, 100]),
            (20, false, [120, 100, 100, 100]),
            (20, true, [80, 100, 100, 100]),
            (-20, false, [100, 80, 100, 100]),
            (-20, true, [100, 120, 100, 100]),
            (253, false, [254, 100, 100, 100]),
            (253, true, [1, 100, 100, 100]),
            (-253, false, [100, 1, 100, 100]),
            (-253, true, [100, 254, 100, 100]),
        ];
        for (value, reverse, expected) in cases {
            for (health, expected) in [Up, Down, Unproven, Assumed].into_iter().zip(expected) {
                let effective = effective(100, [script("s", value, reverse, health)]);
                let seen = match &effective.fault {
                    Some(Cause::Failed { .. }) => 0,
                    Some(Cause::FirstRun { .. }) => 1,
                    None => effective.priority,
                };
                assert_eq!(seen, expected, "weight {value} reverse {reverse} {health:?}");
            }
        }
    }

    #[test]
    fn what_moves_the_priority_is_told_and_nothing_else() {
        let told = |value, reverse, health| script("chk", value, reverse, health).effect();
        assert_eq!(told(-60, false, Down).as_deref(), Some("script chk is down: -60"));
        assert_eq!(told(20, true, Up).as_deref(), Some("script chk is up: -20"));
        assert_eq!(told(20, false, Up).as_deref(), Some("script chk is up: +20"));
        for (value, health) in [(0, Down), (0, Up), (-60, Up), (20, Down), (20, Unproven), (-20, Assumed)] {
            assert_eq!(told(value, false, health), None, "weight {value} {health:?}");
        }
    }

    #[test]
    fn the_owner_keeps_its_priority_and_can_still_fail() {
        let weighted = effective(255, [script("a", -50, false, Down), script("b", -50, true, Down)]);
        assert_eq!(weighted, Effective { priority: 255, fault: None });
        let failed = effective(255, [script("a", 0, false, Down)]);
        assert_eq!(failed.priority, 255);
        assert_eq!(failed.fault.map(|cause| cause.to_string()).as_deref(), Some("script a is down"));
    }

    #[test]
    fn the_sum_is_clamped_once_and_not_on_the_way() {
        let tracked =
            [script("a", -253, false, Down), script("b", 200, false, Up), script("c", 20, false, Up)];
        assert_eq!(effective(100, tracked).priority, 67);
        let reversed: Vec<_> = tracked.into_iter().rev().collect();
        assert_eq!(effective(100, reversed).priority, 67);
        assert_eq!(effective(1, [script("a", -1, false, Down)]).priority, 1);
        assert_eq!(effective(254, [script("a", 1, false, Up)]).priority, 254);
    }

    #[test]
    fn a_failure_is_told_before_a_wait() {
        let interface =
            Tracked { kind: Kind::Interface, name: "eth1", weight: Weight::default(), health: Down };
        let effective = effective(100, [script("s", 0, false, Unproven), interface]);
        assert_eq!(effective.fault.map(|cause| cause.to_string()).as_deref(), Some("interface eth1 is down"));
    }

    #[test]
    fn the_weight_written_in_the_instance_overrides_that_of_the_script() {
        let own = Weight { value: 30, reverse: true };
        assert_eq!(Weight::of_script(own, None, false), own);
        assert_eq!(Weight::of_script(own, Some(-5), false), Weight { value: -5, reverse: false });
        assert_eq!(Weight::of_script(own, Some(0), true), Weight { value: 0, reverse: true });
    }
}
