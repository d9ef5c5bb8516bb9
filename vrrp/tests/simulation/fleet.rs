//! Many virtual routers over many hosts on virtual time. A host has one agent for all its routers, which takes what it is
//! told one after the other: this is what a single cluster cannot show.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use vipward_common::timing::lease_length;
use vipward_vrrp::router::Params;
use vipward_vrrp::types::{Family, Mono, Priority, Vrid};

use crate::clock::Clock;
use crate::kernel::{Packet, source};
use crate::network::Dice;
use crate::node::{Effect, Input, Node};

/// Routers of one LAN: VRIDs are 1 to 255.
pub(crate) const PER_LAN: usize = 250;
/// Hosts of one LAN.
pub(crate) const HOSTS_PER_LAN: usize = 25;
/// What the members of a router have, the first of them preferred.
pub(crate) const PRIORITIES: [u8; 3] = [200, 150, 100];
/// How far apart on a LAN the members of a router are.
const STRIDE: usize = 7;
/// Longest way of a packet.
const NETWORK: Duration = Duration::from_millis(1);
/// What an agent needs for one input.
pub(crate) const WORK: Duration = Duration::from_micros(100);

/// What is due at some time.
#[derive(Debug)]
enum Due {
    Start(usize),
    Crash(usize),
    Deadline(usize),
    Arrival { to: usize, packet: Rc<Packet> },
    Agent { member: usize, life: u32, input: Input },
}

/// A router on a host.
#[derive(Debug)]
struct Member {
    host: usize,
    router: usize,
    params: Params,
    node: Option<Node>,
    life: u32,
    /// The deadline that is queued, which an earlier one overtakes.
    queued: Option<Mono>,
    answers: bool,
}

/// A virtual router, as its clients see it.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Members that answer.
    answering: usize,
    /// Since when that is so.
    since: Mono,
    /// Adverts that its members sent, and inputs that its agents took.
    adverts: u64,
    inputs: u64,
}

/// What was seen since the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phase {
    /// Longest that a router had nobody who answers, or more than one.
    pub(crate) none: Duration,
    pub(crate) two: Duration,
    /// Adverts of all routers, and inputs of all agents.
    pub(crate) adverts: u64,
    pub(crate) inputs: u64,
    /// The most of any router.
    pub(crate) adverts_of_one: u64,
    pub(crate) inputs_of_one: u64,
    /// When the last router got its one master.
    pub(crate) settled: Mono,
    /// Longest that an input waited for the agent.
    pub(crate) waited: Duration,
}

/// The fleet.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) now: Mono,
    /// Occurrences so far.
    pub(crate) steps: u64,
    members: Vec<Member>,
    routers: Vec<Seen>,
    /// Until when each host's agent is busy.
    busy: Vec<Mono>,
    /// Routers that do not have exactly one master.
    unsettled: usize,
    phase: Phase,
    dice: Dice,
    queue: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

