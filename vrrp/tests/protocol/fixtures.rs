//! Values that the tests share.

use std::net::IpAddr;
use std::time::Duration;

use vipward_vrrp::router::{Event, Heard, Params, Router};
use vipward_vrrp::types::{Interval, Mono, Priority, State, Vrid};

/// The router under test: 192.0.2.10, VRID 7, and the defaults: version 3, priority 100, 1 s.
pub(crate) fn params() -> Params {
    Params::new(Vrid::new(7).unwrap(), address(10))
}

/// 192.0.2.`last`.
pub(crate) fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// An instant in milliseconds.
pub(crate) fn at(millis: u64) -> Mono {
    Mono(millis * 1_000_000)
}

/// Master_Down_Interval of [`params`]: 3 × 1 s + 156/256 s.
pub(crate) const MASTER_DOWN: Duration = Duration::from_micros(3_609_375);

/// When [`in_state`] became MASTER.
pub(crate) const MASTER_SINCE: u64 = 9_500;

/// A router in the given state; as MASTER since [`MASTER_SINCE`] milliseconds.
pub(crate) fn in_state(state: State, params: Params) -> Router {
    let mut router = Router::new(params);
    let path: &[(u64, Event)] = match state {
        State::Init => &[],
        State::Backup => &[(0, Event::Startup)],
        State::Master => &[(0, Event::Startup), (MASTER_SINCE, Event::Expired)],
        State::Fault => &[(0, Event::Fault)],
    };
    for (millis, event) in path {
        let _ = router.handle(at(*millis), *event);
    }
    assert_eq!(router.state(), state);
    router
}

/// An advert from 192.0.2.`last` with an interval of 1 s.
pub(crate) fn heard(last: u8, priority: u8) -> Heard {
    Heard { source: address(last), priority: Priority(priority), interval: Interval::from_secs(1) }
}

/// An event of each kind.
pub(crate) fn one_of_each() -> [Event; 16] {
    [
        Event::Startup,
        Event::Resume,
        Event::Shutdown,
        Event::Drain,
        Event::Undrain,
        Event::Expired,
        Event::Heard(heard(9, 1)),
        Event::Deposed,
        Event::Tick,
        Event::Priority(Priority(1)),
        Event::Fault,
        Event::Recovered,
        Event::Reconfigured(params()),
        Event::Source(address(1)),
        Event::Refrain,
        Event::Demote,
    ]
}
