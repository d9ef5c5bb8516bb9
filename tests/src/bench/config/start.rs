//! 255 VRIDs on each of four interfaces, with adverts every 100 ms: from exec until every VIP is there, and whether the
//! adverts keep their pace then.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Goal, Measured};
use crate::bench::stats::ms_between;
use crate::lab::clock::Moment;
use crate::lab::keepalived::Keepalived;
use crate::lab::vipward::Vipward;
use crate::lab::{Host, Lab, wait};

const INTERFACES: [&str; 4] = ["lan0", "lan1", "lan2", "lan3"];
const VRIDS: u16 = 255;
const ROUTERS: usize = INTERFACES.len() * VRIDS as usize;
/// The goal for a start, in milliseconds.
const GOAL: f64 = 5_000.0;
/// The goal for the adverts of one interface in a second: nearly all of 255 × 10.
const PACE: f64 = 2_524.0;
/// Longer than anybody takes.
const LIMIT: Duration = Duration::from_mins(2);
/// From the last VIP until nothing but adverts is sent: the second set of announcements comes five seconds later.
const QUIET: Duration = Duration::from_secs(10);
/// How long adverts are counted.
const WINDOW: Duration = Duration::from_secs(5);

/// Starts and paces.
pub(super) fn measure(rounds: usize) -> Result<Vec<Measured>> {
    let entry = |task: &str, contender, unit, goal| Measured {
        task: task.to_owned(),
        contender,
        unit,
        values: Vec::new(),
        why: None,
        goal,
    };
    let (start, pace) = (format!("start {ROUTERS} routers"), "adverts of one interface");
    let mut all = [
        entry(&start, "vipward", "ms", Some(Goal::Below(GOAL))),
        entry(&start, "keepalived", "ms", None),
        entry(pace, "vipward", "1/s", Some(Goal::AtLeast(PACE))),
        entry(pace, "keepalived", "1/s", None),
    ];
    for _ in 0..rounds.div_ceil(3) {
        for (number, name) in ["vipward", "keepalived"].into_iter().enumerate() {
            eprintln!("  start {ROUTERS} routers: {name}");
            let (took, paces) = once(name == "vipward")?;
            if let Some(entry) = all.get_mut(number) {
                entry.values.push(took);
            }
            if let Some(entry) = all.get_mut(number + 2) {
                entry.values.extend(paces);
            }
        }
    }
    Ok(all.into())
}

/// One start on a host of its own: milliseconds until all VIPs are there, and the pace on each interface.
fn once(own: bool) -> Result<(f64, Vec<f64>)> {
    let lab = Lab::new()?;
    let host = lab.host("n1")?;
    for (number, interface) in INTERFACES.iter().enumerate() {
        host.ip(&format!(
            "link add {interface} type veth peer name far{number}\naddr add 10.80.{number}.1/24 dev {interface}\n\
             link set dev far{number} up\nlink set dev {interface} up\n"
        ))?;
        // Nothing but adverts is to be counted.
        for name in [(*interface).to_owned(), format!("far{number}")] {
            host.namespace().sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        }
    }
    let before = host.addresses()?.len();
    let (start, config) = (Moment::now(), config());
    if own {
        let agent = Vipward::start(&host, &config, &[])?;
        let result = observe(&host, before, start).with_context(|| agent.log());
        agent.stop(LIMIT)?;
        result
    } else {
        let peer = Keepalived::start_terse(&host, &config)?;
        let result = observe(&host, before, start).with_context(|| peer.log());
        peer.stop(LIMIT)?;
        result
    }
}

fn observe(host: &Host, before: usize, start: Moment) -> Result<(f64, Vec<f64>)> {
    let there = || host.addresses().is_ok_and(|addresses| addresses.len() >= before + ROUTERS);
    wait::until("all VIPs", LIMIT, there)?;
    let took = ms_between(start, Moment::now());
    Moment(Moment::now().0 + nanos(QUIET)).sleep_until();
    let (since, from) = (Moment::now(), sent(host)?);
    Moment(since.0 + nanos(WINDOW)).sleep_until();
    let (until, to) = (Moment::now(), sent(host)?);
    let seconds = until.since(since).as_secs_f64();
    let paces = from.iter().zip(to).map(|(from, to)| {
        let packets = u32::try_from(to.saturating_sub(*from)).unwrap_or(u32::MAX);
        f64::from(packets) / seconds
    });
    Ok((took, paces.collect()))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Packets that each interface has sent.
fn sent(host: &Host) -> Result<Vec<u64>> {
    INTERFACES
        .iter()
        .map(|interface| {
            let mut command = Command::new("ip");
            command.args(["-n", host.namespace().name(), "-j", "-s", "link", "show", "dev", interface]);
            let links: Value = serde_json::from_slice(&command.output()?.stdout)?;
            links.pointer("/0/stats64/tx/packets").and_then(Value::as_u64).context("ip shows no statistics")
        })
        .collect()
}

fn config() -> String {
    let mut text = "global_defs {\n    vrrp_version 3\n}\n".to_owned();
    for (number, interface) in INTERFACES.iter().enumerate() {
        for vrid in 1..=VRIDS {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "vrrp_instance {interface}_{vrid} {{\n    interface {interface}\n    virtual_router_id {vrid}\n    \
                 priority 100\n    advert_int 0.1\n    virtual_ipaddress {{\n        10.{}.0.{vrid}/16\n    }}\n}}\n",
                81 + number
            );
        }
    }
    text
}
