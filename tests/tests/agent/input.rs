//! Hostile and broken adverts: counted, and without any other effect, in every state and by every data path.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::Value;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::{Host, wait};
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::{agent, instance, logged, newcomer};

/// Floods of all kinds that a test sends at least.
const ROUNDS: u64 = 100;
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(10);

/// Adverts that would keep any backup quiet and depose any master, if only they were right.
fn broken(speaker: &Host) -> Vec<(&'static str, Forged)> {
    let right = || Forged::new(VRID, 255, speaker.address());
    let own = |f: fn(&mut Forged)| {
        let mut forged = right();
        f(&mut forged);
        forged
    };
    vec![
        ("TTL 254", own(|f| f.ttl = 254)),
        ("TTL 0", own(|f| f.ttl = 0)),
        ("version 2", own(|f| f.version = 2)),
        ("version 4", own(|f| f.version = 4)),
        ("type 2", own(|f| f.kind = 2)),
        ("a wrong checksum", own(|f| f.checksum_error = 1)),
        ("a missing byte", own(|f| f.cut = 1)),
        ("a missing address", own(|f| f.cut = 4)),
        ("a count beyond its end", own(|f| f.count = 200)),
        (
            "no address",
            own(|f| {
                f.count = 0;
                f.addresses.clear();
            }),
        ),
        ("an interval of nothing", own(|f| f.interval = 0)),
    ]
}

fn rejected(pair: &Pair, side: Side) -> u64 {
    instance(pair.node(side)).map_or(0, |now| now.adverts_rejected)
}

/// Each kind is counted once, and changes nothing.
fn counted(kind: Kind) -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    let attacker = newcomer(&pair)?;
    let injector = Injector::new(&attacker)?;
    let before = instance(&pair.b)?;
    for (what, forged) in broken(&pair.a.host) {
        let count = rejected(&pair, Side::B);
        injector.send(&forged.frame())?;
        pair.wait(&format!("an advert with {what} to be counted"), || rejected(&pair, Side::B) == count + 1)?;
    }
    let now = instance(&pair.b)?;
    let master = now.master.as_ref().map(|master| master.priority);
    pair.ensure(now.transitions == before.transitions && master == Some(150), || format!("{now:?}"))
}

#[test]
fn every_kind_of_broken_advert_is_counted() -> Result<()> {
    Kind::by_every_datapath(counted)
}

/// Sends `frames` over and over while `work` goes on. Returns how many rounds there were.
fn flood<T>(
    attacker: &Host,
    frames: &[Vec<u8>],
    work: impl FnOnce(&dyn Fn() -> u64) -> Result<T>,
) -> Result<T> {
    let injector = Injector::new(attacker)?;
    let stop = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for frame in frames {
                    injector.send(frame)?;
                }
                rounds.fetch_add(1, Ordering::Relaxed);
                // Thousands a second, on top of everything else that this machine does.
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        let result = work(&|| rounds.load(Ordering::Relaxed));
        stop.store(true, Ordering::Relaxed);
        flooding.join().unwrap_or_else(|_| Err(anyhow!("the flood panicked")))?;
        result
    })
}

/// The master lives and then dies under a flood: it keeps its cadence, and the backup takes over as if there were
/// none. keepalived does not serve as the master here: what it rejects delays its own adverts, and it falls silent.
fn under_flood(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, kind, kind)?;
    let attacker = newcomer(&pair)?;
    // In the master's name, and in another's: what claims to come from itself a host drops before any socket.
    let all = [broken(&pair.a.host), broken(&attacker)].concat();
    let mut frames: Vec<Vec<u8>> = all.iter().map(|(_, forged)| forged.frame()).collect();
    // Right, but of somebody else's virtual router.
    frames.push(Forged::new(VRID + 1, 255, pair.a.host.address()).frame());
    let (start, serving, before) = (Moment::now(), instance(&pair.a)?.transitions, instance(&pair.b)?);
    flood(&attacker, &frames, |rounds| {
        pair.wait("the flood", || rounds() > ROUNDS)?;
        let master = instance(&pair.a)?;
        pair.ensure(master.state == "MASTER" && master.transitions == serving, || format!("{master:?}"))?;
        pair.ensure(master.adverts_rejected > 0, || "nothing reached the master".to_owned())?;
        pair.ensure(pair.adverts("n2", start) == 0, || "the backup was misled".to_owned())?;
        let event = Moment::now();
        pair.a.kill();
        pair.succeeds_a_dead_master(Side::B, event)?;
        // And is not deposed by it.
        let reached = rounds() + ROUNDS;
        pair.wait("the flood", || rounds() > reached)
    })?;
    let now = instance(&pair.b)?;
    pair.ensure(now.state == "MASTER" && now.transitions == before.transitions + 1, || format!("{now:?}"))?;
    pair.ensure(now.adverts_rejected > ROUNDS, || format!("hardly anything was rejected: {now:?}"))
}

