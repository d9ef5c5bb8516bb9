//! The data paths on a real interface: a veth pair in a network namespace, adverts from a packet socket.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod xdp_support;

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use vipward::kernel::{Choice, Claim, Datapath as _, KernelError, Kind, Paths, ReportKind, Timer};
use vipward_common::abi::{FLAG_CHECK_PEER, FLAG_PREEMPT, FLAG_UNICAST, Peer, RouterKey, Rules};
use vipward_common::reason::Reason;
use vipward_tests::frame::{Advert, Checksum, key, rules};
use vipward_tests::lab::guardian;
use vipward_tests::lab::netns::Namespace;
use vipward_tests::lab::wait;
use vipward_vrrp::address::to_abi;
use xdp_support::capability;
use xdp_support::wire::Sender;
use xdp_support::{ip, now, readable, reports};

const HOUR: Timer = Timer::Set(Duration::from_hours(1));
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `work` in a namespace with the veth pair `va` (ours, 10.0.0.2) and `vb` (the other side).
fn on_a_pair<T: Send>(name: &str, work: impl FnOnce(&Namespace) -> T + Send) -> T {
    let namespace = Namespace::new(&format!("{}xdp-{name}", guardian::prefix())).unwrap();
    make_pair(&namespace);
    namespace.enter(|| work(&namespace)).unwrap()
}

fn make_pair(namespace: &Namespace) {
    namespace
        .ip("link add va type veth peer name vb\naddr add 10.0.0.2/24 dev va\nlink set vb up\nlink set va up\n")
        .unwrap();
    // The kernel notices a carrier when it gets round to it, and until then drops all that is sent.
    namespace.enter(|| eventually("the carrier", || running("va") && running("vb"))).unwrap();
    // It holds the RTNL lock for that, and so does this: afterwards it is done.
    namespace.ip("link set vb up\n").unwrap();
}

fn running(interface: &str) -> bool {
    let mut links = getifaddrs().unwrap();
    links.any(|link| link.interface_name == interface && link.flags.contains(InterfaceFlags::IFF_RUNNING))
}

fn eventually(what: &str, condition: impl FnMut() -> bool) {
    wait::until(what, PATIENCE, condition).unwrap();
}

/// An advert every 100 ms: Master_Down_Interval of priority 100 is 360.9375 ms, Skew_Time 60.9375 ms.
fn quick(family: u8) -> Advert {
    Advert { max_interval: 10, ..Advert::new(3, family) }
}

fn quick_rules(family: u8) -> Rules {
    Rules { interval_ns: 100_000_000, ..rules(3, family) }
}

/// One life of a backup, the same on every data path.
fn life_of_a_backup(choice: Choice, kind: Kind, family: u8) {
    on_a_pair(&format!("life-{kind}-{family}"), |_| {
        let mut paths = Paths::new(choice, None).unwrap();
        let (key, rules) = (key(if_nametoindex("va").unwrap(), family, 51), quick_rules(family));
        assert_eq!(paths.seat("va", key, &rules, &[]).unwrap().kind, kind);
        let wire = Sender::on("vb");
        let frame = quick(family).frame();

        // Off: counted only.
        wire.send(&frame);
        eventually("the advert is counted", || {
            paths.drain(now(), &mut Vec::new());
            paths.counters(&key).unwrap().accepted == 1
        });
        assert_eq!(paths.heard(&key).unwrap().last_advert, 0);

        // The first advert is news, and the next thirty are not.
        paths.watch(&key, &rules, HOUR).unwrap();
        wire.send(&frame);
        let first = reports(&mut paths, 1, PATIENCE)[0];
        assert_eq!(
            (first.kind, first.source, first.priority.0),
            (ReportKind::Changed, quick(family).source, 200)
        );
        assert_eq!(first.deadline.0 - first.at.0, 360_937_500);
        for _ in 0..30 {
            wire.send(&frame);
            let awake = readable(&paths, Duration::from_millis(10));
            assert!(kind == Kind::Socket || !awake, "a steady master wakes nobody");
            let mut news = Vec::new();
            paths.drain(now(), &mut news);
            assert_eq!(news, []);
        }
        eventually("all adverts are counted", || {
            paths.drain(now(), &mut Vec::new());
            paths.counters(&key).unwrap().accepted == 32
        });

        // Wrong packets move nothing.
        let before = paths.heard(&key).unwrap();
        let wrong = Advert { priority: 0, checksum: Checksum::Fixed(1), ..quick(family) }.frame();
        for _ in 0..100 {
            wire.send(&wrong);
        }
        eventually("all wrong packets are counted", || {
            paths.drain(now(), &mut Vec::new());
            paths.counters(&key).unwrap().rejected[Reason::Checksum as usize] == 100
        });
        assert_eq!(paths.heard(&key).unwrap(), before);

        // The master resigns: Skew_Time later the router can be claimed, and its adverts are a rival's.
        wire.send(&Advert { priority: 0, ..quick(family) }.frame());
        let last = reports(&mut paths, 2, PATIENCE);
        assert_eq!([last[0].kind, last[1].kind], [ReportKind::Resigned, ReportKind::Expired]);
        assert_eq!(last[1].deadline.0 - last[0].at.0, 60_937_500);
        assert!(last[1].at >= last[1].deadline);
        assert_eq!(paths.claim(&key, first.generation).unwrap(), Claim::Stale);
        assert_eq!(paths.claim(&key, last[1].generation).unwrap(), Claim::Won);
        wire.send(&frame);
        assert_eq!(reports(&mut paths, 1, PATIENCE)[0].kind, ReportKind::Rival);
    });
}

