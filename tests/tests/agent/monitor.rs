//! `vipward monitor`: what passes by is seen whether XDP consumes it or not, with what is wrong about it.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::process::Process;
use vipward_tests::lab::vipward::binary;
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::newcomer;

/// Longest time for three packets to pass.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts one on the second host, to compare with the configuration there.
fn monitor(pair: &Pair, name: &str, options: &[&str]) -> Result<Process> {
    let mut command = Command::new(binary()?);
    command
        .args(["monitor", "-i", "eth0", "-f"])
        .arg(pair.b.host.folder().join("vipward.conf"))
        .args(options);
    pair.b.host.spawn(name, &mut command)
}

/// What it has shown so far.
fn shown(monitor: &Process) -> Vec<Value> {
    monitor.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn faults(sighting: &Value) -> Vec<&str> {
    let faults = sighting["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    faults.iter().filter_map(|fault| fault["what"].as_str()).collect()
}

fn everything_is_seen(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    let verdict = |word: &str| if kind == Kind::Vipward("socket") { Value::Null } else { word.into() };
    let watcher = monitor(&pair, "monitor", &["--json"])?;
    pair.wait("the master's adverts", || {
        let seen = shown(&watcher);
        let good = |sighting: &&Value| {
            sighting["kind"] == "advert"
                && sighting["source"] == "10.77.0.1"
                && sighting["vrid"] == VRID
                && sighting["priority"] == 150
                && sighting["addresses"][0] == "10.77.0.200"
                && sighting["ours"] == true
                && sighting["xdp"] == verdict("accepted")
                && faults(sighting).is_empty()
        };
        seen.iter().filter(good).count() >= 3
    })?;

    let host = newcomer(&pair)?;
    let injector = Injector::new(&host)?;
    let broken = Forged { checksum_error: 1, ..Forged::new(VRID, 50, host.address()) };
    let distant = Forged { ttl: 64, ..Forged::new(VRID, 50, host.address()) };
    let foreign = Forged::new(VRID + 1, 50, host.address());
    let is_from = |sighting: &Value, what: &[&str]| {
        sighting["source"] == host.address().to_string() && faults(sighting) == what
    };
    pair.wait("what is wrong with a stranger's adverts", || {
        for forged in [&broken, &distant, &foreign] {
            let _ = injector.send(&forged.frame());
        }
        let seen = shown(&watcher);
        ["checksum", "ttl"]
            .iter()
            .all(|what| seen.iter().any(|one| is_from(one, &[what]) && one["xdp"] == verdict(what)))
            && seen.iter().any(|one| is_from(one, &[]) && one["ours"] == false && one["xdp"] == Value::Null)
    })?;

    let event = Moment::now();
    pair.a.kill();
    pair.takes_over(Side::B, event)?;
    pair.wait("what this host sends itself", || {
        let seen = shown(&watcher);
        let sent = |kind: &str| {
            seen.iter().any(|one| one["kind"] == kind && one["sent"] == true && faults(one).is_empty())
        };
        sent("advert") && sent("garp")
    })
}

#[test]
fn adverts_and_announcements_are_seen_on_every_data_path() -> Result<()> {
    Kind::by_every_datapath(everything_is_seen)
}

/// Copies go to one reader; a second one says who has them, and a dead one is soon forgotten.
#[test]
fn the_tap_has_one_reader_and_outlives_none() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Keepalived, Kind::Vipward("auto"))?;
    let consumed = |monitor: &Process| shown(monitor).iter().any(|one| one["xdp"] == "accepted");
    let mut first = monitor(&pair, "first", &["--json"])?;
    pair.wait("the first to read", || consumed(&first))?;
    let mut second = monitor(&pair, "second", &["--json"])?;
    let refusal = format!("process {} reads", first.pid());
    pair.wait("the second to be refused", || second.log().contains(&refusal))?;
    pair.ensure(!consumed(&second), || second.log())?;
    // Without a chance to switch anything off.
    first.kill();
    pair.wait("the second to take over", || consumed(&second))?;
    second.kill();
    let mut counted = monitor(&pair, "counted", &["--json", "--count", "3"])?;
    let end = counted.ended(LIMIT);
    pair.ensure(pair.explain(end)?.success() && shown(&counted).len() == 3, || counted.log())
}
