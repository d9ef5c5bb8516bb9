//! From base priority and what is tracked to the effective priority or FAULT, as keepalived computes it: a pure function of the present states, so that the order in which they came cannot matter.
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
//! A file holds a number, which is multiplied by its weight: −254 or less is FAULT, anything else is added, 253 at most.
//! With weight 0 any number but 0 is FAULT, with `0 reverse` 0 is.
//!
//! The sum is kept within 1 to 254. The address owner's 255 stays whatever the weights say; FAULT concerns it too.

use std::fmt;

/// Highest priority of a router that does not own the addresses.
const MAX_PRIORITY: i64 = 254;
/// Priority of the address owner (RFC 9568 §5.2.4).
const OWNER: u8 = 255;

/// What is known of something that is tracked.
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
    /// A file that holds this number.
    Holds(i64),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Unproven | Health::Assumed => f.write_str("has no result yet"),
            Health::Up => f.write_str("is up"),
            Health::Down => f.write_str("is down"),
            Health::Holds(number) => write!(f, "holds {number}"),
        }
    }
}

/// What was found of something that is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is up.
    Up,
    /// It is down.
    Down,
    /// It holds this number.
    Number(i64),
}

/// The first reading of something that is tracked, or another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What was found.
    pub reading: Reading,
}

/// What kind of thing is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A `vrrp_script`.
    Script,
    /// A network interface.
    Interface,
    /// A `track_file`.
    File,
    /// A `vrrp_track_process`.
    Process,
}

impl Kind {
    /// Its name in messages and in the status.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Script => "script",
            Kind::Interface => "interface",
            Kind::File => "file",
            Kind::Process => "process",
        }
    }
}

/// A `weight` with its `reverse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// −253 to 253, of files and processes one more; 0 means FAULT.
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

/// Why an instance may not take part in the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// FAULT: this is down (or up, with `reverse`) and has weight 0.
    Failed {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// What it is like.
        health: Health,
    },
    /// INIT: this may be a fault and has no result yet. No fault, and nobody is notified.
    FirstRun {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Failed { kind, name, health } => write!(f, "{} {name} {health}", kind.name()),
            Cause::FirstRun { kind, name } => {
                write!(f, "waiting for the first result of {} {name}", kind.name())
            }
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

/// What something that is tracked does to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its priority changes by this, or not at all.
    Adds(i64),
    /// It may not take part.
    Faults,
    /// It waits for the first result.
    Waits,
}

/// Least product of a number and a weight that is no fault, and greatest that is added.
const LEAST_PRODUCT: i64 = -253;
const MOST_PRODUCT: i64 = 253;

/// What `item` does to an instance; see the table above.
#[must_use]
pub fn effect(item: &Tracked<'_>) -> Effect {
    let Weight { value, reverse } = item.weight;
    let signed = |value: i64| if reverse { -value } else { value };
    let fault = |failed: bool| if failed { Effect::Faults } else { Effect::Adds(0) };
    match item.health {
        // A number may be a fault whatever the weight.
        Health::Unproven if value == 0 || item.kind == Kind::File => Effect::Waits,
        Health::Holds(number) if value == 0 => fault((number == 0) == reverse),
        Health::Holds(number) => match number.saturating_mul(signed(value.into())) {
            ..LEAST_PRODUCT => Effect::Faults,
            product => Effect::Adds(product.min(MOST_PRODUCT)),
        },
        Health::Up | Health::Down if value == 0 => fault((item.health == Health::Up) == reverse),
        Health::Up | Health::Down if (item.health == Health::Up) == (value > 0) => {
            Effect::Adds(signed(value.into()))
        }
        Health::Unproven | Health::Assumed | Health::Up | Health::Down => Effect::Adds(0),
    }
}

/// Computes what an instance of priority `base` is worth; see the table above.
#[must_use]
pub fn effective<'a>(base: u8, tracked: impl IntoIterator<Item = Tracked<'a>>) -> Effective {
    let mut sum = i64::from(base);
    let mut failed = None;
    let mut waiting = None;
    // Weights mean nothing to the owner, and so no product of one does.
    for item in tracked.into_iter().filter(|item| base != OWNER || item.weight.value == 0) {
        let (kind, name) = (item.kind, || item.name.to_owned());
        match effect(&item) {
            Effect::Adds(change) => sum = sum.saturating_add(change),
            Effect::Faults => {
                failed.get_or_insert_with(|| Cause::Failed { kind, name: name(), health: item.health });
            }
            Effect::Waits => _ = waiting.get_or_insert_with(|| Cause::FirstRun { kind, name: name() }),
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

    #[test]
    fn numbers_of_files_are_multiplied() {
        let file = |value, reverse, health| Tracked {
            kind: Kind::File,
            name: "load",
            weight: Weight { value, reverse },
            health,
        };
        // weight, reverse, number, then the priority of a base of 100; 0 is FAULT.
        let cases = [
            (1, false, 20, 120),
            (1, true, 20, 80),
            (-3, false, 10, 70),
            (-3, true, 10, 130),
            (1, false, -253, 1),
            (1, false, -254, 0),
            (-254, false, 1, 0),
            (254, false, 1, 254),
            (2, true, 127, 0),
            (1, false, i64::from(i32::MAX), 254),
            (-254, false, i64::from(i32::MAX), 0),
            (0, false, 0, 100),
            (0, false, 1, 0),
            (0, false, -1, 0),
            (0, true, 0, 0),
            (0, true, 5, 100),
        ];
        for (value, reverse, number, expected) in cases {
            let effective = effective(100, [file(value, reverse, Health::Holds(number))]);
            let seen = if effective.fault.is_some() { 0 } else { effective.priority };
            assert_eq!(seen, expected, "weight {value} reverse {reverse} number {number}");
        }
        let cause =
            |value, health| effective(100, [file(value, false, health)]).fault.map(|cause| cause.to_string());
        assert_eq!(cause(0, Health::Holds(3)).as_deref(), Some("file load holds 3"));
        assert_eq!(cause(5, Unproven).as_deref(), Some("waiting for the first result of file load"));
        assert_eq!(cause(5, Assumed), None);
        let owner = effective(255, [file(-254, false, Health::Holds(1))]);
        assert_eq!(owner, Effective { priority: 255, fault: None });
    }
}