#[test]
fn native_over_ipv4() {
    life_of_a_backup(Choice::Xdp, Kind::Xdp, 4);
}

#[test]
fn native_over_ipv6() {
    life_of_a_backup(Choice::Auto, Kind::Xdp, 6);
}

#[test]
fn generic_over_ipv4() {
    life_of_a_backup(Choice::XdpGeneric, Kind::XdpGeneric, 4);
}

#[test]
fn generic_over_ipv6() {
    life_of_a_backup(Choice::XdpGeneric, Kind::XdpGeneric, 6);
}

#[test]
fn socket_over_ipv4() {
    life_of_a_backup(Choice::Socket, Kind::Socket, 4);
}

#[test]
fn socket_over_ipv6() {
    life_of_a_backup(Choice::Socket, Kind::Socket, 6);
}

#[test]
fn unicast_on_every_path() {
    for (choice, name) in
        [(Choice::Xdp, "native"), (Choice::XdpGeneric, "generic"), (Choice::Socket, "socket")]
    {
        on_a_pair(&format!("unicast-{name}"), |_| {
            let mut paths = Paths::new(choice, None).unwrap();
            let key = key(if_nametoindex("va").unwrap(), 4, 51);
            let rules = Rules {
                destination: to_abi(ip("10.0.0.2")),
                flags: FLAG_UNICAST | FLAG_CHECK_PEER | FLAG_PREEMPT,
                ..quick_rules(4)
            };
            let peer = Peer { min_ttl: 254, max_ttl: 255, ..Peer::ANY };
            paths.seat("va", key, &rules, &[(ip("10.0.0.1"), peer)]).unwrap();
            paths.watch(&key, &rules, HOUR).unwrap();
            let mut wire = Sender::on("vb");
            wire.unicast_to("va");
            let from = |source: &str, ttl| {
                let (source, destination): (IpAddr, IpAddr) = (ip(source), ip("10.0.0.2"));
                Advert { source, destination, ttl, ..quick(4) }.frame()
            };
            wire.send(&from("10.0.0.9", 255));
            wire.send(&from("10.0.0.1", 253));
            wire.send(&from("10.0.0.1", 254));
            assert_eq!(reports(&mut paths, 1, PATIENCE)[0].kind, ReportKind::Changed);
            let counters = paths.counters(&key).unwrap();
            assert_eq!(counters.rejected[Reason::UnknownPeer as usize], 1);
            assert_eq!(counters.rejected[Reason::Ttl as usize], 1);
            assert_eq!(counters.accepted, 1);
        });
    }
}

#[test]
fn the_group_is_joined_while_a_router_needs_it() {
    on_a_pair("group", |_| {
        let index = if_nametoindex("va").unwrap();
        let joined = |family| {
            let table = if family == 4 { "igmp" } else { "igmp6" };
            let group = if family == 4 { "120000E0" } else { "ff020000000000000000000000000012" };
            fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap().contains(group)
        };
        let mut paths = Paths::new(Choice::Xdp, None).unwrap();
        let (a, b) = (key(index, 4, 51), key(index, 4, 52));
        for key in [a, b] {
            paths.seat("va", key, &rules(3, 4), &[]).unwrap();
        }
        paths.seat("va", key(index, 6, 51), &rules(3, 6), &[]).unwrap();
        assert!(joined(4) && joined(6));
        paths.remove(&a).unwrap();
        assert!(joined(4));
        // A reload turns multicast into unicast, and back.
        let unicast = Rules { flags: FLAG_UNICAST, ..rules(3, 4) };
        paths.watch(&b, &unicast, Timer::Keep).unwrap();
        assert!(!joined(4));
        paths.report(&b, &rules(3, 4)).unwrap();
        assert!(joined(4));
        paths.remove(&b).unwrap();
        assert!(!joined(4) && joined(6));
    });
}

