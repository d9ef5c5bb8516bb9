//! A reload changes what differs and nothing else: no transition of its own, no timer, no gap in the adverts.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{advertised, agent, instance, logged};

/// Reloads in a row.
const RELOADS: usize = 20;
/// What a busy machine may add to the interval between two adverts.
const LATE: Duration = Duration::from_millis(60);

/// Adverts of n1 since `from`, by their arrival.
fn cadence(pair: &Pair, from: Moment) -> Vec<Moment> {
    let frames = pair.wire.frames();
    let adverts = frames.iter().filter(|frame| frame.at >= from && &*frame.from == "n1");
    adverts.filter(|frame| matches!(frame.seen(), Some(Seen::Advert(_)))).map(|frame| frame.at).collect()
}

/// The master reloads again and again: nobody notices.
#[test]
fn a_reload_without_changes_is_not_noticed() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Vipward("auto"))?;
    let mut monitor = Command::new("ip");
    monitor.args(["-o", "monitor", "address"]);
    let monitor = pair.a.host.spawn("monitor", &mut monitor)?;
    let mut comings =
        (1..255).map(|number| pair.a.host.ip(&format!("addr add 192.0.2.{number}/32 dev lo\n")));
    pair.wait("the monitor to see addresses", || {
        comings.next().is_some_and(|come| come.is_ok()) && monitor.log().contains("192.0.2.")
    })?;

    let (start, before) = (Moment::now(), [instance(&pair.a)?, instance(&pair.b)?]);
    for _ in 0..RELOADS {
        let report = pair.explain(agent(&pair.a)?.ask(&["reload"]))?;
        pair.ensure(report.contains("1 unchanged"), || format!("`vipward reload` printed {report:?}"))?;
        agent(&pair.b)?.ask(&["reload"])?;
    }
    // The other way to ask for it.
    let reloads = |log: &str| log.lines().filter(|line| line.contains("reloaded")).count();
    agent(&pair.a)?.reload()?;
    pair.wait("SIGHUP to be obeyed", || agent(&pair.a).is_ok_and(|agent| reloads(&agent.log()) > RELOADS))?;
    pair.settles_on(Side::A)?;

    let now = [instance(&pair.a)?, instance(&pair.b)?];
    for (before, now) in before.iter().zip(&now) {
        pair.ensure(before.transitions == now.transitions, || format!("{before:?} became {now:?}"))?;
    }
    pair.ensure(!monitor.log().contains("10.77.0.200"), || {
        format!("the VIP was touched:\n{}", monitor.log())
    })?;
    let adverts = cadence(&pair, start);
    let gaps = adverts.windows(2).filter_map(|two| Some(two.last()?.since(*two.first()?)));
    let widest = gaps.max().context("no adverts")?;
    pair.ensure(widest <= pair.form.interval() + LATE, || format!("no advert for {widest:?}"))?;
    // Every interval one: a reload sends none of its own.
    let span = adverts.last().context("no adverts")?.since(start).as_millis();
    let most = usize::try_from(span / pair.form.interval().as_millis())? + 2;
    pair.ensure(adverts.len() <= most, || format!("{} adverts in {span} ms", adverts.len()))
}

/// While the master dies, its backup reloads without pause. It must take over when it would have.
fn reloads_while_the_master_dies(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    let event = Moment::now();
    pair.a.kill();
    while pair.adverts("n2", event) == 0 && Moment::now() < event + Duration::from_secs(5) {
        agent(&pair.b)?.ask(&["reload"])?;
    }
    pair.succeeds_a_dead_master(Side::B, event)
}

#[test]
fn a_reload_moves_no_timer() -> Result<()> {
    Kind::by_every_datapath(reloads_while_the_master_dies)
}

#[test]
fn a_broken_configuration_is_refused_as_a_whole() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let (start, before) = (Moment::now(), instance(&pair.a)?);
    // A change that would be visible, and below it a line that nobody understands.
    let conf = pair.a.conf.clone();
    pair.a.rewrite(conf.set("priority 160").vip("10.77.0.201/24").with("advert_in 1"))?;
    let refusal = match agent(&pair.a)?.ask(&["reload"]) {
        Ok(report) => anyhow::bail!("it was taken: {report}"),
        Err(error) => format!("{error:#}"),
    };
    let line =
        pair.a.conf.to_string().lines().position(|line| line.contains("advert_in 1")).context("no line")? + 1;
    let place = format!("vipward.conf:{line}:");
    pair.ensure(refusal.contains(&place) && refusal.contains("advert_int"), || {
        format!("neither {place} nor what was meant: {refusal}")
    })?;
    agent(&pair.a)?.reload()?;
    pair.wait("SIGHUP to be refused as well", || logged(&pair.a, &place))?;
    pair.settles_on(Side::A)?;
    let now = instance(&pair.a)?;
    pair.ensure(now.transitions == before.transitions && now.priority == 150, || format!("{now:?}"))?;
    pair.ensure(!pair.a.host.holds("10.77.0.201".parse()?), || "half of it was applied".to_owned())?;
    pair.ensure(pair.adverts("n2", start) == 0, || "the other took over".to_owned())
}

