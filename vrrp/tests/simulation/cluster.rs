//! The nodes on their network, and the loop that moves virtual time from one occurrence to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use vipward_vrrp::router::{Event, Params};
use vipward_vrrp::types::{Family, Mono, State};
use vipward_vrrp::watch::{WatchEvent, WatchEventKind};

use crate::history::History;
use crate::network::{Dice, Network};
use crate::node::{Effect, Node, Packet, source};

/// What somebody does to the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The node loses power.
    Crash(usize),
    /// It is there again, if it was gone, and starts; also a node that was stopped.
    Start(usize),
    /// Something happens to its router: a stop, a fault, tracking.
    Tell(usize, Event),
    /// Nodes whose bits differ no longer hear each other.
    Partition(u8),
    /// Packets are lost, in percent.
    Loss(u64),
}

/// What is due at some time.
#[derive(Debug)]
enum Occurrence {
    Arrival { to: usize, packet: Packet },
    Agent { node: usize, life: u32, input: Input },
    Fault(Fault),
}

/// What an agent is given to handle.
#[derive(Clone, Copy, Debug)]
enum Input {
    Data(WatchEvent),
    Event(Event),
}

/// How long an agent takes to get round to its inputs, and packets to arrive, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) network: Duration,
    pub(crate) agent: Duration,
}

impl Latency {
    /// The longest way from one agent's decision to another's.
    pub(crate) fn sum(self) -> Duration {
        // An agent that has just been woken takes its next input after that one.
        self.network + 2 * self.agent
    }
}

/// Nodes, network and time.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) now: Mono,
    pub(crate) network: Network,
    pub(crate) history: History,
    params: Vec<Params>,
    nodes: Vec<Option<Node>>,
    /// Which life of a node an agent's input belongs to.
    lives: Vec<u32>,
    latency: Latency,
    dice: Dice,
    queue: BTreeMap<(Mono, u64), Occurrence>,
    serial: u64,
}

impl Cluster {
    /// All nodes down, at second 1. Their sources are given by their indices.
    pub(crate) fn new(family: Family, params: &[Params], latency: Latency, seed: u64) -> Cluster {
        let params: Vec<Params> = (0..)
            .zip(params)
            .map(|(index, params)| Params { family, source: source(family, index), ..*params })
            .collect();
        let dice = Dice(seed ^ 0x00a6_e9c5);
        Cluster {
            now: Mono(1_000_000_000),
            network: Network { latency: latency.network, loss: 0, lose_next: 0, sides: 0, dice: Dice(seed) },
            history: History::default(),
            nodes: params.iter().map(|_| None).collect(),
            lives: vec![0; params.len()],
            params,
            latency,
            dice,
            queue: BTreeMap::new(),
            serial: 0,
        }
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.inflict(Fault::Start(node)));
    }

    pub(crate) fn schedule(&mut self, at: Mono, fault: Fault) {
        self.push(at, Occurrence::Fault(fault));
    }

    /// A packet that reaches a node now, from wherever.
    pub(crate) fn inject(&mut self, to: usize, packet: &Packet) {
        self.arrive(to, packet);
    }

    /// Lets time pass.
    pub(crate) fn run_until(&mut self, end: Mono) {
        self.count();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
            self.count();
        }
        self.now = end;
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes[index].as_ref()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        let up = |node: &&Node| matches!(node.router.state(), State::Backup | State::Master);
        self.nodes
            .iter()
            .enumerate()
            .filter_map(move |(index, node)| Some((index, node.as_ref().filter(up)?)))
    }

    pub(crate) fn masters(&self) -> Vec<usize> {
        self.running().filter(|(_, node)| node.holds).map(|(index, _)| index).collect()
    }

    pub(crate) fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Crash(node) => {
                self.nodes[node] = None;
                self.lives[node] += 1;
            }
            Fault::Start(node) => {
                if self.nodes[node].is_none() {
                    self.nodes[node] = Some(Node::new(self.now, self.params[node]));
                }
                self.tell(node, Input::Event(Event::Startup));
            }
            Fault::Tell(node, event) => self.tell(node, Input::Event(event)),
            Fault::Partition(sides) => self.network.sides = sides,
            Fault::Loss(percent) => self.network.loss = percent,
        }
    }

    fn push(&mut self, at: Mono, occurrence: Occurrence) {
        self.serial += 1;
        self.queue.insert((at, self.serial), occurrence);
    }

    fn count(&mut self) {
        let masters = self.masters().len();
        self.history.masters(self.now, masters);
    }

    /// When something is due next: a queued occurrence, or a deadline of a node.
    fn next(&self) -> Option<Mono> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let due = self.nodes.iter().flatten().flat_map(|node| {
            let tick = node.router.next_deadline().filter(|_| !node.ticking);
            [tick, node.watch.deadline()].into_iter().flatten()
        });
        due.chain(queued).min()
    }

    fn step(&mut self) {
        for index in 0..self.nodes.len() {
            let now = self.now;
            let Some(node) = &mut self.nodes[index] else { continue };
            if let Some(expiry) = node.watch.expire(now) {
                return self.tell(index, Input::Data(expiry));
            }
            if !node.ticking && node.router.next_deadline().is_some_and(|due| due <= now) {
                node.ticking = true;
                return self.tell(index, Input::Event(Event::Tick));
            }
        }
        if let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= self.now) {
            match first.remove() {
                Occurrence::Arrival { to, packet } => self.arrive(to, &packet),
                Occurrence::Agent { node, life, input } if life == self.lives[node] => {
                    self.handle(node, input);
                }
                Occurrence::Agent { .. } => {}
                Occurrence::Fault(fault) => self.inflict(fault),
            }
        }
    }

    fn arrive(&mut self, to: usize, packet: &Packet) {
        let now = self.now;
        let event = self.nodes[to].as_mut().and_then(|node| node.receive(now, packet));
        if let Some(event) = event {
            self.tell(to, Input::Data(event));
        }
    }

    /// Queues an input for an agent, behind those that it already has.
    fn tell(&mut self, index: usize, input: Input) {
        let at = self.now + self.dice.up_to(self.latency.agent);
        if let Some(node) = &mut self.nodes[index] {
            node.busy_until = node.busy_until.max(at);
            let at = node.busy_until;
            self.push(at, Occurrence::Agent { node: index, life: self.lives[index], input });
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        let now = self.now;
        let Some(node) = &mut self.nodes[index] else { return };
        let event = match input {
            Input::Event(event) => event,
            Input::Data(data)
                if data.kind == WatchEventKind::Expired && !node.watch.claim(data.generation) =>
            {
                return;
            }
            Input::Data(data) => data.to_router(),
        };
        if event == Event::Tick {
            node.ticking = false;
        }
        let actions = node.router.handle(now, event);
        for effect in node.carry_out(now, actions) {
            match effect {
                Effect::Send(packet) => self.send(index, &packet),
                Effect::Changed(transition) => self.history.transitions.push((now, index, transition)),
            }
        }
    }

    fn send(&mut self, from: usize, packet: &Packet) {
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if let Some(delay) = self.network.route(from, to) {
                self.push(self.now + delay, Occurrence::Arrival { to, packet: packet.clone() });
            }
        }
    }
}
