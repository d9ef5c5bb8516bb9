//! Complaints about adverts that are of no use here: most often a password, an interval or an address list differs
//! between nodes, and the counters alone would tell only who looks at them. The network can cause any number of these,
//! so each kind is logged once in a while, with the count since and who sent the last of them. While that stays the same
//! sender, it is said once an hour: who shares a VRID with a stranger knows it then.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::orders::Order;
use crate::control::reasons::{explain, remedy, sender};
use crate::control::status::{Family, InstanceStatus, rfc3339};
use crate::election::message::{OTHER_ADDRESSES, OTHER_INTERVAL};

/// From one look at the counters to the next.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long nothing more is said of a reason for rejections in one instance.
const QUIET: Duration = Duration::from_mins(1);
/// The same of adverts that are accepted all the same: it may be meant so.
const LONG_QUIET: Duration = Duration::from_hours(1);

/// Asks for the status from time to time and logs what a person must look at, for as long as the agent takes orders.
pub(super) async fn watch(orders: mpsc::Sender<Order>) {
    let mut ledger = Ledger::new(SystemTime::now());
    let mut looks = tokio::time::interval(INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (answer, status) = oneshot::channel();
        if orders.send(Order::Status(answer)).await.is_err() {
            return;
        }
        // An agent that cannot say how it is has other worries than its peers' adverts.
        let Ok(Ok(status)) = status.await else { continue };
        for complaint in ledger.look(Instant::now(), SystemTime::now(), &status.instances) {
            warn!("{complaint}");
        }
    }
}

/// What stays of an instance when a reload gives it another name.
type Router = (String, Family, u8);

/// What is wrong with adverts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Fault {
    /// A receive check rejects them for this reason.
    Rejected(String),
    /// They are accepted, and list other addresses.
    Addresses,
    /// They are accepted, and have another interval.
    Interval,
}

impl Fault {
    /// How long nothing is said after it was said of `named`, if the next is `sender`'s.
    fn quiet(&self, named: Option<&String>, sender: Option<&String>) -> Duration {
        match self {
            Fault::Rejected(_) if sender.is_none() || named != sender => QUIET,
            Fault::Rejected(_) | Fault::Addresses | Fault::Interval => LONG_QUIET,
        }
    }

    /// The sender of the last such advert.
    fn sender(&self, instance: &InstanceStatus) -> Option<String> {
        let what = match self {
            Fault::Rejected(label) => label.as_str(),
            Fault::Addresses => OTHER_ADDRESSES,
            Fault::Interval => OTHER_INTERVAL,
        };
        instance.strangers.iter().find(|stranger| stranger.what == what).map(sender)
    }
}

/// One counter as it was complained of last.
#[derive(Clone, Debug)]
struct Entry {
    /// Its value at `since`.
    count: u64,
    since: SystemTime,
    /// When it was complained of, if ever.
    told: Option<Instant>,
    /// Who was named then.
    named: Option<String>,
}

/// What was seen, and what was said of it.
#[derive(Debug)]
struct Ledger {
    entries: HashMap<(Router, Fault), Entry>,
    /// When the counters were looked at last.
    looked: SystemTime,
}

impl Ledger {
    /// Of counters that begin at zero `now`.
    fn new(now: SystemTime) -> Ledger {
        Ledger { entries: HashMap::new(), looked: now }
    }

    /// Compares with what was seen before; gives the lines to log.
    fn look(&mut self, now: Instant, clock: SystemTime, instances: &[InstanceStatus]) -> Vec<String> {
        let before = std::mem::take(&mut self.entries);
        let mut complaints = Vec::new();
        for instance in instances {
            let router = (instance.interface.clone(), instance.family, instance.vrid);
            for (fault, count) in faults(instance) {
                let key = (router.clone(), fault);
                let unseen = Entry { count: 0, since: self.looked, told: None, named: None };
                let entry = before.get(&key).cloned().unwrap_or(unseen);
                let sender = key.1.sender(instance);
                // A router that was taken out and came back begins at zero.
                let grown = count.checked_sub(entry.count).unwrap_or(count);
                let pause = key.1.quiet(entry.named.as_ref(), sender.as_ref());
                let quiet = entry.told.is_some_and(|told| now.duration_since(told) < pause);
                let entry = if grown == 0 {
                    Entry { count, since: clock, ..entry }
                } else if quiet {
                    entry
                } else {
                    complaints.push(complaint(&instance.name, &key.1, grown, entry.since, sender.as_deref()));
                    Entry { count, since: clock, told: Some(now), named: sender }
                };
                self.entries.insert(key, entry);
            }
        }
        self.looked = clock;
        complaints
    }
}

/// The counters that somebody must look at when they grow.
fn faults(instance: &InstanceStatus) -> Vec<(Fault, u64)> {
    let rejected = instance.adverts_rejected_by.iter();
    let mut faults: Vec<(Fault, u64)> =
        rejected.map(|(label, count)| (Fault::Rejected(label.clone()), *count)).collect();
    faults.push((Fault::Addresses, instance.adverts_address_list_differs));
    faults.push((Fault::Interval, instance.adverts_interval_differs));
    faults
}

