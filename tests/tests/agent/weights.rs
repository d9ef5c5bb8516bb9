//! What is tracked with a weight, or the other way round: interfaces, scripts, files and processes.

use std::fs;
use std::process::{Child, Command};

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{advertised, agent, instance, make_lan, state};

/// Two routers, of which the first has more in its configuration.
fn pair(kind: Kind, block: &str, line: &str) -> Result<Pair> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let conf = pair.a.conf.clone().global("script_user root");
    pair.a.conf = conf.block(block).with(line);
    Ok(pair)
}

fn advertises(pair: &Pair, priority: u8) -> Result<()> {
    let since = Moment::now();
    pair.wait(&format!("priority {priority}"), || advertised(pair, &pair.a.host, priority, since))
}

/// The status says what the priority is made of.
fn explained(pair: &Pair, words: &str) -> Result<()> {
    let text = agent(&pair.a)?.ask(&["status"])?;
    pair.ensure(text.contains(words), || text.clone())
}

fn interface(kind: Kind) -> Result<()> {
    let mut pair =
        pair(kind, "", "track_interface {\n        lan0 weight -20\n        lan1 weight 10 reverse\n    }")?;
    make_lan(&pair.a.host)?;
    pair.a.start()?;
    // Both ends are up: 150 − 10.
    advertises(&pair, 140)?;
    // Without their carrier both are down: 150 − 20.
    pair.a.host.ip("link set dev lan0 down\n")?;
    advertises(&pair, 130)?;
    if matches!(kind, Kind::Vipward(_)) {
        explained(&pair, "VI_1: priority 130 = 150 − 20 (interface lan0 is down)\n")?;
    }
    pair.a.host.ip("link set dev lan0 up\n")?;
    advertises(&pair, 140)
}

#[test]
fn keepalived_weighs_interfaces() -> Result<()> {
    interface(Kind::Keepalived)
}

#[test]
fn interfaces_move_the_priority_by_their_weights() -> Result<()> {
    interface(Kind::Vipward("auto"))
}

