//! The nodes on their network, and the loop that moves virtual time from one occurrence to the next.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vipward_common::lease::LEAVING;
use vipward_common::timing::lease_length;
use vipward_vrrp::router::{Event, Params};
use vipward_vrrp::types::{Family, Mono, State};

use crate::clock::Clock;
use crate::history::History;
use crate::kernel::{Packet, source};
use crate::network::{Dice, Network};
use crate::node::{Agent, Effect, Input, LeaseLength, Node};
use crate::witness::Witness;

/// What somebody does to the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The node loses power.
    Crash(usize),
    /// Its agent dies, with a guard beside it or without; the kernel goes on.
    Kill { node: usize, guarded: bool },
    /// Its agent is frozen for so long; the kernel goes on.
    Freeze(usize, Duration),
    /// It is there again, if it was gone, and starts; also a node that was stopped.
    Start(usize),
    /// Something happens to its router: a stop, a fault, tracking.
    Tell(usize, Event),
    /// Nodes whose bits differ no longer hear each other.
    Partition(u8),
    /// Nodes whose bits are set are no longer heard.
    Mute(u8),
    /// Packets are lost, in percent.
    Loss(u64),
}

/// What is due at some time.
#[derive(Debug)]
enum Occurrence {
    Arrival { to: usize, packet: Rc<Packet> },
    Agent { node: usize, life: u32, input: Input },
    Fault(Fault),
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
    pub(crate) witness: Witness,
    pub(crate) lease_length: LeaseLength,
    /// Occurrences so far.
    pub(crate) steps: u64,
    params: Vec<Params>,
    clocks: Vec<Clock>,
    nodes: Vec<Option<Node>>,
    /// Which life of a node an agent's input belongs to.
    lives: Vec<u32>,
    latency: Latency,
    dice: Dice,
    queue: BTreeMap<(Mono, u64), Occurrence>,
    serial: u64,
}

impl Cluster {
    /// All nodes down, at second 1, with perfect clocks. Their sources are given by their indices.
    pub(crate) fn new(family: Family, params: &[Params], latency: Latency, seed: u64) -> Cluster {
        let params: Vec<Params> = (0..)
            .zip(params)
            .map(|(index, params)| Params { family, source: source(family, index), ..*params })
            .collect();
        let dice = Dice(seed ^ 0x00a6_e9c5);
        Cluster {
            now: Mono(1_000_000_000),
            network: Network::new(latency.network, seed),
            history: History::default(),
            witness: Witness::new(params.len()),
            lease_length,
            steps: 0,
            clocks: vec![Clock::default(); params.len()],
            nodes: params.iter().map(|_| None).collect(),
            lives: vec![0; params.len()],
            params,
            latency,
            dice,
            queue: BTreeMap::new(),
            serial: 0,
        }
    }

    /// The same with these clocks.
    pub(crate) fn with_clocks(mut self, clocks: Vec<Clock>) -> Cluster {
        assert_eq!(clocks.len(), self.nodes.len());
        self.clocks = clocks;
        self
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

    pub(crate) fn node(&self, index: usize) -> Option<&Agent> {
        self.nodes[index].as_ref()?.agent.as_ref()
    }

    /// Agents that take part.
    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Agent)> {
        let up = |agent: &&Agent| matches!(agent.router.state(), State::Backup | State::Master);
        (0..self.nodes.len()).filter_map(move |index| Some((index, self.node(index).filter(up)?)))
    }

    /// Nodes that answer for the addresses.
    pub(crate) fn masters(&self) -> Vec<usize> {
        let answers = |index: &usize| self.answers(*index);
        (0..self.nodes.len()).filter(answers).collect()
    }

    fn answers(&self, index: usize) -> bool {
        self.nodes[index].as_ref().is_some_and(|node| node.kernel.answers(self.now))
    }