fn complaint(name: &str, fault: &Fault, count: u64, since: SystemTime, sender: Option<&str>) -> String {
    let since = rfc3339(since);
    let who = sender.map(|sender| format!(", last from {sender}")).unwrap_or_default();
    match fault {
        Fault::Rejected(label) => {
            let remedy = remedy(label).map(|remedy| format!("; {remedy}")).unwrap_or_default();
            format!("{name}: {count} adverts rejected since {since}: {}{who}{remedy}", explain(label))
        }
        Fault::Addresses => format!(
            "{name}: {count} adverts since {since} list other addresses than ours{who}; compare \
             `virtual_ipaddress` on all nodes"
        ),
        Fault::Interval => format!(
            "{name}: {count} adverts since {since} have another interval than ours{who}; compare `advert_int` on \
             all nodes"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::control::status::Stranger;
    use crate::control::status::tests::sample;

    /// Looks that are ten seconds apart; what is said at each.
    struct Looks {
        ledger: Ledger,
        begin: Instant,
        seconds: u64,
    }

    impl Looks {
        fn new() -> Looks {
            Looks { ledger: Ledger::new(UNIX_EPOCH), begin: Instant::now(), seconds: 0 }
        }

        fn at(&mut self, instances: &[InstanceStatus]) -> Vec<String> {
            self.seconds += 10;
            let passed = Duration::from_secs(self.seconds);
            self.ledger.look(self.begin + passed, UNIX_EPOCH + passed, instances)
        }
    }

    /// The sample's first instance, with these rejected for their password.
    fn rejected(count: u64) -> Vec<InstanceStatus> {
        let mut instances = sample().instances;
        instances.truncate(1);
        instances[0].adverts_rejected_by.insert("auth_data".into(), count);
        instances
    }

    #[test]
    fn a_growing_counter_is_told_once_a_minute_with_all_that_came_since() {
        let mut looks = Looks::new();
        assert!(looks.at(&rejected(0)).is_empty());
        let first = "VI_1: 10 adverts rejected since 1970-01-01T00:00:10.000Z: wrong password (auth_data); compare \
                     `auth_pass` on all nodes";
        assert_eq!(looks.at(&rejected(10)), [first]);
        for count in [20, 30, 40, 50, 60] {
            assert!(looks.at(&rejected(count)).is_empty(), "{count}");
        }
        let second = looks.at(&rejected(70)).concat();
        assert!(second.starts_with("VI_1: 60 adverts rejected since 1970-01-01T00:00:20.000Z"), "{second}");
    }

    /// The same, sent by `address`.
    fn rejected_from(address: &str, count: u64) -> Vec<InstanceStatus> {
        let mut instances = rejected(count);
        instances[0].strangers = vec![Stranger {
            what: "auth_data".into(),
            address: address.into(),
            mac: Some("02:00:00:00:00:09".into()),
            version: 2,
            seconds_ago: 0.5,
        }];
        instances
    }

    #[test]
    fn a_stranger_is_named_once_and_the_next_one_after_a_minute() {
        let mut looks = Looks::new();
        looks.at(&rejected(0));
        let said = looks.at(&rejected_from("192.0.2.9", 10)).concat();
        assert!(said.contains("(auth_data), last from 192.0.2.9 (02:00:00:00:00:09); compare"), "{said}");
        for count in 11..=40 {
            assert!(looks.at(&rejected_from("192.0.2.9", count)).is_empty(), "{count}");
        }
        let said = looks.at(&rejected_from("192.0.2.8", 41)).concat();
        assert!(said.contains("31 adverts rejected") && said.contains("last from 192.0.2.8"), "{said}");
        assert!(
            looks.at(&rejected_from("192.0.2.9", 42)).is_empty(),
            "two who take turns are told once a minute"
        );
    }

    #[test]
    fn a_counter_that_rests_is_not_told() {
        let mut looks = Looks::new();
        assert_eq!(looks.at(&rejected(5)).len(), 1);
        for _ in 0..10 {
            assert!(looks.at(&rejected(5)).is_empty());
        }
        let again = looks.at(&rejected(6)).concat();
        assert!(again.starts_with("VI_1: 1 adverts rejected since 1970-01-01T00:01:50.000Z"), "{again}");
    }

    #[test]
    fn reasons_and_instances_are_told_apart() {
        let mut looks = Looks::new();
        looks.at(&rejected(1));
        let mut both = sample().instances;
        both[0].adverts_rejected_by.extend([("auth_data".into(), 2), ("ttl".into(), 1)]);
        both[0].adverts_interval_differs = 4;
        let said = looks.at(&both);
        let beginnings =
            ["VI_1: 1 adverts rejected", "VI_1: 4 adverts since", "database: 2 adverts rejected"];
        for (beginning, kind) in beginnings.iter().zip(["(ttl)", "another interval", "(ttl)"]) {
            let found = said.iter().any(|line| line.starts_with(beginning) && line.contains(kind));
            assert!(found, "{beginning} … {kind} in {said:#?}");
        }
        assert!(!said.iter().any(|line| line.contains("auth_data")), "said a moment ago: {said:#?}");
        assert!(said.iter().any(|line| line.contains("list other addresses than ours")), "{said:#?}");
    }

    #[test]
    fn another_name_is_no_news_and_a_new_router_begins_at_zero() {
        let mut looks = Looks::new();
        looks.at(&rejected(7));
        let mut renamed = rejected(7);
        renamed[0].name = "WEB".into();
        assert!(looks.at(&renamed).is_empty());
        looks.at(&[]);
        let said = looks.at(&rejected(3)).concat();
        assert!(said.starts_with("VI_1: 3 adverts rejected"), "{said}");
    }
}