/// A script that succeeds is the fault, or the loss, when its weight is reversed.
fn reversed(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let [heavy, fatal] = ["heavy", "fatal"].map(|name| pair.a.host.folder().join(name));
    let script = |name: &str, file: &std::path::Path, weight: &str| {
        format!(
            "vrrp_script {name} {{\n    script \"/usr/bin/test -e {}\"\n    interval 1\n    weight {weight}\n}}",
            file.display()
        )
    };
    let conf = pair.a.conf.clone().global("script_user root");
    let conf = conf.block(script("heavy", &heavy, "30 reverse")).block(script("fatal", &fatal, "5"));
    pair.a.conf = conf.with("track_script {\n        heavy\n        fatal weight 0 reverse\n    }");
    pair.a.start()?;
    advertises(&pair, 150)?;
    fs::write(&heavy, "")?;
    advertises(&pair, 120)?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    fs::write(&fatal, "")?;
    pair.settles_on(Side::B)?;
    fs::remove_file(&fatal)?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_reverses_scripts() -> Result<()> {
    reversed(Kind::Keepalived)
}

#[test]
fn a_script_counts_the_other_way_round() -> Result<()> {
    reversed(Kind::Vipward("auto"))
}

/// A master whose own interface goes down goes on, if it is told not to care.
fn primary(kind: Kind) -> Result<()> {
    let mut pair = pair(kind, "", "dont_track_primary")?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.a.host.unplug()?;
    let vip = pair.form.vip();
    pair.wait("the interface to be down", || {
        crate::seen::ip(&pair.a.host, &["link", "show", "eth0"]).is_ok_and(|link| link.contains("NO-CARRIER"))
    })?;
    pair.ensure(pair.a.host.holds(vip), || "the VIP was given up".to_owned())?;
    pair.a.host.plug()?;
    pair.serves(Side::A)?;
    if matches!(kind, Kind::Vipward(_)) {
        let now = instance(&pair.a)?;
        pair.ensure(now.transitions == 2, || format!("{now:?}"))?;
    }
    Ok(())
}

#[test]
fn keepalived_serves_on_without_its_interface_if_told_so() -> Result<()> {
    primary(Kind::Keepalived)
}

#[test]
fn a_master_serves_on_without_its_interface_if_told_so() -> Result<()> {
    primary(Kind::Vipward("auto"))
}

fn file(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let folder = pair.a.host.folder().to_owned();
    let path = folder.join("load");
    let block = format!(
        "vrrp_track_file load {{\n    file \"{}\"\n    weight 2\n    init_file -5\n}}",
        path.display()
    );
    pair.a.conf = pair.a.conf.clone().block(block).with("track_file {\n        load\n    }");
    pair.a.start()?;
    advertises(&pair, 140)?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    // Another file in its place.
    fs::write(folder.join("new"), "-30\n")?;
    fs::rename(folder.join("new"), &path)?;
    pair.settles_on(Side::B)?;
    if matches!(kind, Kind::Vipward(_)) {
        explained(&pair, "VI_1: priority 90 = 150 − 60 (file load holds -30)\n")?;
    }
    // What is not there is 0.
    fs::remove_file(&path)?;
    pair.settles_on(Side::A)?;
    advertises(&pair, 150)?;
    fs::write(&path, "20\n")?;
    advertises(&pair, 190)?;
    // −254 or less is a fault.
    let event = Moment::now();
    fs::write(&path, "-127\n")?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    if matches!(kind, Kind::Vipward(_)) {
        pair.wait("FAULT", || state(&pair.a).as_deref() == Some("FAULT"))?;
        let fault = instance(&pair.a)?.fault;
        pair.ensure(fault.as_deref() == Some("file load holds -127"), || format!("{fault:?}"))?;
    }
    // So is no number 0, which is none.
    fs::write(&path, "apples\n")?;
    pair.settles_on(Side::A)?;
    advertises(&pair, 150)
}

#[test]
fn keepalived_follows_a_tracked_file() -> Result<()> {
    file(Kind::Keepalived)
}

#[test]
fn a_tracked_file_moves_the_priority_and_can_be_a_fault() -> Result<()> {
    file(Kind::Vipward("auto"))
}

/// A copy of `sleep` with a name of its own, so that no other process counts.
fn program(pair: &Pair) -> Result<(String, std::path::PathBuf)> {
    let name = format!("hp{}{}", std::process::id(), pair.a.host.namespace().name().len());
    let path = pair.a.host.folder().join(&name);
    fs::copy("/bin/sleep", &path)?;
    Ok((name, path))
}

/// The first namespace alone is told of processes by the kernel, and so keepalived cannot run here beside it.
#[test]
fn tracked_processes_that_end_are_a_fault_or_a_loss() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let (name, path) = program(&pair)?;
    let start =
        || -> Result<Child> { Command::new(&path).arg("600").spawn().context("cannot start the program") };
    let end = |mut child: Child| child.kill().and_then(|()| child.wait().map(|_| ()));
    let blocks = format!(
        "vrrp_track_process some {{\n    process {name}\n}}\n\
         vrrp_track_process two {{\n    process {} 600\n    param_match partial\n    quorum 2\n    weight -60\n}}",
        path.display()
    );
    let lines = "track_process {\n        some\n        two\n    }";
    pair.a.conf = pair.a.conf.clone().block(blocks).with(lines);
    let (first, second) = (start()?, start()?);
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    advertises(&pair, 150)?;
    end(second)?;
    pair.settles_on(Side::B)?;
    explained(&pair, "VI_1: priority 90 = 150 − 60 (process two is down)\n")?;
    let second = start()?;
    pair.settles_on(Side::A)?;
    end(first)?;
    end(second)?;
    pair.wait("FAULT", || state(&pair.a).as_deref() == Some("FAULT"))?;
    let fault = instance(&pair.a)?.fault;
    pair.ensure(fault.as_deref() == Some("process some is down"), || format!("{fault:?}"))?;
    pair.settles_on(Side::B)?;
    let (first, second) = (start()?, start()?);
    pair.settles_on(Side::A)?;
    end(first)?;
    Ok(end(second)?)
}