#[test]
fn a_flood_of_broken_adverts_moves_no_timer() -> Result<()> {
    Kind::by_every_datapath(under_flood)
}

/// What is forged above is wrong only where it says so: without a fault it is believed.
fn believed(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    let attacker = newcomer(&pair)?;
    let before = instance(&pair.b)?;
    let forged = Forged::new(VRID, 255, pair.a.host.address()).frame();
    flood(&attacker, &[forged], |rounds| {
        pair.wait("the forged advert to be believed", || {
            instance(&pair.b).is_ok_and(|now| now.master.is_some_and(|master| master.priority == 255))
        })?;
        pair.a.kill();
        let reached = rounds() + ROUNDS;
        pair.wait("forged adverts for longer than Master_Down_Interval", || rounds() > reached)
    })?;
    let (end, now) = (Moment::now(), instance(&pair.b)?);
    pair.ensure(now.transitions == before.transitions, || format!("{now:?}"))?;
    wait::until("the end of the forgery to be noticed", Duration::from_secs(5), || {
        pair.adverts("n2", end) > 0
    })
}

#[test]
fn a_right_advert_is_believed() -> Result<()> {
    Kind::by_every_datapath(believed)
}

/// A loop in the network brings the master its own adverts back, again and again.
fn own_adverts_return(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let own: Vec<Vec<u8>> =
        pair.wire.frames().into_iter().filter(|frame| frame.seen().is_some()).map(|f| f.bytes).collect();
    let looped = newcomer(&pair)?;
    let before = instance(&pair.a)?;
    flood(&looped, &own, |rounds| pair.wait("the flood", || rounds() > ROUNDS))?;
    let now = instance(&pair.a)?;
    pair.ensure(now.state == "MASTER" && now.transitions == before.transitions, || format!("{now:?}"))?;
    pair.ensure(now.adverts_received == before.adverts_received, || format!("it believed itself: {now:?}"))?;
    // What claims to come from its own address the kernel drops before a socket sees it.
    let counted = now.adverts_rejected >= ROUNDS || kind == Kind::Vipward("socket");
    pair.ensure(counted, || format!("the loop is not counted: {now:?}"))
}

#[test]
fn its_own_adverts_are_not_taken_for_anothers() -> Result<()> {
    Kind::by_every_datapath(own_adverts_return)
}

/// Two nodes with different passwords are both masters, and each must say why.
#[test]
fn a_wrong_password_is_named() -> Result<()> {
    let mut pair = Pair::new(Form::V2Pass, Kind::Vipward("auto"), Kind::Keepalived)?;
    let conf = pair.b.conf.clone();
    pair.b.conf = conf.password("an0ther");
    pair.a.start()?;
    pair.b.start()?;
    pair.wait("adverts to be rejected", || rejected(&pair, Side::A) > 0)?;
    let status = agent(&pair.a)?.ask(&["status"])?;
    pair.ensure(status.contains("wrong password (auth_data)"), || status)?;
    let json: Value = serde_json::from_str(&agent(&pair.a)?.ask(&["status", "--json"])?)?;
    let by_reason = &json["instances"][0]["adverts_rejected_by"];
    pair.ensure(by_reason["auth_data"].as_u64() > Some(0), || format!("{json}"))?;
    pair.wait("the log to say so", || logged(&pair.a, "adverts rejected since"))?;
    let log = agent(&pair.a)?.log();
    let line = log.lines().find(|line| line.contains("adverts rejected since")).unwrap_or_default();
    pair.ensure(
        line.contains("VI_1") && line.contains("wrong password (auth_data)") && line.contains("auth_pass"),
        || format!("the line of the password: {line:?}"),
    )
}
