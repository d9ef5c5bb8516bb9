//! What an agent does that did not hear everything: it was frozen, and the ring of events ran over.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::{instance, logged, newcomer, state};

/// More events than the ring holds.
const EVENTS: usize = 40_000;
/// Many times Master_Down_Interval of what is forged, 10 ms each.
const FROZEN: Duration = Duration::from_millis(500);

/// The expiry itself is lost, and nobody repeats it: the state of the data path must be read.
fn takes_over_all_the_same(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    let attacker = newcomer(&pair)?;
    let injector = Injector::new(&attacker)?;
    // Each differs from the one before, and so is an event.
    let masters = [201, 202].map(|priority| {
        let mut forged = Forged::new(VRID, priority, attacker.address());
        forged.interval = 1;
        forged.frame()
    });
    let signal = |pair: &mut Pair, signal| {
        pair.b.peer.as_mut().context("it runs")?.signal(signal).context("it cannot be signalled")
    };
    let before = instance(&pair.b)?;
    signal(&mut pair, Signal::SIGSTOP)?;
    pair.a.kill();
    for forged in masters.iter().cycle().take(EVENTS) {
        injector.send(forged)?;
    }
    let event = Moment::now();
    // Nobody can be asked whether the timer has fired: time has to pass.
    pair.wait("the timer in the kernel to fire", || Moment::now().since(event) > FROZEN)?;
    signal(&mut pair, Signal::SIGCONT)?;
    pair.takes_over(Side::B, event)?;
    pair.wait("the loss to be told", || logged(&pair.b, "events of the data path were lost"))?;
    let now = instance(&pair.b)?;
    let heard = now.adverts_received - before.adverts_received;
    pair.ensure(heard >= EVENTS as u64, || format!("only {heard} adverts reached it"))?;
    pair.ensure(state(&pair.b).as_deref() == Some("MASTER"), || format!("{now:?}"))
}

#[test]
fn an_expiry_that_was_lost_in_a_full_ring_is_made_up_for() -> Result<()> {
    for kind in [Kind::Vipward("xdp"), Kind::Vipward("xdp-generic")] {
        takes_over_all_the_same(kind)?;
    }
    Ok(())
}

/// The program explains itself in the agent's log when it is asked to.
#[test]
fn debug_messages_of_the_program_reach_the_log() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, Kind::Vipward("xdp"))?;
    pair.b.options.extend(["--log-level".to_owned(), "debug".to_owned()]);
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    let attacker = newcomer(&pair)?;
    let mut forged = Forged::new(VRID, 201, attacker.address());
    forged.ttl = 64;
    Injector::new(&attacker)?.send(&forged.frame())?;
    pair.wait("the program's words", || logged(&pair.b, "rejected: ttl"))
}
