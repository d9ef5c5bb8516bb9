//! Virtual addresses on a real interface.

use std::net::IpAddr;

use vipward::net::{
    Addresses, AdvertSender, Announcement, Announcer, Change, Frame, LinkEvent, Monitor, NetError, Outcome,
    Owner, Vip,
};
use vipward_common::wire::GROUP_V4;

use crate::fixture::{Pair, await_event};

pub(crate) const OWNER: Owner = Owner(1);

pub(crate) fn vip(ifindex: u32, address: &str, prefix_len: u8) -> Vip {
    Vip::new(ifindex, address.parse().unwrap(), prefix_len)
}

fn many(ifindex: u32) -> Vec<Vip> {
    (0..200)
        .map(|number| vip(ifindex, &format!("10.9.{}.{}", 1 + number / 100, 1 + number % 100), 32))
        .collect()
}

fn changes(outcomes: Vec<Outcome>) -> Vec<Change> {
    outcomes.into_iter().map(|outcome| outcome.result.unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Everything that is pending, in one slice.
pub(crate) fn settle(addresses: &mut Addresses) -> Vec<Change> {
    changes(addresses.apply_slice(usize::MAX))
}

#[test]
fn two_hundred_in_slices() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let before = addresses.list(Some(ifindex)).unwrap().len();
        addresses.hold(OWNER, &many(ifindex));
        assert_eq!(addresses.pending(), 200);
        let first = addresses.apply_slice(30);
        assert_eq!(first.len(), 30, "no more than a slice");
        assert_eq!(addresses.list(Some(ifindex)).unwrap().len(), before + 30);
        assert_eq!(first[0].vip.address, IpAddr::from([10, 9, 1, 1]), "in the order of the configuration");
        assert_eq!(settle(&mut addresses), [Change::Added; 170]);
        assert_eq!(addresses.list(Some(ifindex)).unwrap().len(), before + 200);

        addresses.hold(OWNER, &many(ifindex));
        assert_eq!(addresses.pending(), 0, "held already");

        addresses.release(OWNER);
        assert_eq!(settle(&mut addresses), [Change::Removed; 200]);
        assert_eq!(addresses.list(Some(ifindex)).unwrap().len(), before);
        assert_eq!(addresses.pending(), 0);
    });
}

#[test]
fn a_change_of_mind_costs_nothing() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let vips = many(ifindex);
        addresses.hold(OWNER, &vips);
        settle(&mut addresses);
        addresses.release(OWNER);
        addresses.hold(OWNER, &vips);
        assert_eq!(settle(&mut addresses), []);
        addresses.hold(OWNER, &vips[..199]);
        assert_eq!(settle(&mut addresses), [Change::Removed]);
    });
}

#[test]
fn an_address_stays_until_its_last_owner_releases_it() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let vips = [vip(ifindex, "10.9.0.50", 24)];
        addresses.hold(Owner(1), &vips);
        addresses.hold(Owner(2), &vips);
        assert_eq!(settle(&mut addresses), [Change::Added]);
        addresses.release(Owner(1));
        assert_eq!(settle(&mut addresses), []);
        addresses.release(Owner(2));
        let outcomes = addresses.apply_slice(9);
        assert_eq!(outcomes[0].owners, [Owner(2)]);
        assert_eq!(changes(outcomes), [Change::Removed]);
    });
}

#[test]
fn what_is_there_is_adopted_and_what_is_gone_is_gone() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    let vips = [vip(ifindex, "10.9.0.50", 24), vip(ifindex, "fd09::50", 64)];
    pair.near.ip("addr add 10.9.0.50/24 dev near0 label near0:old");
    pair.near.ip("addr add fd09::50/64 dev near0 nodad");
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        addresses.hold(OWNER, &vips);
        assert_eq!(settle(&mut addresses), [Change::Adopted; 2]);
        addresses.release(OWNER);
        assert_eq!(settle(&mut addresses), [Change::Removed; 2], "ours once adopted, whatever its label");

        addresses.hold(OWNER, &vips);
        assert_eq!(settle(&mut addresses), [Change::Added; 2]);
        pair.near.ip("addr del 10.9.0.50/24 dev near0");
        pair.near.ip("addr del fd09::50/64 dev near0");
        addresses.release(OWNER);
        assert_eq!(settle(&mut addresses), [Change::AlreadyGone; 2]);
    });
}

