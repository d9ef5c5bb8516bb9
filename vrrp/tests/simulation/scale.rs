//! What stays the same however many routers there are.

use std::time::{Duration, Instant};

use vipward_common::abi;
use vipward_common::timing::master_down;
use vipward_vrrp::router::Router;
use vipward_vrrp::watch::SoftWatch;

use crate::fleet::{Fleet, HOSTS_PER_LAN, PRIORITIES, Phase, WORK};
use crate::node::Node;

const SECOND: Duration = Duration::from_secs(1);
/// How far apart the hosts start.
const SPREAD: Duration = SECOND;
/// Adverts that a router sends in the calm, and the two at its ends.
const CALM: u64 = 20;

/// The longest Master_Down_Interval of all members.
fn longest_down() -> Duration {
    let interval = u64::try_from(SECOND.as_nanos()).unwrap();
    Duration::from_nanos(master_down(3, PRIORITIES[PRIORITIES.len() - 1], interval, 3))
}

/// What a fleet did.
struct Run {
    routers: usize,
    start: Phase,
    calm: Phase,
    crash: Phase,
    back: Phase,
}

/// Starts a fleet, leaves it alone, lets one host in a hundred crash, and lets these come back.
fn run(routers: usize) -> Run {
    let began = Instant::now();
    let memory = resident();
    let mut fleet = Fleet::new(routers, 1);
    fleet.start_within(SPREAD);
    let first = fleet.now;
    let start = fleet.run_for(SPREAD + 3 * longest_down());
    let settled = start.settled.saturating_since(first);
    assert_eq!(fleet.in_order(), routers);
    let memory = resident().saturating_sub(memory);

    let calm = fleet.run_for(u32::try_from(CALM).unwrap() * SECOND);
    assert_eq!((calm.none, calm.two), (Duration::ZERO, Duration::ZERO));

    // One or more in every fourth LAN, and none next to another in a router.
    let crashed: Vec<usize> = (0..fleet.hosts()).step_by(4 * HOSTS_PER_LAN + 1).collect();
    for host in &crashed {
        fleet.crash(*host);
    }
    let crash = fleet.run_for(2 * longest_down());
    assert_eq!(fleet.in_order(), routers);
    for host in &crashed {
        fleet.start(*host);
    }
    let back = fleet.run_for(3 * longest_down());
    assert_eq!(fleet.in_order(), routers);

    let each = |count: u64| count.div_ceil(routers as u64);
    println!(
        "{routers} routers on {} hosts: settled after {settled:?}; in {CALM} s {} adverts and {} inputs each; \
         {} hosts crashed, longest without a master {:?}; longest wait for an agent {:?}; {} steps in {:?}; \
         {} bytes of memory per member",
        fleet.hosts(),
        each(calm.adverts),
        each(calm.inputs),
        crashed.len(),
        crash.none,
        start.waited.max(crash.waited).max(back.waited),
        fleet.steps,
        began.elapsed(),
        memory / (routers * PRIORITIES.len()),
    );
    Run { routers, start, calm, crash, back }
}

/// What must hold of each fleet, and be the same in all of them.
fn judge(run: &Run) {
    let slack = 50 * WORK + 10 * Duration::from_millis(1);
    let Run { routers, start, calm, crash, back } = run;
    let all = |count: u64| u64::try_from(*routers).unwrap() * count;
    // Elections settle: the last host has come, and whoever must wait longest has waited.
    assert!(start.none <= SPREAD + longest_down() + slack, "{:?}", start.none);
    // Per router nothing depends on how many others there are: an advert per interval, and a tick for each.
    for (of_all, of_one) in [(calm.adverts, calm.adverts_of_one), (calm.inputs, calm.inputs_of_one)] {
        assert!((all(CALM - 1)..=all(CALM + 1)).contains(&of_all), "{of_all} of {routers} routers");
        assert!((CALM - 1..=CALM + 1).contains(&of_one), "{of_one}");
    }
    // A crash costs what it costs a single cluster, and the other routers nothing.
    assert!(crash.none <= longest_down() + slack, "{:?}", crash.none);
    assert!(crash.adverts <= all(2 * longest_down().as_secs() + 3), "{}", crash.adverts);
    // Whoever comes back takes its place in one interval of both, and without a gap.
    assert_eq!(back.none, Duration::ZERO);
    assert!(back.two <= slack, "{:?}", back.two);
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn a_thousand_routers_behave_like_a_hundred() {
    for routers in [100, 1_000] {
        judge(&run(routers));
    }
}

#[test]
#[ignore = "the whole fleet; `cargo xtask scale` runs it"]
fn ten_thousand_routers_on_a_thousand_hosts() {
    println!(
        "bytes per router: {} of state machine, {} of watch in user space, {} in the kernel's map with {} of \
         counters per CPU, {} with a whole simulated kernel",
        size_of::<Router>(),
        size_of::<SoftWatch>(),
        size_of::<abi::Router>(),
        size_of::<abi::Counters>(),
        size_of::<Node>(),
    );
    for routers in [100, 1_000, 10_000] {
        judge(&run(routers));
    }
}