#[test]
fn what_the_driver_refuses_falls_back_and_says_why() {
    on_a_pair("refused", |namespace| {
        let lo = if_nametoindex("lo").unwrap();
        let seat = |choice, index, name: &str| {
            let mut paths = Paths::new(choice, None).unwrap();
            let seated = paths.seat(name, key(index, 4, 51), &rules(3, 4), &[]);
            seated.map(|attachment| (attachment, paths))
        };
        let (attachment, paths) = seat(Choice::Auto, lo, "lo").unwrap();
        assert_eq!(attachment.kind, Kind::XdpGeneric);
        assert!(attachment.reason.contains("native XDP on lo"), "{}", attachment.reason);
        drop(paths);
        let error = seat(Choice::Xdp, lo, "lo").err().unwrap();
        assert!(matches!(error, KernelError::Attach { .. }), "{error}");

        let va = if_nametoindex("va").unwrap();
        let (_, first) = seat(Choice::Xdp, va, "va").unwrap();
        let (attachment, _second) = seat(Choice::Auto, va, "va").unwrap();
        assert_eq!(attachment.kind, Kind::Socket);
        assert!(attachment.reason.contains("another XDP program"), "{}", attachment.reason);
        drop(first);

        namespace.ip("link set va mtu 9000\nlink set vb mtu 9000\n").unwrap();
        let (attachment, _paths) = seat(Choice::Auto, va, "va").unwrap();
        assert_eq!(attachment.kind, Kind::XdpGeneric);
        assert!(attachment.reason.contains("MTU"), "{}", attachment.reason);
    });
}

#[test]
fn an_interface_that_comes_back_is_heard_again() {
    for (choice, name) in
        [(Choice::Xdp, "native"), (Choice::XdpGeneric, "generic"), (Choice::Socket, "socket")]
    {
        on_a_pair(&format!("again-{name}"), |namespace| {
            let mut paths = Paths::new(choice, None).unwrap();
            let mut last = RouterKey::default();
            for round in 0..3 {
                let index = if_nametoindex("va").unwrap();
                let (key, rules) = (key(index, 4, 51), quick_rules(4));
                if round > 0 {
                    paths.remove(&last).unwrap();
                }
                paths.seat("va", key, &rules, &[]).unwrap();
                paths.watch(&key, &rules, HOUR).unwrap();
                Sender::on("vb").send(&quick(4).frame());
                assert_eq!(reports(&mut paths, 1, PATIENCE)[0].kind, ReportKind::Changed);
                namespace.ip("link del va\n").unwrap();
                assert_eq!(paths.heard(&key).unwrap().adverts, 1, "what was heard outlives the interface");
                make_pair(namespace);
                last = key;
            }
        });
    }
}

#[test]
fn without_privileges_it_is_the_socket_and_the_reason_names_them() {
    on_a_pair("powerless", |_| {
        capability::keep_only(&[capability::NET_RAW, capability::NET_ADMIN]);
        let error = Paths::new(Choice::Xdp, None).err().unwrap();
        assert!(matches!(error, KernelError::Privileges(_)), "{error}");
        assert!(error.to_string().contains("CAP_BPF"), "{error}");
        let mut paths = Paths::new(Choice::Auto, None).unwrap();
        let index = if_nametoindex("va").unwrap();
        let attachment = paths.seat("va", key(index, 4, 51), &rules(3, 4), &[]).unwrap();
        assert_eq!(attachment.kind, Kind::Socket);
        assert!(attachment.reason.contains("CAP_BPF"), "{}", attachment.reason);

        capability::keep_only(&[]);
        let error = Paths::new(Choice::Auto, None)
            .unwrap()
            .seat("va", key(index, 4, 51), &rules(3, 4), &[])
            .err()
            .unwrap();
        assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
    });
}
