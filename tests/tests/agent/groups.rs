//! Sync groups: two instances of a node that are master together or not at all.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::keepalived::Keepalived;
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Conf, Form, Kind, Pair, Side};

use crate::seen::{agent, make_lan, newcomer};

const VRID: u8 = 52;
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 152));
/// Adverts in a row that show that a master stays one.
const STEADY: usize = 40;

/// The second instance, and what else is in its block.
fn second(priority: u8, lines: &str) -> String {
    format!(
        "vrrp_instance VI_2 {{\n    interface eth0\n    virtual_router_id {VRID}\n    priority {priority}\n    version 3\n    \
         advert_int 0.1\n    {lines}\n    virtual_ipaddress {{\n        {VIP}/24\n    }}\n}}"
    )
}

fn grouped(conf: &Conf, lines: &str) -> Conf {
    let group =
        format!("vrrp_sync_group G {{\n    group {{\n        VI_1\n        VI_2\n    }}\n    {lines}\n}}");
    conf.clone().block(group)
}

/// Two nodes whose instances are grouped, with these priorities of their second ones.
fn pair(kind: Kind, [a, b]: [u8; 2]) -> Result<Pair> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = grouped(&pair.a.conf, "").block(second(a, ""));
    pair.b.conf = grouped(&pair.b.conf, "").block(second(b, ""));
    Ok(pair)
}

/// Waits until `side` is master of both, and the other of none.
fn serves_both(pair: &Pair, side: Side) -> Result<()> {
    pair.settles_on(side)?;
    let (master, other) = match side {
        Side::A => (&pair.a.host, &pair.b.host),
        Side::B => (&pair.b.host, &pair.a.host),
    };
    pair.wait("the second instance to follow", || master.holds(VIP) && !other.holds(VIP))
}

/// How many adverts of the second instance `host` has sent since.
fn adverts(pair: &Pair, host: &Host, since: Moment) -> usize {
    let ours =
        |seen: &Seen| matches!(seen, Seen::Advert(advert) if advert.vrid == VRID && advert.priority > 0);
    pair.wire.count(since, |sender, seen| sender == host.name() && ours(seen))
}

/// One member's fault is everybody's, and so is its end.
fn fails_together(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    let tracking = second(150, "track_interface {\n        lan0\n    }");
    pair.a.conf = grouped(&pair.a.conf, "").block(tracking);
    pair.b.conf = grouped(&pair.b.conf, "").block(second(100, ""));
    pair.a.start()?;
    pair.b.start()?;
    serves_both(&pair, Side::A)?;
    pair.a.host.ip("link set dev lan0 down\n")?;
    serves_both(&pair, Side::B)?;
    if matches!(kind, Kind::Vipward(_)) {
        let status = agent(&pair.a)?.status()?;
        for instance in &status.instances {
            let named = instance.fault.as_deref().is_some_and(|fault| fault.contains("lan0"));
            pair.ensure(instance.state == "FAULT" && named, || format!("{instance:?}"))?;
        }
        let text = agent(&pair.a)?.ask(&["status"])?;
        pair.ensure(text.contains("\nG      FAULT  VI_1, VI_2\n"), || text.clone())?;
    }
    pair.a.host.ip("link set dev lan0 up\n")?;
    serves_both(&pair, Side::A)
}

#[test]
fn members_of_keepalived_fail_together() -> Result<()> {
    fails_together(Kind::Keepalived)
}

#[test]
fn members_fail_together() -> Result<()> {
    Kind::by_every_datapath(fails_together)
}

/// Whoever beats one member beats all; and none is master again before all can be.
fn steps_back_together(kind: Kind) -> Result<()> {
    let mut pair = pair(kind, [150, 100])?;
    pair.a.start()?;
    pair.b.start()?;
    serves_both(&pair, Side::A)?;
    let rival = newcomer(&pair)?;
    let peer = Keepalived::start(&rival, &second(200, ""))?;
    pair.wait("the rival to serve", || rival.holds(VIP))?;
    pair.wait("both to step back", || {
        let vip = pair.form.vip();
        !pair.a.host.holds(VIP) && !pair.a.host.holds(vip) && !pair.b.host.holds(vip)
    })?;
    let since = Moment::now();
    pair.wait("the rival to go on", || adverts(&pair, &rival, since) >= STEADY)?;
    pair.ensure(pair.adverts("n1", since) + pair.adverts("n2", since) == 0, || {
        "one member was master without the other".to_owned()
    })?;
    peer.stop(std::time::Duration::from_secs(10))?;
    serves_both(&pair, Side::A)
}

#[test]
fn members_of_keepalived_step_back_together() -> Result<()> {
    steps_back_together(Kind::Keepalived)
}

#[test]
fn members_step_back_together() -> Result<()> {
    Kind::by_every_datapath(steps_back_together)
}

