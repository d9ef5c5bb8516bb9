//! Notify scripts: which run, with which arguments, upon what.

use std::fs;

use anyhow::Result;
use vipward_tests::peers::{Form, Kind, Pair, Side};

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
