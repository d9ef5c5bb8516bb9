//! Notify scripts: which run, with which arguments, upon what.

use std::fs;

use anyhow::Result;
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::agent;

/// Runs through every state, and checks what the scripts were told on the way.
fn told(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let record = pair.a.host.folder().join("told");
    let script =
        pair.a.host.write("notify.sh", &format!("#!/bin/sh\necho \"$*\" >>{}\n", record.display()))?;
    let script = script.display();
    let mut conf = pair.a.conf.clone().global("script_user root").global("enable_script_security");
    for word in ["notify_master", "notify_backup", "notify_fault", "notify_stop", "notify"] {
        conf = conf.with(format!("{word} \"{script} {word}\""));
    }
    pair.a.conf = conf;

    // A script of the state and the one for all run side by side in keepalived: their order is not promised.
    let mut read = 0;
    let mut next = |pair: &Pair, what: &str, expected: [&str; 2]| {
        let lines = || -> Vec<String> {
            let text = fs::read_to_string(&record).unwrap_or_default();
            text.lines().skip(read).map(str::to_owned).collect()
        };
        pair.wait(&format!("scripts to be told of {what}"), || lines().len() >= 2)?;
        let mut found = lines();
        found.sort();
        read += found.len();
        pair.ensure(found == expected, || format!("told of {what}: {found:#?}"))
    };
    let both: fn(&'static str, &'static str) -> [&'static str; 2] = |all, one| [all, one];

    pair.a.start()?;
    next(&pair, "the start", both("notify INSTANCE VI_1 BACKUP 150", "notify_backup"))?;
    next(&pair, "the election", both("notify INSTANCE VI_1 MASTER 150", "notify_master"))?;
    pair.a.host.unplug()?;
    next(&pair, "the fault", both("notify INSTANCE VI_1 FAULT 150", "notify_fault"))?;
    pair.a.host.plug()?;
    next(&pair, "the recovery", both("notify INSTANCE VI_1 BACKUP 150", "notify_backup"))?;
    next(&pair, "the second election", both("notify INSTANCE VI_1 MASTER 150", "notify_master"))?;
    pair.settles_on(Side::A)?;
    pair.a.stop()?;
    next(&pair, "the stop", both("notify INSTANCE VI_1 STOP 150", "notify_stop"))
}

#[test]
fn keepalived_tells_its_scripts_what_is_expected() -> Result<()> {
    told(Kind::Keepalived)
}

#[test]
fn scripts_are_told_what_keepalived_tells_them() -> Result<()> {
    told(Kind::Vipward("auto"))
}

/// The script of one instance never ends: elections, other instances' scripts, orders and the agent's end go on.
#[test]
fn a_notify_script_that_hangs_delays_nothing_else() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let [hung, record] = ["hung", "told"].map(|name| pair.a.host.folder().join(name));
    let hangs = format!("#!/bin/sh\necho $$ >>{}\nexec sleep 1000\n", hung.display());
    let hangs = pair.a.host.write("hangs.sh", &hangs)?;
    let notes = pair.a.host.write("notes.sh", &format!("#!/bin/sh\necho \"$*\" >>{}\n", record.display()))?;
    let second = format!(
        "vrrp_instance VI_2 {{\n    interface eth0\n    virtual_router_id 52\n    version 3\n    advert_int 0.1\n    \
         virtual_ipaddress {{\n        10.77.0.152/24\n    }}\n    notify {}\n}}",
        notes.display()
    );
    let conf = pair.a.conf.clone().global("script_user root").block(second);
    pair.a.conf = conf.with(format!("notify {}", hangs.display()));
    pair.settle()?;
    pair.wait("the script to hang", || fs::read_to_string(&hung).is_ok_and(|text| text.ends_with('\n')))?;
    let told = |state: &str| {
        let text = fs::read_to_string(&record).unwrap_or_default();
        text.lines().last().is_some_and(|line| line == format!("INSTANCE VI_2 {state} 100"))
    };
    pair.wait("the other script", || told("MASTER"))?;
    let event = Moment::now();
    pair.a.host.unplug()?;
    pair.takes_over(Side::B, event)?;
    pair.wait("the other script", || told("FAULT"))?;
    pair.a.host.plug()?;
    pair.settles_on(Side::A)?;
    pair.wait("the other script", || told("MASTER"))?;
    agent(&pair.a)?.ask(&["reload"])?;
    let runs = fs::read_to_string(&hung)?.lines().count();
    pair.ensure(runs == 1, || format!("it was started {runs} times, one beside the other"))?;
    pair.a.stop()
}
