//! One node: its kernel, and the agent while there is one: the state machine and the glue around it that the agent is
//! in production.

use vipward_vrrp::router::{Action, Actions, Event, Params, Router, Transition};
use vipward_vrrp::types::{Mono, Priority, State};
use vipward_vrrp::watch::{WatchEvent, WatchEventKind};

use crate::clock::Clock;
use crate::kernel::{Kernel, Packet};

/// How long a lease lasts, by interval and number of adverts.
pub(crate) type LeaseLength = fn(u64, u8) -> u64;

/// A node that has power.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kernel: Kernel,
    pub(crate) agent: Option<Agent>,
    params: Params,
}

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) router: Router,
    /// It takes its inputs in order: nothing is handled before this.
    pub(crate) busy_until: Mono,
    /// A Tick is on its way to it.
    pub(crate) ticking: bool,
}

/// What an agent is given to handle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    /// It has just been started.
    Start,
    Data(WatchEvent),
    Event(Event),
    /// A renewal of the lease was refused.
    Refused,
}

/// What leaves a node.
#[derive(Debug)]
pub(crate) enum Effect {
    Send(Packet),
    Changed(Transition),
    /// The agent has something to tell itself, behind what it already has.
    Later(Input),
}

impl Agent {
    /// The advert that this node would send.
    pub(crate) fn advert(&self, priority: Priority) -> Packet {
        Packet::advert(self.router.params(), priority)
    }
}

impl Node {
    pub(crate) fn new(clock: Clock, params: Params) -> Node {
        Node { kernel: Kernel::new(clock, &params), agent: None, params }
    }

    pub(crate) fn start(&mut self, now: Mono) {
        let router = Router::new(self.params);
        self.agent.get_or_insert(Agent { router, busy_until: now, ticking: false });
    }

    /// The agent is gone. A guard, if there is one, ends what it served and tells the others.
    pub(crate) fn kill(&mut self, now: Mono, guarded: bool) -> Option<Packet> {
        self.agent.take()?;
        if !guarded || !self.kernel.holds {
            return None;
        }
        self.kernel.off(now);
        self.kernel.holds = false;
        Some(Packet::advert(&self.params, Priority::STOP))
    }

    /// When the agent has something to do, or an observer something to see, although no packet comes.
    pub(crate) fn deadlines(&self, now: Mono) -> impl Iterator<Item = Mono> {
        let tick = self.agent.as_ref().filter(|agent| !agent.ticking);
        let tick = tick.and_then(|agent| agent.router.next_deadline());
        let lapse = self.kernel.answers(now).then_some(Mono(self.kernel.lease.until));
        let clock = self.kernel.clock;
        [tick, self.kernel.watch.deadline(), lapse].into_iter().flatten().map(move |local| clock.when(local))
    }

    /// Whether a Tick is due that nobody has told the agent of.
    pub(crate) fn take_tick(&mut self, now: Mono) -> bool {
        let now = self.kernel.clock.shows(now);
        let Some(agent) = self.agent.as_mut().filter(|agent| !agent.ticking) else { return false };
        agent.ticking = agent.router.next_deadline().is_some_and(|due| due <= now);
        agent.ticking
    }

    /// Lets the agent handle an input. Returns what the world sees, in order.
    pub(crate) fn handle(&mut self, now: Mono, input: Input, length: LeaseLength) -> Vec<Effect> {
        let local = self.kernel.clock.shows(now);
        let Some(event) = self.event(now, input) else { return Vec::new() };
        let Some(agent) = &mut self.agent else { return Vec::new() };
        if event == Event::Tick {
            agent.ticking = false;
        }
        let deposed = self.kernel.lease_ended() && !self.kernel.is_beaten_by(&event);
        let mut effects = Vec::new();
        if deposed && matches!(event, Event::Heard(_)) {
            let actions = agent.router.handle(local, Event::Deposed);
            effects = self.carry_out(now, actions, length);
        }
        let Some(agent) = &mut self.agent else { return effects };
        let actions = agent.router.handle(local, event);
        effects.extend(self.carry_out(now, actions, length));
        effects
    }

    fn event(&mut self, now: Mono, input: Input) -> Option<Event> {
        let state = self.agent.as_ref()?.router.state();
        match input {
            Input::Event(event) => Some(event),
            Input::Data(data) if data.kind == WatchEventKind::Expired => {
                self.kernel.claim(data.generation).then_some(Event::Expired)
            }
            Input::Data(data) => Some(data.to_router()),
            Input::Start if state == State::Init && self.kernel.adoptable(now) => Some(Event::Resume),
            Input::Start if state == State::Init => {
                // What a former agent left behind.
                self.kernel.off(now);
                self.kernel.holds = false;
                Some(Event::Startup)
            }
            Input::Start => Some(Event::Startup),
            // Another election may have been won since.
            Input::Refused => self.kernel.lease_ended().then_some(Event::Deposed),
        }
    }

    fn carry_out(&mut self, now: Mono, actions: Actions, length: LeaseLength) -> Vec<Effect> {
        let (kernel, Some(agent)) = (&mut self.kernel, &self.agent) else { return Vec::new() };
        let router = &agent.router;
        let mut effects = Vec::new();
        for action in actions {
            match action {
                Action::Advertise { priority } if !priority.is_stop() && kernel.lease_ended() => {
                    effects.push(Effect::Later(Input::Refused));
                }
                Action::Advertise { priority } => {
                    let params = router.params();
                    effects.push(Effect::Send(agent.advert(priority)));
                    let length = length(params.interval.nanos(), params.down_adverts);
                    if !priority.is_stop() && !kernel.lease.renew(kernel.clock.shows(now).0, length) {
                        effects.push(Effect::Later(Input::Refused));
                    }
                }
                Action::Watch { own, timer, .. } => kernel.watch(now, router, own, timer),
                Action::Report => kernel.report(now, router),
                Action::Off => kernel.off(now),
                Action::Leave { until } => kernel.lease.leave(kernel.clock.shows(now).0, until.0),
                Action::Stay { until } => kernel.lease.stay(until.0),
                Action::Hold => kernel.holds = true,
                Action::Release => kernel.holds = false,
                Action::Announce { .. } => assert!(kernel.holds, "announced what is not held"),
                Action::Transition(transition) => effects.push(Effect::Changed(transition)),
            }
        }
        effects
    }
}
