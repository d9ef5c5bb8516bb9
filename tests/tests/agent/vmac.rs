//! `use_vmac`: VIPs behind the router's virtual MAC.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Form, Kind, Pair, Side, VRID};

use crate::seen::{instance, ip, logged, newcomer};

const XDP: [&str; 2] = ["xdp", "xdp-generic"];
const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, VRID];

fn vmac(host: &Host) -> Option<String> {
    ip(host, &["-d", "link", "show", "dev", &format!("vrrp.{VRID}")]).ok()
}

fn setting(host: &Host, interface: &str, name: &str) -> Option<String> {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/{name}");
    let value = host.namespace().enter(|| fs::read_to_string(path)).ok()?.ok()?;
    Some(value.trim().to_owned())
}

/// The MACs that answer for the VIP on the wire.
fn answers(from: &Host, address: &str) -> Result<Vec<String>> {
    let mut arping = Command::new("arping");
    arping.args(["-c", "2", "-w", "3", "-I", "eth0", address]);
    let output = from.namespace().enter(|| arping.output())??;
    let text = String::from_utf8(output.stdout)?;
    let mut macs: Vec<String> = text
        .split(['[', ']', '(', ')', ' '])
        .filter(|word| word.len() == 17 && word.contains(':'))
        .map(str::to_lowercase)
        .collect();
    macs.sort();
    macs.dedup();
    Ok(macs)
}

/// Where the adverts of a host come from, by MAC.
fn senders(pair: &Pair, host: &str, from: Moment) -> Vec<Vec<u8>> {
    let adverts = pair.wire.frames().into_iter();
    let adverts = adverts.filter(|frame| frame.at >= from && &*frame.from == host);
    let mut macs: Vec<Vec<u8>> = adverts
        .filter(|frame| matches!(frame.seen(), Some(Seen::Advert(_))))
        .filter_map(|frame| frame.bytes.get(6..12).map(<[u8]>::to_vec))
        .collect();
    macs.sort();
    macs.dedup();
    macs
}

fn serves_behind_it(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("use_vmac");
    let start = Moment::now();
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let shown = vmac(&pair.a.host).context("there is no such interface")?;
    pair.ensure(shown.contains("00:00:5e:00:01:33") && shown.contains("mode private"), || shown.clone())?;
    let on_it = ip(&pair.a.host, &["address", "show", "dev", &format!("vrrp.{VRID}")])?;
    pair.ensure(on_it.contains("10.77.0.200/24"), || on_it.clone())?;
    pair.ensure(senders(&pair, "n1", start) == [MAC], || format!("{:?}", senders(&pair, "n1", start)))?;
    pair.wait("the bridge to know the MAC", || {
        answers(&pair.b.host, "10.77.0.200").is_ok_and(|macs| macs == ["00:00:5e:00:01:33"])
    })?;
    pair.a.stop()?;
    pair.ensure(vmac(&pair.a.host).is_none(), || "the interface was left behind".to_owned())
}

#[test]
fn keepalived_serves_behind_a_virtual_mac() -> Result<()> {
    serves_behind_it(Kind::Keepalived)
}

#[test]
fn vips_are_served_behind_a_virtual_mac() -> Result<()> {
    XDP.into_iter().try_for_each(|path| serves_behind_it(Kind::Vipward(path)))
}

/// Both have the same virtual MAC, so that each takes the other's adverts for its own macvlan's.
fn elections(form: Form, lines: &[&str], kind: Kind) -> Result<()> {
    let mut pair = Pair::new(form, kind, Kind::Keepalived)?;
    for node in [&mut pair.a, &mut pair.b] {
        for line in lines {
            node.conf = node.conf.clone().with(*line);
        }
    }
    pair.settle()?;
    let before = instance(&pair.a)?.transitions;
    pair.a.stop()?;
    pair.settles_on(Side::B)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.ensure(before > 0, || "no transition was counted".to_owned())
}

#[test]
fn routers_of_one_virtual_mac_hear_each_other() -> Result<()> {
    XDP.into_iter().try_for_each(|path| elections(Form::V3, &["use_vmac"], Kind::Vipward(path)))
}