#[test]
fn leftovers_of_a_killed_agent_are_expelled() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.ip("addr add 10.9.0.50/24 dev near0");
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let held = vip(ifindex, "10.9.0.52", 24);
        addresses.hold(Owner(2), std::slice::from_ref(&held));
        let configured = [vip(ifindex, "10.9.0.50", 24), vip(ifindex, "10.9.0.51", 24), held];
        addresses.expel(OWNER, &configured);
        assert_eq!(settle(&mut addresses), [Change::Added, Change::Removed, Change::AlreadyGone]);
        assert_eq!(addresses.resync().unwrap(), 0, "the held one is still there");
    });
}

#[test]
fn attributes_are_as_configured() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    let broadcast = "10.9.0.255".parse().ok();
    let labelled = Vip { label: Some("near0:web".into()), broadcast, ..vip(ifindex, "10.9.0.60", 24) };
    let link_scoped = Vip { scope: 253, ..vip(ifindex, "10.8.0.61", 24) };
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let v6 = [vip(ifindex, "fd09::62", 128), vip(ifindex, "fd09::63", 64), vip(ifindex, "fe80::64", 128)];
        addresses.hold(OWNER, &[&[labelled, link_scoped], &v6[..]].concat());
        assert_eq!(settle(&mut addresses), [Change::Added; 5]);
    });
    let shown = pair.near.ip("-o addr show dev near0");
    let line = |address: &str| shown.lines().find(|line| line.contains(address)).unwrap().to_owned();
    assert!(line("10.9.0.60/24").contains("brd 10.9.0.255 scope global secondary near0:web"), "{shown}");
    assert!(line("10.8.0.61/24").contains("scope link"), "{shown}");
    for (address, deprecated) in [("fd09::62/128", true), ("fd09::63/64", false), ("fe80::64/128", true)] {
        let line = line(address);
        assert!(line.contains("nodad") && !line.contains("tentative"), "{line}");
        assert_eq!(line.contains("deprecated"), deprecated, "as keepalived does: {line}");
        assert!(line.contains("valid_lft forever"), "{line}");
    }
}

#[test]
fn a_new_label_replaces_the_address_and_nothing_else() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let other = vip(ifindex, "10.9.0.51", 24);
        let plain = vip(ifindex, "10.9.0.50", 24);
        addresses.hold(OWNER, &[plain.clone(), other.clone()]);
        settle(&mut addresses);
        let labelled = Vip { label: Some("near0:new".into()), ..plain };
        addresses.hold(OWNER, &[labelled.clone(), other]);
        assert_eq!(settle(&mut addresses), [Change::Removed]);
        assert_eq!(settle(&mut addresses), [Change::Added]);
        assert_eq!(addresses.pending(), 0);
        let held = addresses.list(Some(ifindex)).unwrap();
        let labels: Vec<_> = held.iter().filter(|held| held.address == labelled.address).collect();
        assert_eq!((labels.len(), &labels[0].label), (1, &labelled.label));
    });
}

#[test]
fn removed_by_somebody_else_and_put_back() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut monitor = Monitor::open().unwrap();
        let mut addresses = Addresses::open().unwrap();
        let vips = [vip(ifindex, "10.9.0.50", 24), vip(ifindex, "fd09::50", 128)];
        addresses.hold(OWNER, &vips);
        settle(&mut addresses);
        for (vip, deletion) in vips.iter().zip(["10.9.0.50/24", "fd09::50/128"]) {
            pair.near.ip(&format!("addr del {deletion} dev near0"));
            let events = await_event(&mut monitor, "the removal", |event| {
                matches!(event, LinkEvent::AddressRemoved(removed)
                    if removed.address == vip.address && removed.prefix_len == vip.prefix_len)
            });
            assert_eq!(events.iter().map(|event| addresses.observe(event)).sum::<usize>(), 1);
            assert_eq!(settle(&mut addresses), [Change::Restored]);
        }
        // Releasing is not somebody else's doing.
        addresses.release(OWNER);
        settle(&mut addresses);
        let events =
            await_event(&mut monitor, "our removal", |event| matches!(event, LinkEvent::AddressRemoved(_)));
        assert_eq!(events.iter().map(|event| addresses.observe(event)).sum::<usize>(), 0);
        assert_eq!(addresses.pending(), 0);
    });
}

