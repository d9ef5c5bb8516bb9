//! What a service manager hears of the agent (sd_notify(3)), with the test in its place.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use vipward_tests::lab::vipward::{Vipward, binary};
use vipward_tests::peers::{Form, Kind, Pair, Peer, Side};

use crate::seen::state;

/// Longest time to the next word.
const LIMIT: Duration = Duration::from_secs(10);
/// Life signs are wanted this often, in microseconds.
const PATIENCE: &str = "300000";

fn heard(manager: &UnixDatagram) -> Result<String> {
    let mut buffer = [0; 64];
    let length = manager.recv(&mut buffer).context("the agent says nothing")?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

#[test]
fn the_manager_hears_of_start_life_and_end() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let path = pair.a.host.folder().join("notify");
    let manager = UnixDatagram::bind(&path)?;
    manager.set_read_timeout(Some(LIMIT))?;
    let text = format!(
        "#!/bin/sh\nNOTIFY_SOCKET={} WATCHDOG_USEC={PATIENCE} exec {} \"$@\"\n",
        path.display(),
        binary()?.display()
    );
    let wrapper = pair.a.host.write("vipward-managed", &text)?;
    let started = Vipward::start_binary(&wrapper, &pair.a.host, &pair.a.conf.to_string(), &[])?;
    pair.a.peer = Some(Peer::Vipward(started));
    // The first question may have been answered before the configuration was there.
    let mut words = vec![heard(&manager)?];
    while words.last().is_some_and(|word| word == "WATCHDOG=1") {
        words.push(heard(&manager)?);
    }
    pair.ensure(words.last().is_some_and(|word| word == "READY=1"), || format!("{words:?}"))?;
    let now = state(&pair.a);
    pair.ensure(now.is_some(), || "it was not ready".to_owned())?;
    pair.serves(Side::A)?;
    for _ in 0..3 {
        let word = heard(&manager)?;
        pair.ensure(word == "WATCHDOG=1", || word.clone())?;
    }
    let Some(Peer::Vipward(running)) = &mut pair.a.peer else { anyhow::bail!("no agent") };
    running.process().signal(Signal::SIGTERM)?;
    let mut word = heard(&manager)?;
    while word == "WATCHDOG=1" {
        word = heard(&manager)?;
    }
    pair.ensure(word == "STOPPING=1", || word.clone())
}
