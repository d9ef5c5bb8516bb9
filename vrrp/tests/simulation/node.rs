//! One node: state machine, watch, and the glue between them that the agent is in production.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipward_common::abi::{FLAG_PREEMPT, MODE_OFF, MODE_REPORT, MODE_WATCH, Peer, PeerKey, RouterKey, Rules};
use vipward_common::wire::{GROUP_V4, GROUP_V6, TTL};
use vipward_vrrp::address::{sum, to_abi};
use vipward_vrrp::packet::{Advert, Arrival, Auth, ChecksumForm, Envelope, Verdict, check, encode};
use vipward_vrrp::router::{Action, Actions, Params, Router, Transition, WatchTimer};
use vipward_vrrp::types::{Family, Mono, Priority};
use vipward_vrrp::watch::{SoftWatch, WatchEvent};

/// A message on the wire, with what its IP header says.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) message: Vec<u8>,
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) router: Router,
    pub(crate) watch: SoftWatch,
    pub(crate) holds: bool,
    /// The agent takes its inputs in order: nothing is handled before this.
    pub(crate) busy_until: Mono,
    /// A Tick is on its way to the agent.
    pub(crate) ticking: bool,
    rules: Rules,
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

impl Node {
    pub(crate) fn new(now: Mono, params: Params) -> Node {
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
        Node {
            router: Router::new(params),
            watch: SoftWatch::new(params.family),
            holds: false,
            busy_until: now,
            ticking: false,
            rules,
        }
    }

    /// The advert that this node would send.
    pub(crate) fn advert(&self, priority: Priority) -> Packet {
        let params = self.router.params();
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

    /// The data path: judges a packet as the kernel would; what comes back is for the agent.
    pub(crate) fn receive(&mut self, now: Mono, packet: &Packet) -> Option<WatchEvent> {
        let family = self.router.params().family;
        let envelope = Envelope {
            key: Arrival::on(1).key(family, packet.message.get(1).copied().unwrap_or(0)),
            source: to_abi(packet.source),
            destination: to_abi(group(family)),
            ttl: packet.ttl,
            fragment: false,
            length: packet.message.len(),
        };
        let tables = (|_: &RouterKey| None::<Rules>, |_: &PeerKey| None::<Peer>);
        match check(&envelope, &self.rules, &packet.message, &tables) {
            Verdict::Accepted(facts) => self.watch.accept(now, &facts),
            Verdict::Rejected(_) | Verdict::NotOurs => None,
        }
    }

    /// Carries actions out. Returns what the world sees: adverts and transitions, in order.
    pub(crate) fn carry_out(&mut self, now: Mono, actions: Actions) -> Vec<Effect> {
        let mut effects = Vec::new();
        for action in actions {
            match action {
                Action::Advertise { priority } => effects.push(Effect::Send(self.advert(priority))),
                Action::Watch { own, timer, .. } => {
                    self.rules.mode = MODE_WATCH;
                    self.rules.priority = own.priority;
                    self.rules.flags = if own.preempt { FLAG_PREEMPT } else { 0 };
                    self.rules.interval_ns = self.router.params().interval.nanos();
                    self.watch.set(now, self.rules, timer);
                }
                Action::Report => self.set_mode(now, MODE_REPORT),
                Action::Off => self.set_mode(now, MODE_OFF),
                Action::Leave { .. } | Action::Stay { .. } => {}
                Action::Hold => self.holds = true,
                Action::Release => self.holds = false,
                Action::Announce { .. } => assert!(self.holds, "announced what is not held"),
                Action::Transition(transition) => effects.push(Effect::Changed(transition)),
            }
        }
        effects
    }

    fn set_mode(&mut self, now: Mono, mode: u8) {
        self.rules.mode = mode;
        self.watch.set(now, self.rules, WatchTimer::Keep);
    }
}

/// What leaves a node.
#[derive(Debug)]
pub(crate) enum Effect {
    Send(Packet),
    Changed(Transition),
}
