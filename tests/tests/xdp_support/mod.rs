//! What the XDP tests share.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

pub(crate) mod capability;
pub(crate) mod wire;

use std::net::IpAddr;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use vipward::kernel::{Datapath, Report};
/// `XDP_DROP`.
pub(crate) const DROP: u32 = 1;
/// `XDP_PASS`.
pub(crate) const PASS: u32 = 2;

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn now() -> u64 {
    u64::try_from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().num_nanoseconds()).unwrap()
}

/// Drains until `wanted` reports are there or the time is over.
pub(crate) fn reports(path: &mut dyn Datapath, wanted: usize, within: Duration) -> Vec<Report> {
    let end = now() + u64::try_from(within.as_nanos()).unwrap();
    let mut reports = Vec::new();
    loop {
        path.drain(now(), &mut reports);
        let left = end.saturating_sub(now());
        if reports.len() >= wanted || left == 0 {
            return reports;
        }
        let until = path.next_deadline().map_or(left, |at| at.saturating_sub(now()).min(left));
        let mut fds: Vec<_> = path.fds().into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let millis = u16::try_from(until.div_ceil(1_000_000)).unwrap_or(u16::MAX);
        poll(&mut fds, PollTimeout::from(millis)).unwrap();
    }
}

/// Whether anything becomes readable in that time.
pub(crate) fn readable(path: &dyn Datapath, within: Duration) -> bool {
    let mut fds: Vec<_> = path.fds().into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    poll(&mut fds, PollTimeout::try_from(within).unwrap()).unwrap() > 0
}

/// An address from text.
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