#[test]
fn lost_events_are_made_up_for() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        addresses.hold(OWNER, &many(ifindex));
        settle(&mut addresses);
        assert_eq!(addresses.resync().unwrap(), 0);
        pair.near.ip("addr del 10.9.1.7/32 dev near0");
        pair.near.ip("addr del 10.9.2.9/32 dev near0");
        assert_eq!(addresses.resync().unwrap(), 2);
        assert_eq!(settle(&mut addresses), [Change::Restored; 2]);
        assert_eq!(addresses.resync().unwrap(), 0);
    });
}

#[test]
fn an_interface_that_disappears_and_returns() {
    let pair = Pair::new();
    let old = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut monitor = Monitor::open().unwrap();
        let mut addresses = Addresses::open().unwrap();
        addresses.hold(OWNER, &[vip(old, "10.9.0.50", 24)]);
        settle(&mut addresses);
        pair.near.ip("link del near0");
        let gone = |event: &LinkEvent| matches!(event, LinkEvent::Gone { ifindex, .. } if *ifindex == old);
        for event in await_event(&mut monitor, "the interface to go", gone) {
            addresses.observe(&event);
        }
        let failure = addresses.apply_slice(9).remove(0).result.unwrap_err();
        assert!(failure.interface_missing(), "{failure}");
        assert!(failure.to_string().contains("waiting for it to return"), "{failure}");
        assert_eq!(addresses.pending(), 0, "not tried again by itself");
        addresses.retry();
        assert_eq!(addresses.pending(), 1);

        pair.connect();
        let new = pair.near.interface("near0").ifindex;
        assert_ne!(old, new);
        await_event(
            &mut monitor,
            "the interface to return",
            |event| matches!(event, LinkEvent::Link(link) if link.ifindex == new && link.name == "near0"),
        );
        addresses.hold(OWNER, &[vip(new, "10.9.0.50", 24)]);
        assert_eq!(settle(&mut addresses), [Change::Added], "and nothing on the old index");
    });
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        become_nobody();
        let mut addresses = Addresses::open().unwrap();
        addresses.hold(OWNER, &[vip(ifindex, "10.9.0.50", 24)]);
        let failure = addresses.apply_slice(9).remove(0).result.unwrap_err();
        assert!(matches!(failure, NetError::Address { .. }));
        assert!(failure.to_string().contains("grant CAP_NET_ADMIN"), "{failure}");

        let group = GROUP_V4.into();
        let mut sender = AdvertSender::new();
        sender.queue(7, &Frame::new(ifindex, [10, 9, 0, 1].into(), group, 255, &[]).unwrap());
        let mut failures = Vec::new();
        assert_eq!(sender.flush(&mut failures), 0);
        assert!(failures[0].1.to_string().contains("CAP_NET_RAW"), "{}", failures[0].1);

        let mut announcer = Announcer::new();
        let (mac, address) = ([2, 0, 0, 0, 0, 1], [10, 9, 0, 50].into());
        announcer.queue(Announcement { ifindex, mac, address, router: false }, 1);
        let mut failures = Vec::new();
        assert_eq!(announcer.send_slice(9, &mut failures), 0);
        assert!(failures[0].to_string().contains("CAP_NET_RAW"), "{}", failures[0]);
    });
}

#[test]
fn ipv6_switched_off_is_said() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.sysctl("net.ipv6.conf.near0.disable_ipv6", "1");
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        addresses.hold(OWNER, &[vip(ifindex, "fd09::50", 128)]);
        let failure = addresses.apply_slice(9).remove(0).result.unwrap_err();
        assert!(failure.to_string().contains("IPv6 is switched off"), "{failure}");
    });
}

/// Gives up root on the calling thread alone, which ends with the test.
fn become_nobody() {
    const NOBODY: u32 = 65534;
    // SAFETY: the system call takes three integers; called directly, it concerns this thread only, where the
    // library's function would change all threads of the process.
    let answer = unsafe { nix::libc::syscall(nix::libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
    assert_eq!(answer, 0);
}