#[test]
fn routers_of_one_virtual_mac_hear_each_other_over_ipv6() -> Result<()> {
    elections(Form::V3Ipv6, &["use_vmac"], Kind::Vipward("xdp"))
}

#[test]
fn adverts_by_the_base_interface_are_heard_by_every_data_path() -> Result<()> {
    Kind::by_every_datapath(|kind| elections(Form::V3, &["use_vmac", "vmac_xmit_base"], kind))
}

#[test]
fn without_xdp_a_virtual_mac_is_refused_with_the_remedy() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("socket"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("use_vmac");
    pair.a.start()?;
    pair.wait("FAULT", || instance(&pair.a).is_ok_and(|it| it.state == "FAULT"))?;
    pair.wait("the remedy", || logged(&pair.a, "add `vmac_xmit_base`"))
}

/// The interface and the VIP are still there, and the kernel answers for them no more.
fn fenced(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("use_vmac");
    pair.settle()?;
    let client = newcomer(&pair)?;
    pair.wait("the virtual MAC to answer", || {
        answers(&client, "10.77.0.200").is_ok_and(|macs| macs == ["00:00:5e:00:01:33"])
    })?;
    pair.a.peer.as_mut().context("it runs")?.signal(Signal::SIGSTOP)?;
    pair.serves(Side::B)?;
    let own =
        pair.b.host.link_address()?.addr().context("no MAC")?.map(|byte| format!("{byte:02x}")).join(":");
    let macs = answers(&client, "10.77.0.200")?;
    pair.a.peer.as_mut().context("it runs")?.signal(Signal::SIGCONT)?;
    pair.ensure(macs == [own.clone()], || format!("{macs:?} answered and not {own} alone"))
}

#[test]
fn a_frozen_master_is_silent_behind_its_virtual_mac() -> Result<()> {
    XDP.into_iter().try_for_each(|path| fenced(Kind::Vipward(path)))
}

#[test]
fn an_interface_that_somebody_removes_is_made_again() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("use_vmac");
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.a.host.ip(&format!("link del vrrp.{VRID}\n"))?;
    pair.wait("the interface", || vmac(&pair.a.host).is_some())?;
    pair.settles_on(Side::A)
}

#[test]
fn nothing_of_it_is_left_by_an_agent_that_dies() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("use_vmac router0");
    let there = |pair: &Pair| ip(&pair.a.host, &["link", "show", "dev", "router0"]).is_ok();
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    assert_eq!(setting(&pair.a.host, "router0", "arp_ignore").as_deref(), Some("1"));
    assert_eq!(setting(&pair.a.host, "eth0", "arp_ignore").as_deref(), Some("1"));
    pair.a.kill_alone();
    pair.wait("the guard to remove it", || !there(&pair))?;
    pair.wait("the guard to restore what was set", || {
        setting(&pair.a.host, "eth0", "arp_ignore").as_deref() == Some("0")
    })?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    // With its guard: what is left is taken over by the next one, which removes it in the end.
    pair.a.kill();
    pair.ensure(there(&pair), || "nothing was left to be taken over".to_owned())?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.a.stop()?;
    pair.ensure(!there(&pair), || "it is left behind".to_owned())
}

/// Its own interface is no concern of it, and so it goes on without a carrier, as the other one does with it.
fn untracked(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("use_vmac").with("dont_track_primary");
    pair.settle()?;
    let vip = pair.form.vip();
    let since = Moment::now();
    pair.a.host.unplug()?;
    pair.serves(Side::B)?;
    pair.wait("its patience to be tried", || pair.adverts("n2", since) >= 10)?;
    pair.ensure(pair.a.host.holds(vip), || "it let go of the VIP".to_owned())?;
    pair.a.host.plug()?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_keeps_an_untracked_virtual_mac() -> Result<()> {
    untracked(Kind::Keepalived)
}

#[test]
fn an_untracked_interface_takes_no_virtual_mac_down() -> Result<()> {
    untracked(Kind::Vipward("xdp"))
}
