//! What a node's kernel keeps, and so what outlives its agent: the watch, the lease with its fence, the addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipward_common::abi::{FLAG_PREEMPT, MODE_OFF, MODE_REPORT, MODE_WATCH, Peer, PeerKey, RouterKey, Rules};
use vipward_common::lease::{self, Lease};
use vipward_common::watch::Own;
use vipward_common::wire::{GROUP_V4, GROUP_V6, TTL};
use vipward_vrrp::address::{sum, to_abi};
use vipward_vrrp::packet::{Advert, Arrival, Auth, ChecksumForm, Envelope, Verdict, check, encode};
use vipward_vrrp::router::{Event, Params, Router, WatchTimer};
use vipward_vrrp::types::{Family, Mono, Priority};
use vipward_vrrp::watch::{SoftWatch, WatchEvent};

use crate::clock::Clock;

/// A message on the wire, with what its IP header says.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) message: Vec<u8>,
}

impl Packet {
    /// An advert of a router with this configuration.
    pub(crate) fn advert(params: &Params, priority: Priority) -> Packet {
        let advert = Advert {
            version: params.version,
            vrid: params.vrid,
            priority,
            interval: params.interval,
            addresses: vec![vip(params.family)],
            auth: Auth::None,
        };
        let message = encode(&advert, ChecksumForm::default(), params.source, group(params.family)).unwrap();
        Packet { source: params.source, ttl: TTL, message }
    }
}

/// The kernel of one node. Times are true; it has its own [`Clock`].
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) clock: Clock,
    pub(crate) watch: SoftWatch,
    pub(crate) lease: Lease,
    /// The addresses are there.
    pub(crate) holds: bool,
    family: Family,
    rules: Rules,
    /// As MASTER it would take its place back.
    preempts: bool,
}

impl Kernel {
    pub(crate) fn new(clock: Clock, params: &Params) -> Kernel {
        let rules = Rules {
            source: to_abi(params.source),
            destination: to_abi(group(params.family)),
            interval_ns: params.interval.nanos(),
            addresses_sum: sum(&[vip(params.family)]),
            addresses_count: 1,
            version: params.version.number(),
            down_adverts: params.down_adverts,
            ..Rules::default()
        };
        let watch = SoftWatch::new(params.family);
        Kernel {
            clock,
            watch,
            lease: Lease::default(),
            holds: false,
            family: params.family,
            rules,
            preempts: params.preempt,
        }
    }

    /// Whether a client gets an answer: the address is there, and the fence lets its packets through.
    pub(crate) fn answers(&self, now: Mono) -> bool {
        self.holds && self.lease.serves(self.clock.shows(now).0)
    }

    /// Judges a packet; what comes back is for the agent, if there is one. The lease needs none.
    pub(crate) fn receive(&mut self, now: Mono, packet: &Packet) -> Option<WatchEvent> {
        let envelope = Envelope {
            key: Arrival::on(1).key(self.family, packet.message.get(1).copied().unwrap_or(0)),
            mac: None,
            source: to_abi(packet.source),
            destination: to_abi(group(self.family)),
            ttl: packet.ttl,
            fragment: false,
            length: packet.message.len(),
        };
        let tables = (|_: &RouterKey| None::<Rules>, |_: &PeerKey| None::<Peer>);
        match check(&envelope, &self.rules, &packet.message, &tables) {
            Verdict::Accepted(facts) => {
                let own = (self.rules.priority, &self.rules.source);
                let beats = lease::beats(own, facts.priority.0, &to_abi(facts.source));
                let now = self.clock.shows(now);
                self.lease.heard(now.0, facts.priority.0, beats, !self.preempts);
                self.watch.accept(now, &facts)
            }
            Verdict::Rejected(_) | Verdict::NotOurs => None,
        }
    }

    /// Turns an expiry into mastership, if it still stands; the lease is open with it.
    pub(crate) fn claim(&mut self, generation: u64) -> bool {
        let won = self.watch.claim(generation);
        if won {
            self.rules.mode = MODE_REPORT;
            self.lease.open();
        }
        won
    }

    pub(crate) fn watch(&mut self, now: Mono, router: &Router, own: Own, timer: WatchTimer) {
        self.lease.end();
        self.rules.flags = if own.preempt { FLAG_PREEMPT } else { 0 };
        self.steer(now, router, MODE_WATCH, timer);
    }

    pub(crate) fn report(&mut self, now: Mono, router: &Router) {
        if self.rules.mode != MODE_REPORT {
            self.lease.open();
        }
        self.steer(now, router, MODE_REPORT, WatchTimer::Keep);
    }

    fn steer(&mut self, now: Mono, router: &Router, mode: u8, timer: WatchTimer) {
        self.rules.mode = mode;
        self.rules.priority = router.priority().0;
        self.rules.interval_ns = router.params().interval.nanos();
        self.watch.set(self.clock.shows(now), self.rules, timer);
    }

    pub(crate) fn off(&mut self, now: Mono) {
        self.lease.end();
        self.rules.mode = MODE_OFF;
        self.watch.set(self.clock.shows(now), self.rules, WatchTimer::Keep);
    }

    /// The priority by which rivals are judged.
    pub(crate) fn priority(&self) -> u8 {
        self.rules.priority
    }

    /// Whether there is no lease to renew although the router is master.
    pub(crate) fn lease_ended(&self) -> bool {
        self.rules.mode == MODE_REPORT && self.lease.mode == lease::NONE
    }

    /// Whether the machine finds by itself that it has to yield.
    pub(crate) fn is_beaten_by(&self, event: &Event) -> bool {
        let Event::Heard(heard) = event else { return false };
        lease::beats((self.rules.priority, &self.rules.source), heard.priority.0, &to_abi(heard.source))
    }

    /// Whether a new agent may go on where another ended.
    pub(crate) fn adoptable(&self, now: Mono) -> bool {
        self.answers(now) && self.lease.mode == lease::HELD
    }
}

pub(crate) fn source(family: Family, index: usize) -> IpAddr {
    let last = u8::try_from(index).unwrap() + 10;
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, last).into(),
        Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last.into()).into(),
    }
}

fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => GROUP_V4.into(),
        Family::V6 => GROUP_V6.into(),
    }
}

fn vip(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, 100).into(),
        Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100).into(),
    }
}
