//! A rejected packet touches no timer and no state: every reason in every state, and a flood of them.

use vipward_common::abi::{FLAG_PREEMPT, MODE_OFF, MODE_REPORT, MODE_WATCH, Rules};
use vipward_vrrp::packet::{Verdict, decode_frame};
use vipward_vrrp::router::{Event, Router, WatchTimer};
use vipward_vrrp::types::{Family, State};
use vipward_vrrp::watch::SoftWatch;

use crate::fixtures::{MASTER_DOWN, at, in_state, params};
use crate::frames::{CAPTURED, IFINDEX, Table};
use crate::receive::a_frame_for_every_reason;

/// A state machine and its watch, fed with frames as the socket data path feeds them.
struct Node {
    router: Router,
    watch: SoftWatch,
    table: Table,
}

impl Node {
    fn in_state(state: State, table: &Table) -> Node {
        let mode = match state {
            State::Backup => MODE_WATCH,
            State::Master => MODE_REPORT,
            State::Init | State::Fault => MODE_OFF,
        };
        let rules = Rules { mode, flags: table.rules.flags | FLAG_PREEMPT, ..table.rules };
        let mut watch = SoftWatch::new(Family::V4);
        watch.set(at(0), rules, WatchTimer::Set(MASTER_DOWN));
        Node { router: in_state(state, params()), watch, table: Table { rules, ..table.clone() } }
    }

    /// Returns whether the frame was accepted.
    fn receive(&mut self, millis: u64, frame: &[u8]) -> bool {
        let Verdict::Accepted(facts) = decode_frame(frame, IFINDEX, &self.table) else { return false };
        if let Some(event) = self.watch.accept(at(millis), &facts) {
            let _ = self.router.handle(at(millis), event.to_router());
        }
        true
    }

    fn snapshot(&self) -> String {
        format!("{:?} {:?}", self.router, self.watch)
    }
}

#[test]
fn every_reason_in_every_state_under_a_flood() {
    for state in State::ALL {
        for (reason, frame, table) in a_frame_for_every_reason() {
            let mut node = Node::in_state(state, &table);
            let before = node.snapshot();
            for packet in 0..1_000 {
                assert!(!node.receive(10_000 + packet, &frame), "{reason} accepted in {state}");
            }
            assert_eq!(node.snapshot(), before, "{reason} touched {state}");
        }
    }
}

/// The same nodes do react to a good advert, so the test above could fail.
#[test]
fn an_accepted_advert_does_touch_backup_and_master() {
    for state in [State::Backup, State::Master] {
        let mut node = Node::in_state(state, &CAPTURED[2].expectations());
        let before = node.snapshot();
        assert!(node.receive(10_000, &CAPTURED[2].frame()));
        assert_ne!(node.snapshot(), before, "{state}");
    }
}

#[test]
fn the_watch_runs_out_in_the_middle_of_a_flood() {
    for (reason, frame, table) in a_frame_for_every_reason() {
        let mut node = Node::in_state(State::Backup, &table);
        let end = at(0) + MASTER_DOWN;
        let mut expiry = None;
        for millis in 0..5_000 {
            node.receive(millis, &frame);
            expiry = expiry.or_else(|| node.watch.expire(at(millis)));
        }
        let expiry = expiry.unwrap_or_else(|| panic!("{reason} kept a dead master alive"));
        assert_eq!(expiry.deadline, end, "{reason}");
        assert!(node.watch.claim(expiry.generation), "{reason}");
        let _ = node.router.handle(expiry.at, Event::Expired);
        assert_eq!(node.router.state(), State::Master);
    }
}
