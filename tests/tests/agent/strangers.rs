//! Somebody else's routers with our VRID on the same LAN: named once, counted, and otherwise without effect.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::vipward::Vipward;
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::{agent, instance, newcomer};

/// Between two adverts of the stranger.
const PACE: Duration = Duration::from_millis(100);
/// Adverts that pass after it was named, so that a second line could follow.
const MORE: u64 = 20;

/// Lets a stranger advertise until it is named, and a while longer. It must be named once, with its address and with
/// `words`, and nobody may change state.
fn named_once(kind: Kind, form: Form, words: &str, stranger: impl Fn(Ipv4Addr) -> Forged) -> Result<()> {
    let pair = Pair::settled(form, kind, kind)?;
    let host = newcomer(&pair)?;
    let injector = Injector::new(&host)?;
    let address = host.address().to_string();
    let frame = stranger(host.address()).frame();
    let before = [instance(&pair.a)?, instance(&pair.b)?];
    let start = Moment::now();
    let lines = |side: Side| -> Vec<String> {
        let log = agent(pair.node(side)).map(Vipward::log).unwrap_or_default();
        log.lines().filter(|line| line.contains(&format!("last from {address}"))).map(str::to_owned).collect()
    };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let speaking = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                injector.send(&frame)?;
                thread::sleep(PACE);
            }
            Ok(())
        });
        let named = pair.wait("the stranger to be named by both", || {
            [Side::A, Side::B].into_iter().all(|side| !lines(side).is_empty())
        });
        let from = Moment::now();
        let went_on = pair.wait("the stranger to go on", || {
            pair.wire.count(from, |sender, _| sender == "n3") as u64 >= MORE
        });
        stop.store(true, Ordering::Relaxed);
        speaking.join().unwrap_or_else(|_| Err(anyhow!("the stranger panicked")))?;
        named.and(went_on)
    })?;
    for (side, before) in [Side::A, Side::B].into_iter().zip(&before) {
        let said = lines(side);
        pair.ensure(said.len() == 1 && said.concat().contains(words), || format!("{said:#?}"))?;
        let now = instance(pair.node(side))?;
        pair.ensure(now.transitions == before.transitions && now.state == before.state, || {
            format!("{now:?}")
        })?;
        let status = agent(pair.node(side))?.ask(&["status"])?;
        pair.ensure(status.contains(&address) && status.contains("s ago"), || status.clone())?;
    }
    pair.ensure(pair.adverts("n2", start) == 0, || "the backup spoke".to_owned())
}

#[test]
fn another_version_is_named() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        named_once(kind, Form::V2Pass, "with version 3", |source| Forged::new(VRID, 255, source))
    })
}

#[test]
fn another_password_is_named() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        named_once(kind, Form::V2Pass, "wrong password (auth_data)", |source| Forged {
            version: 2,
            interval: 1,
            auth: Some((1, *b"0ther\0\0\0")),
            ..Forged::new(VRID, 255, source)
        })
    })
}

/// It is believed, for it could be ours: with a lower priority it changes nothing.
#[test]
fn other_addresses_are_named() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        named_once(kind, Form::V3, "other addresses than ours", |source| Forged {
            addresses: vec![Ipv4Addr::new(10, 77, 0, 99)],
            ..Forged::new(VRID, 50, source)
        })
    })
}