    pub(crate) fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Crash(node) => {
                self.nodes[node] = None;
                self.lives[node] += 1;
            }
            Fault::Kill { node, guarded } => {
                let now = self.now;
                let last_words = self.nodes[node].as_mut().and_then(|node| node.kill(now, guarded));
                self.lives[node] += 1;
                if let Some(packet) = last_words {
                    self.send(node, packet);
                }
            }
            Fault::Freeze(node, time) => self.freeze(node, time),
            Fault::Start(node) => {
                let (clock, params) = (self.clocks[node], self.params[node]);
                self.nodes[node].get_or_insert_with(|| Node::new(clock, params)).start(self.now);
                self.tell(node, Input::Start);
            }
            Fault::Tell(node, event) => self.tell(node, Input::Event(event)),
            Fault::Partition(sides) => self.network.sides = sides,
            Fault::Mute(nodes) => self.network.mute = nodes,
            Fault::Loss(percent) => self.network.loss = percent,
        }
    }

    /// What an agent was about to handle waits until it is thawed.
    fn freeze(&mut self, index: usize, time: Duration) {
        let thaw = self.now + time;
        let Some(agent) = self.nodes[index].as_mut().and_then(|node| node.agent.as_mut()) else { return };
        agent.busy_until = agent.busy_until.max(thaw);
        let waits = |(at, _): &(Mono, u64), occurrence: &mut Occurrence| {
            *at < thaw && matches!(occurrence, Occurrence::Agent { node, .. } if *node == index)
        };
        let waiting: Vec<_> = self.queue.extract_if(.., waits).collect();
        for (_, occurrence) in waiting {
            self.push(thaw, occurrence);
        }
    }

    fn push(&mut self, at: Mono, occurrence: Occurrence) {
        self.serial += 1;
        self.queue.insert((at, self.serial), occurrence);
    }

    fn count(&mut self) {
        let answering = (0..self.nodes.len()).fold(0, |set, node| set | u8::from(self.answers(node)) << node);
        self.history.masters(self.now, answering.count_ones() as usize);
        self.witness.answering(self.now, answering);
    }

    /// When something is due next: a queued occurrence, or a deadline of a node.
    fn next(&self) -> Option<Mono> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let due = self.nodes.iter().flatten().flat_map(|node| node.deadlines(self.now));
        due.chain(queued).min()
    }

    fn step(&mut self) {
        let now = self.now;
        self.steps += 1;
        for index in 0..self.nodes.len() {
            let Some(node) = &mut self.nodes[index] else { continue };
            if let Some(expiry) = node.kernel.watch.expire(node.kernel.clock.shows(now)) {
                return self.tell(index, Input::Data(expiry));
            }
            if node.take_tick(now) {
                return self.tell(index, Input::Event(Event::Tick));
            }
        }
        if let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= now) {
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
        let event = self.nodes[to].as_mut().and_then(|node| node.kernel.receive(now, packet));
        if let Some(event) = event {
            self.tell(to, Input::Data(event));
        }
    }

    /// Queues an input for an agent, behind those that it already has.
    fn tell(&mut self, index: usize, input: Input) {
        let at = self.now + self.dice.up_to(self.latency.agent);
        if let Some(agent) = self.nodes[index].as_mut().and_then(|node| node.agent.as_mut()) {
            agent.busy_until = agent.busy_until.max(at);
            let at = agent.busy_until;
            self.push(at, Occurrence::Agent { node: index, life: self.lives[index], input });
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        let (now, length) = (self.now, self.lease_length);
        let Some(node) = &mut self.nodes[index] else { return };
        for effect in node.handle(now, input, length) {
            match effect {
                Effect::Send(packet) => self.send(index, packet),
                Effect::Changed(transition) => {
                    let yielding = self.yielding(index);
                    self.witness.changed(now, index, &transition, yielding);
                    self.history.transitions.push((now, index, transition));
                }
                Effect::Later(input) => self.tell(index, input),
            }
        }
    }

    /// The nodes that yield to a node whether their master is dead or not: those that leave, and those that it may
    /// preempt.
    fn yielding(&self, index: usize) -> u8 {
        let Some(router) = self.node(index).map(|agent| &agent.router) else { return 0 };
        let preempts = router.params().preempt || router.priority().is_owner();
        let yields = |node: &Node| {
            node.kernel.lease.mode == LEAVING || (preempts && node.kernel.priority() < router.priority().0)
        };
        let nodes = (0..).zip(&self.nodes);
        nodes.fold(0, |set, (at, node)| set | u8::from(node.as_ref().is_some_and(yields)) << at)
    }

    fn send(&mut self, from: usize, packet: Packet) {
        let packet = Rc::new(packet);
        self.witness.sent(self.now, from);
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let delays = self.network.route(from, to);
            if delays[0].is_none() {
                self.witness.lost(self.now);
            }
            for delay in delays.into_iter().flatten() {
                self.push(self.now + delay, Occurrence::Arrival { to, packet: Rc::clone(&packet) });
            }
        }
    }
}