#[test]
fn a_reload_applies_what_differs() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let (start, before) = (Moment::now(), instance(&pair.a)?);
    let (old, new) = (pair.form.vip(), "10.77.0.201".parse()?);
    let conf = pair.a.conf.clone();
    pair.a.rewrite(conf.set("priority 160").vip("10.77.0.201/24"))?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.wait("the new VIP", || pair.a.host.holds(new))?;
    pair.wait("its announcement", || {
        let announced = |seen: &Seen| matches!(seen, Seen::Announcement { address, .. } if *address == new);
        pair.wire.first(start, |sender, seen| sender == "n1" && announced(seen)).is_some()
    })?;
    pair.wait("the new priority", || advertised(&pair, &pair.a.host, 160, start))?;
    pair.ensure(pair.a.host.holds(old), || "the old VIP went".to_owned())?;

    let conf = pair.a.conf.clone();
    pair.a.rewrite(conf.without_vip("10.77.0.201/24"))?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.wait("the VIP to be removed", || !pair.a.host.holds(new))?;
    pair.settles_on(Side::A)?;
    let now = instance(&pair.a)?;
    pair.ensure(now.transitions == before.transitions, || format!("{before:?} became {now:?}"))?;
    pair.ensure(pair.adverts("n2", start) == 0, || "the other took over".to_owned())
}

#[test]
fn a_reload_demands_a_transition_only_by_what_it_says() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let before = instance(&pair.a)?;
    let conf = pair.a.conf.clone();
    pair.a.rewrite(conf.clone().set("priority 90"))?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.settles_on(Side::B)?;
    let now = instance(&pair.a)?;
    ensure!(now.transitions == before.transitions + 1, "{before:?} became {now:?}");
    pair.a.rewrite(conf)?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.settles_on(Side::A)
}

#[test]
fn instances_come_and_go_by_reload() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let conf = pair.a.conf.clone();
    let second = "vrrp_instance SECOND {\n    interface eth0\n    virtual_router_id 52\n    priority 200\n    \
                  version 3\n    advert_int 0.1\n    virtual_ipaddress {\n        10.77.0.202/24\n    }\n}";
    let (start, vip) = (Moment::now(), "10.77.0.202".parse()?);
    pair.a.rewrite(conf.clone().block(second))?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.wait("the new instance to be master", || pair.a.host.holds(vip))?;
    pair.a.rewrite(conf)?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.wait("the instance that is gone to release its VIP", || !pair.a.host.holds(vip))?;
    let resigned =
        |seen: &Seen| matches!(seen, Seen::Advert(advert) if advert.vrid == 52 && advert.priority == 0);
    pair.wait("its resignation", || pair.wire.first(start, |_, seen| resigned(seen)).is_some())?;
    pair.ensure(pair.adverts("n2", start) == 0, || "the other instance was touched".to_owned())?;
    pair.settles_on(Side::A)
}

/// An instance that only has another name runs on, and its scripts are told nothing; one that is gone is told so with
/// keepalived's word, by the scripts that it had.
#[test]
fn scripts_are_told_of_an_instance_that_is_gone_and_not_of_one_that_is_renamed() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let record = pair.a.host.folder().join("told");
    let script =
        pair.a.host.write("notify.sh", &format!("#!/bin/sh\necho \"$*\" >>{}\n", record.display()))?;
    let told = || fs::read_to_string(&record).unwrap_or_default();
    let first = |name: &str| {
        format!(
            "vrrp_instance {name} {{\n    interface eth0\n    virtual_router_id 52\n    priority 200\n    \
             version 3\n    advert_int 0.1\n    notify \"{} {name}\"\n    virtual_ipaddress {{\n        \
             10.77.0.202/24\n    }}\n}}",
            script.display()
        )
    };
    let conf = pair.a.conf.clone().global("script_user root");
    pair.a.conf = conf.clone().block(first("FIRST"));
    pair.a.start()?;
    let master = "FIRST INSTANCE FIRST MASTER 200";
    pair.wait("the start to be told", || told().contains(master))?;
    let before = told();

    pair.a.rewrite(conf.clone().block(first("SECOND")))?;
    agent(&pair.a)?.ask(&["reload"])?;
    pair.wait("the new name to be shown", || {
        agent(&pair.a).and_then(|agent| agent.ask(&["status"])).is_ok_and(|status| status.contains("SECOND"))
    })?;
    pair.a.rewrite(conf)?;
    agent(&pair.a)?.ask(&["reload"])?;
    let gone = "SECOND INSTANCE SECOND FAULT 0";
    pair.wait("the end to be told", || told().contains(gone))?;
    // Whatever the new name was told would stand before its end.
    pair.ensure(told() == format!("{before}{gone}\n"), || format!("told:\n{}", told()))?;
    pair.ensure(!pair.a.host.holds("10.77.0.202".parse()?), || "told before the VIP was released".to_owned())
}