#[test]
fn a_dead_node_is_succeeded_by_all_members_of_the_other() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        let mut pair = pair(kind, [100, 150])?;
        pair.a.conf = pair.a.conf.clone().set("priority 90");
        pair.b.start()?;
        serves_both(&pair, Side::B)?;
        pair.a.start()?;
        pair.wait("the other to take part", || pair.a.ready())?;
        pair.b.kill();
        pair.wait("all members to take over", || pair.a.host.holds(VIP) && pair.a.host.holds(pair.form.vip()))
    })
}

/// Each node is better in one election. They must agree on one of them all the same, and stay with it.
#[test]
fn crossed_priorities_settle() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Vipward("auto"))?;
    pair.a.conf = grouped(&pair.a.conf, "").block(second(100, ""));
    pair.b.conf = grouped(&pair.b.conf, "").block(second(150, ""));
    // Both are masters until they meet.
    pair.b.host.isolate()?;
    pair.a.start()?;
    pair.b.start()?;
    let holds_both = |host: &Host| host.holds(VIP) && host.holds(pair.form.vip());
    pair.wait("both to serve", || holds_both(&pair.a.host) && holds_both(&pair.b.host))?;
    pair.b.host.rejoin()?;
    let mut since = Moment::now();
    pair.wait("one of them alone to serve, and to go on", || {
        let [a, b] = [&pair.a.host, &pair.b.host].map(|host| adverts(&pair, host, since));
        if a > 0 && b > 0 {
            since = Moment::now();
        }
        a.max(b) >= STEADY
    })?;
    let [a, b] = [&pair.a.host, &pair.b.host].map(holds_both);
    pair.ensure(a != b, || format!("n1 holds both: {a}, n2 holds both: {b}"))
}

/// Scripts of the group are told once per change of the group.
fn told(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.b.conf = grouped(&pair.b.conf, "").block(second(100, ""));
    let record = pair.a.host.folder().join("told");
    let script =
        pair.a.host.write("notify.sh", &format!("#!/bin/sh\necho \"$*\" >>{}\n", record.display()))?;
    let script = script.display();
    let lines: Vec<String> = ["notify_master", "notify_backup", "notify_fault", "notify_stop", "notify"]
        .map(|word| format!("{word} \"{script} {word}\""))
        .into();
    let conf = pair.a.conf.clone().global("script_user root").global("enable_script_security");
    pair.a.conf = grouped(&conf, &lines.join("\n    ")).block(second(150, ""));

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
    pair.a.start()?;
    next(&pair, "the start", ["notify GROUP G BACKUP 0", "notify_backup"])?;
    next(&pair, "the election", ["notify GROUP G MASTER 0", "notify_master"])?;
    pair.a.host.unplug()?;
    next(&pair, "the fault", ["notify GROUP G FAULT 0", "notify_fault"])?;
    pair.a.host.plug()?;
    next(&pair, "the recovery", ["notify GROUP G BACKUP 0", "notify_backup"])?;
    next(&pair, "the second election", ["notify GROUP G MASTER 0", "notify_master"])?;
    serves_both(&pair, Side::A)?;
    pair.a.stop()?;
    next(&pair, "the stop", ["notify GROUP G STOP 0", "notify_stop"])
}

#[test]
fn keepalived_tells_its_groups_scripts_what_is_expected() -> Result<()> {
    told(Kind::Keepalived)
}

#[test]
fn scripts_of_groups_are_told_what_keepalived_tells_them() -> Result<()> {
    told(Kind::Vipward("auto"))
}

/// The delay of one member's interface is the group's: a short loss moves nobody, a long one moves all.
#[test]
fn a_short_loss_of_the_carrier_moves_no_group() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    pair.b.conf = grouped(&pair.b.conf, "").block(second(100, ""));
    let delays = "interface_up_down_delays {\n    lan0 0.5 0.1\n}";
    let tracking = second(150, "track_interface {\n        lan0\n    }");
    pair.a.conf = grouped(&pair.a.conf, "").block(tracking).block(delays);
    pair.a.start()?;
    pair.b.start()?;
    serves_both(&pair, Side::A)?;
    let transitions = |pair: &Pair| -> Result<Vec<u64>> {
        Ok(agent(&pair.a)?.status()?.instances.iter().map(|instance| instance.transitions).collect())
    };
    let before = transitions(&pair)?;
    let down = Moment::now();
    pair.a.host.ip("link set dev lan0 down\n")?;
    pair.a.host.ip("link set dev lan0 up\n")?;
    let since = Moment::now();
    pair.wait("adverts to go on", || pair.adverts("n1", since) >= 10)?;
    let short = since.since(down) < std::time::Duration::from_millis(400);
    let now = transitions(&pair)?;
    pair.ensure(now == before || !short, || format!("{before:?} became {now:?}"))?;
    pair.a.host.ip("link set dev lan0 down\n")?;
    serves_both(&pair, Side::B)?;
    pair.a.host.ip("link set dev lan0 up\n")?;
    serves_both(&pair, Side::A)
}
