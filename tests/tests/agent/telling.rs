//! What is said to neighbours and rivals, where it goes and how fast.

use std::time::Duration;

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{instance, ip, make_lan, state};

/// Arrivals of the announcements that the first host sent.
fn announcements(pair: &Pair) -> Vec<Moment> {
    let ours = |frame: &vipward_tests::lab::wire::Frame| {
        &*frame.from == "n1" && matches!(frame.seen(), Some(Seen::Announcement { .. }))
    };
    pair.wire.frames().into_iter().filter(ours).map(|frame| frame.at).collect()
}

fn paced(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let conf = pair.a.conf.clone().vip("10.77.0.201/24").vip("10.77.0.202/24");
    pair.a.conf =
        conf.global("vrrp_garp_interval 0.05").with("garp_master_repeat 2").with("garp_master_delay 0");
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    // keepalived drops repeats of what waits already.
    let expected = if kind == Kind::Keepalived { 4 } else { 6 };
    pair.wait("all announcements", || announcements(&pair).len() >= expected)?;
    let at = announcements(&pair);
    let close = |pair: &[Moment]| pair[1].since(pair[0]) < Duration::from_millis(45);
    pair.ensure(!at.windows(2).any(close), || format!("too fast: {at:?}"))
}

#[test]
fn keepalived_keeps_the_pace_of_announcements() -> Result<()> {
    paced(Kind::Keepalived)
}

#[test]
fn the_pace_of_announcements_is_kept() -> Result<()> {
    paced(Kind::Vipward("auto"))
}

/// Both speak in another group, and both hear each other.
fn other_group(form: Form, group: &'static str, kind: Kind) -> Result<()> {
    let mut pair = Pair::new(form, kind, Kind::Keepalived)?;
    for node in [&mut pair.a, &mut pair.b] {
        node.conf = node.conf.clone().with(format!("mcast_dst_ip {group}"));
    }
    pair.settle()?;
    pair.a.stop()?;
    pair.settles_on(Side::B)?;
    pair.a.start()?;
    pair.settles_on(Side::A)
}

#[test]
fn adverts_go_to_the_group_that_is_configured() -> Result<()> {
    Kind::by_every_datapath(|kind| other_group(Form::V3, "224.0.0.99", kind))
}

#[test]
fn adverts_over_ipv6_go_to_the_group_that_is_configured() -> Result<()> {
    Kind::by_every_datapath(|kind| other_group(Form::V3Ipv6, "ff02::99", kind))
}

#[test]
fn unicast_adverts_have_the_ttl_that_is_configured() -> Result<()> {
    let mut pair = Pair::new(Form::V3Unicast, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("unicast_ttl 7");
    pair.settle()?;
    let ttls = |host: &str| -> Vec<u8> {
        let frames = pair.wire.frames().into_iter();
        let adverts =
            frames.filter(|frame| &*frame.from == host && matches!(frame.seen(), Some(Seen::Advert(_))));
        adverts.filter_map(|frame| frame.bytes.get(14 + 8).copied()).collect()
    };
    let seen = ttls("n1");
    pair.ensure(!seen.is_empty() && seen.iter().all(|ttl| *ttl == 7), || format!("{seen:?}"))
}

#[test]
fn a_switch_hears_of_a_vip_on_another_interface_again_and_again() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    // Nothing else is to speak there.
    pair.a.host.namespace().sysctl("net/ipv6/conf/lan0/disable_ipv6", "1")?;
    let conf = pair.a.conf.clone().vip("10.78.0.200/24 dev lan0");
    pair.a.conf = conf.with("garp_extra_if all 1").with("garp_master_repeat 1").with("garp_master_delay 0");
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let sent = || -> Option<u64> {
        let shown = ip(&pair.a.host, &["-s", "link", "show", "dev", "lan0"]).ok()?;
        shown.split_once("TX:")?.1.split('\\').nth(1)?.split_whitespace().nth(1)?.parse().ok()
    };
    pair.wait("the announcement of the takeover", || sent().is_some_and(|sent| sent > 0))?;
    let first = sent().context("no counter")?;
    pair.wait("two more announcements", || sent().is_some_and(|sent| sent >= first + 2))
}

#[test]
fn a_short_loss_of_the_carrier_is_overlooked_where_that_is_wanted() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().block("interface_up_down_delays {\n    eth0 0.5 0.1\n}");
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    let before = instance(&pair.a)?.transitions;
    let down =
        || ip(&pair.a.host, &["link", "show", "dev", "eth0"]).is_ok_and(|link| link.contains("NO-CARRIER"));
    let unplugged = Moment::now();
    pair.a.host.unplug()?;
    pair.wait("the carrier to be gone", down)?;
    pair.a.host.plug()?;
    pair.wait("the carrier to be back", || !down())?;
    let short = Moment::now().since(unplugged) < Duration::from_millis(400);
    let now = instance(&pair.a)?.transitions;
    pair.ensure(now == before || !short, || format!("it noticed: {now} transitions and not {before}"))?;
    let unplugged = Moment::now();
    pair.a.host.unplug()?;
    pair.wait("FAULT", || state(&pair.a).as_deref() == Some("FAULT"))?;
    pair.ensure(Moment::now().since(unplugged) >= Duration::from_millis(450), || "too early".to_owned())?;
    pair.a.host.plug()?;
    pair.settles_on(Side::A)
}