/// Something due; the first by time and then by the order in which it was queued.
#[derive(Debug)]
struct Entry(Mono, u64, Due);

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl Fleet {
    /// So many routers, [`PER_LAN`] and [`HOSTS_PER_LAN`] hosts to a LAN, all down.
    pub(crate) fn new(routers: usize, seed: u64) -> Fleet {
        let lans = routers.div_ceil(PER_LAN);
        let now = Mono(1_000_000_000);
        let member = |router: usize, place: usize| {
            let vrid = Vrid::new(u8::try_from(router % PER_LAN + 1).unwrap()).unwrap();
            let params = Params::new(vrid, source(Family::V4, place));
            let on_lan = (router + place * STRIDE) % HOSTS_PER_LAN;
            Member {
                host: router / PER_LAN * HOSTS_PER_LAN + on_lan,
                router,
                params: Params { priority: Priority(PRIORITIES[place]), ..params },
                node: None,
                life: 0,
                queued: None,
                answers: false,
            }
        };
        let places = 0..PRIORITIES.len();
        Fleet {
            now,
            steps: 0,
            members: (0..routers).flat_map(|it| places.clone().map(move |place| member(it, place))).collect(),
            routers: vec![Seen { since: now, ..Seen::default() }; routers],
            busy: vec![now; lans * HOSTS_PER_LAN],
            unsettled: routers,
            phase: Phase::default(),
            dice: Dice(seed),
            queue: BinaryHeap::new(),
            serial: 0,
        }
    }

    pub(crate) fn hosts(&self) -> usize {
        self.busy.len()
    }

    /// All start, each at some time within this.
    pub(crate) fn start_within(&mut self, spread: Duration) {
        for host in 0..self.hosts() {
            let at = self.now + self.dice.up_to(spread);
            self.push(at, Due::Start(host));
        }
    }

    pub(crate) fn start(&mut self, host: usize) {
        self.push(self.now, Due::Start(host));
    }

    pub(crate) fn crash(&mut self, host: usize) {
        self.push(self.now, Due::Crash(host));
    }

    /// Lets time pass, and tells what was seen meanwhile.
    pub(crate) fn run_for(&mut self, time: Duration) -> Phase {
        let end = self.now + time;
        while self.queue.peek().is_some_and(|Reverse(Entry(at, ..))| *at <= end) {
            let Some(Reverse(Entry(at, _, due))) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.steps += 1;
            self.step(due);
        }
        self.now = end;
        let mut phase = std::mem::take(&mut self.phase);
        for index in 0..self.routers.len() {
            self.note(index, &mut phase);
            let seen = &mut self.routers[index];
            phase.adverts_of_one = phase.adverts_of_one.max(std::mem::take(&mut seen.adverts));
            phase.inputs_of_one = phase.inputs_of_one.max(std::mem::take(&mut seen.inputs));
        }
        phase
    }

    /// Routers that have exactly one master, and it is the living member of the highest priority.
    pub(crate) fn in_order(&self) -> usize {
        let members = self.members.chunks(PRIORITIES.len());
        members
            .filter(|members| {
                let first = members.iter().position(|member| member.node.is_some());
                members.iter().enumerate().all(|(place, member)| member.answers == (Some(place) == first))
            })
            .count()
    }

    /// Tells of the time since a router's number of masters last changed, and begins it anew.
    fn note(&mut self, router: usize, phase: &mut Phase) {
        let seen = &mut self.routers[router];
        let time = self.now.saturating_since(seen.since);
        match seen.answering {
            0 => phase.none = phase.none.max(time),
            1 => {}
            _ => phase.two = phase.two.max(time),
        }
    }

    fn push(&mut self, at: Mono, due: Due) {
        self.serial += 1;
        self.queue.push(Reverse(Entry(at, self.serial, due)));
    }

    fn step(&mut self, due: Due) {
        match due {
            Due::Start(host) => self.for_members(host, |fleet, index| {
                let member = &mut fleet.members[index];
                let params = member.params;
                member.node.get_or_insert_with(|| Node::new(Clock::default(), params)).start(fleet.now);
                fleet.tell(index, Input::Start);
            }),
            Due::Crash(host) => self.for_members(host, |fleet, index| {
                fleet.members[index].node = None;
                fleet.members[index].life += 1;
                fleet.look(index);
            }),
            Due::Deadline(index) if self.members[index].queued == Some(self.now) => {
                self.members[index].queued = None;
                self.deadline(index);
                self.look(index);
            }
            Due::Arrival { to, packet } => {
                let now = self.now;
                let event = self.members[to].node.as_mut().and_then(|node| node.kernel.receive(now, &packet));
                if let Some(event) = event {
                    self.tell(to, Input::Data(event));
                }
                self.look(to);
            }
            Due::Agent { member, life, input } if life == self.members[member].life => {
                self.handle(member, input);
                self.look(member);
            }
            // A deadline that an earlier one had overtaken, or what was for a host that is gone.
            Due::Deadline(_) | Due::Agent { .. } => {}
        }
    }

    fn for_members(&mut self, host: usize, mut act: impl FnMut(&mut Fleet, usize)) {
        let first = host / HOSTS_PER_LAN * PER_LAN * PRIORITIES.len();
        let last = (first + PER_LAN * PRIORITIES.len()).min(self.members.len());
        for index in first..last {
            if self.members[index].host == host {
                act(self, index);
            }
        }
    }

    fn deadline(&mut self, index: usize) {
        let now = self.now;
        let Some(node) = &mut self.members[index].node else { return };
        if let Some(expiry) = node.kernel.watch.expire(node.kernel.clock.shows(now)) {
            self.tell(index, Input::Data(expiry));
        } else if node.take_tick(now) {
            self.tell(index, Input::Event(vipward_vrrp::router::Event::Tick));
        }
    }

    /// Queues an input for a host's agent, behind those of all its routers.
    fn tell(&mut self, index: usize, input: Input) {
        let Member { host, router, life, .. } = self.members[index];
        let at = self.busy[host].max(self.now) + WORK;
        self.busy[host] = at;
        self.phase.waited = self.phase.waited.max(at.saturating_since(self.now));
        self.phase.inputs += 1;
        self.routers[router].inputs += 1;
        self.push(at, Due::Agent { member: index, life, input });
    }

    fn handle(&mut self, index: usize, input: Input) {
        let now = self.now;
        let Some(node) = &mut self.members[index].node else { return };
        for effect in node.handle(now, input, lease_length) {
            match effect {
                Effect::Send(packet) => self.send(index, packet),
                Effect::Changed(_) => {}
                Effect::Later(input) => self.tell(index, input),
            }
        }
    }

    fn send(&mut self, from: usize, packet: Packet) {
        let packet = Rc::new(packet);
        let router = self.members[from].router;
        self.phase.adverts += 1;
        self.routers[router].adverts += 1;
        let first = router * PRIORITIES.len();
        for to in (first..first + PRIORITIES.len()).filter(|to| *to != from) {
            let at = self.now + self.dice.up_to(NETWORK);
            self.push(at, Due::Arrival { to, packet: Rc::clone(&packet) });
        }
    }

    /// Queues what a member waits for, and notes whether it answers.
    fn look(&mut self, index: usize) {
        let now = self.now;
        let member = &mut self.members[index];
        let next = member.node.as_ref().and_then(|node| node.deadlines(now).min());
        let next = next.map(|at| at.max(now));
        let sooner = next.filter(|at| member.queued.is_none_or(|queued| *at < queued || queued < now));
        let answers = member.node.as_ref().is_some_and(|node| node.kernel.answers(now));
        let (changed, router) = (answers != member.answers, member.router);
        member.answers = answers;
        if let Some(at) = sooner {
            member.queued = Some(at);
            self.push(at, Due::Deadline(index));
        }
        if changed {
            self.count(router, answers);
        }
    }

    fn count(&mut self, router: usize, more: bool) {
        let mut phase = self.phase;
        self.note(router, &mut phase);
        self.phase = phase;
        let seen = &mut self.routers[router];
        let before = seen.answering == 1;
        seen.answering = if more { seen.answering + 1 } else { seen.answering - 1 };
        seen.since = self.now;
        match (before, seen.answering == 1) {
            (false, true) => {
                self.unsettled -= 1;
                self.phase.settled = self.now;
            }
            (true, false) => self.unsettled += 1,
            _ => {}
        }
    }
}
