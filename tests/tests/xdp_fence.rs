//! The fence and the leases behind it: what is kept from a virtual address, when, and what outlives the agent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod xdp_support;

use std::net::IpAddr;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use vipward::kernel::{Datapath as _, KernelError, Kind, LeaseOrder, XdpPath, unfence};
use vipward_common::abi::{RouterKey, Rules};
use vipward_common::lease::{HELD, LEAVING, NONE};
use vipward_common::reason::Fenced;
use vipward_tests::frame::{Advert, LOOPBACK, key, rules};
use vipward_tests::lab::netns::Namespace;
use vipward_tests::lab::{guardian, wait};
use xdp_support::{DROP, PASS, ip, now};

const SECOND: u64 = 1_000_000_000;
/// How long the kernel may take for what it does in the background.
const PATIENCE: Duration = Duration::from_secs(5);
const VIP4: &str = "10.0.0.50";
const VIP6: &str = "fd00::50";

/// Runs `work` in a namespace of its own.
fn alone<T: Send>(name: &str, work: impl FnOnce(&Namespace) -> T + Send) -> T {
    let namespace = Namespace::new(&format!("{}fence-{name}", guardian::prefix())).unwrap();
    namespace
        .ip("link set lo up\nlink add va type veth peer name vb\naddr add 10.0.0.2/24 dev va\n\
             addr add fd00::2/64 dev va nodad\nlink set vb up\nlink set va up\n")
        .unwrap();
    namespace.enter(|| work(&namespace)).unwrap()
}

/// A run directory, of which nothing stays mounted.
struct RunDir(tempfile::TempDir);

impl RunDir {
    fn new() -> RunDir {
        RunDir(tempfile::tempdir().unwrap())
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = unfence(self.0.path());
    }
}

/// A router that is MASTER, its VIP fenced.
struct Bench {
    path: XdpPath,
    key: RouterKey,
    rules: Rules,
}

impl Bench {
    fn new(family: u8) -> Bench {
        Bench::on(XdpPath::load().unwrap(), LOOPBACK, family)
    }

    fn on(mut path: XdpPath, ifindex: u32, family: u8) -> Bench {
        let (key, rules) = (key(ifindex, family, 51), rules(3, family));
        path.add(key, &rules, &[]).unwrap();
        path.report(&key, &rules).unwrap();
        let vip = if family == 4 { VIP4 } else { VIP6 };
        path.fence(&key, &[(ifindex, ip(vip))]).unwrap();
        Bench { path, key, rules }
    }

    fn order(&mut self, order: LeaseOrder) -> bool {
        self.path.order_lease(&self.key, order)
    }

    /// A lease that lasts for a minute.
    fn hold(&mut self) {
        self.order(LeaseOrder::Open);
        assert!(self.order(LeaseOrder::Renew { sent_at: now(), length: 60 * SECOND }));
    }

    fn mode(&self) -> u8 {
        self.path.lease(&self.key).unwrap().mode
    }

    fn passes(&mut self, frame: &[u8]) -> bool {
        match self.path.run(frame, 1).unwrap().0 {
            PASS => true,
            DROP => false,
            other => panic!("verdict {other}"),
        }
    }

    fn fenced(&self) -> [u64; 4] {
        self.path.counters(&self.key).unwrap().fenced
    }

    /// An advert of this priority from 10.0.0.1 or its like.
    fn hear(&mut self, priority: u8) {
        let frame = Advert { priority, ..Advert::new(3, self.key.family) }.frame();
        assert!(!self.passes(&frame), "an advert is consumed");
    }
}

fn octets(address: &str) -> Vec<u8> {
    match ip(address) {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn ethernet(tag: Option<u16>, kind: u16) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1]);
    if let Some(tag) = tag {
        frame.extend([0x81, 0]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame
}

fn arp_tagged(tag: Option<u16>, operation: u8, sender: &str, target: &str) -> Vec<u8> {
    let mut frame = ethernet(tag, 0x0806);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1]);
    frame.extend(octets(sender));
    frame.extend([0; 6]);
    frame.extend(octets(target));
    frame
}

fn arp(operation: u8, sender: &str, target: &str) -> Vec<u8> {
    arp_tagged(None, operation, sender, target)
}

fn udp4(source: &str, destination: &str) -> Vec<u8> {
    let mut frame = ethernet(None, 0x0800);
    frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend(octets(source));
    frame.extend(octets(destination));
    frame.extend([0, 53, 0, 53, 0, 8, 0, 0]);
    frame
}

fn ipv6(next_header: u8, source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(None, 0x86dd);
    frame.extend([0x60, 0, 0, 0, 0, u8::try_from(payload.len()).unwrap(), next_header, 255]);
    frame.extend(octets(source));
    frame.extend(octets(destination));
    frame.extend(payload);
    frame
}

fn neighbour(kind: u8, destination: &str, target: &str) -> Vec<u8> {
    ipv6(58, "fd00::9", destination, &[&[kind, 0, 0, 0, 0, 0, 0, 0], &octets(target)[..]].concat())
}

#[test]
fn without_a_lease_nothing_serves_the_address_and_everything_else_passes() {
    alone("v4", |_| {
        let mut bench = Bench::new(4);
        let kept = [
            arp(1, "10.0.0.9", VIP4),
            arp(1, "0.0.0.0", VIP4),
            arp(2, "10.0.0.9", VIP4),
            arp_tagged(Some(0), 1, "10.0.0.9", VIP4),
            udp4("10.0.0.9", VIP4),
        ];
        let free = [
            arp(1, VIP4, VIP4),
            arp(2, VIP4, VIP4),
            arp(2, VIP4, "10.0.0.2"),
            arp(1, VIP4, "10.0.0.2"),
            arp(1, "10.0.0.9", "10.0.0.2"),
            arp_tagged(Some(7), 1, "10.0.0.9", VIP4),
            udp4("10.0.0.9", "10.0.0.2"),
            udp4(VIP4, "10.0.0.2"),
        ];
        for frame in &kept {
            assert!(!bench.passes(frame), "{frame:02x?}");
        }
        assert_eq!(bench.fenced(), [4, 0, 1, 0]);
        for frame in &free {
            assert!(bench.passes(frame), "{frame:02x?}");
        }
        bench.hold();
        assert!(kept.iter().chain(&free).all(|frame| bench.passes(frame)));
        assert_eq!(bench.fenced()[Fenced::Arp as usize], 4);
        bench.order(LeaseOrder::End);
        assert!(kept.iter().all(|frame| !bench.passes(frame)));
    });
}

#[test]
fn without_a_lease_nothing_serves_an_ipv6_address() {
    alone("v6", |_| {
        let mut bench = Bench::new(6);
        let kept = [
            neighbour(135, "ff02::1:ff00:50", VIP6),
            neighbour(135, VIP6, VIP6),
            ipv6(17, "fd00::9", VIP6, &[0, 53, 0, 53, 0, 8, 0, 0]),
        ];
        let free = [
            neighbour(136, "ff02::1", VIP6),
            neighbour(136, "fd00::2", VIP6),
            neighbour(135, "ff02::1:ff00:50", "fd00::2"),
            neighbour(135, "fd00::2", "fd00::2"),
            ipv6(17, VIP6, "fd00::2", &[0, 53, 0, 53, 0, 8, 0, 0]),
        ];
        for frame in &kept {
            assert!(!bench.passes(frame), "{frame:02x?}");
        }
        assert_eq!(bench.fenced(), [0, 1, 2, 0]);
        for frame in &free {
            assert!(bench.passes(frame), "{frame:02x?}");
        }
        bench.hold();
        assert!(kept.iter().chain(&free).all(|frame| bench.passes(frame)));
    });
}

/// Nothing is said in the name of an address that may not be served, and everything else is.
#[test]
fn without_a_lease_nothing_leaves_from_the_address() {
    alone("egress", |_| {
        let cases = [
            (
                4,
                vec![
                    arp(1, VIP4, "10.0.0.9"),
                    arp(2, VIP4, "10.0.0.9"),
                    arp(1, VIP4, VIP4),
                    udp4(VIP4, "10.0.0.9"),
                ],
            ),
            (
                6,
                vec![
                    neighbour(136, "ff02::1", VIP6),
                    ipv6(17, VIP6, "fd00::9", &[0, 53, 0, 53, 0, 8, 0, 0]),
                    ipv6(58, VIP6, "ff02::1:ff00:9", &[135, 0, 0, 0, 0, 0, 0, 0]),
                ],
            ),
        ];
        let free =
            [arp(1, "10.0.0.2", VIP4), udp4("10.0.0.2", VIP4), neighbour(135, "ff02::1:ff00:50", VIP6)];
        for (family, kept) in cases {
            let mut bench = Bench::new(family);
            let stopped = |bench: &mut Bench, frame: &[u8]| bench.path.run_egress(frame).unwrap();
            assert!(kept.iter().all(|frame| stopped(&mut bench, frame)));
            assert_eq!(bench.fenced()[Fenced::Sent as usize], kept.len() as u64);
            assert!(!free.iter().any(|frame| stopped(&mut bench, frame)));
            bench.hold();
            assert!(!kept.iter().chain(&free).any(|frame| stopped(&mut bench, frame)));
        }
    });
}

/// A host that is also a router carries its clients' packets to the master.
#[test]
fn what_this_host_only_forwards_passes() {
    alone("forwarded", |namespace| {
        namespace.sysctl("net/ipv4/ip_forward", "1").unwrap();
        namespace.sysctl("net/ipv6/conf/all/forwarding", "1").unwrap();
        let frames = [udp4("10.9.0.9", VIP4), ipv6(17, "fd09::9", VIP6, &[0, 53, 0, 53, 0, 8, 0, 0])];
        for (family, (frame, vip)) in [4, 6].into_iter().zip(frames.into_iter().zip([VIP4, VIP6])) {
            let mut bench = Bench::new(family);
            assert!(bench.passes(&frame), "{vip} is on another host");
            namespace
                .ip(&format!("addr add {vip} dev va{}\n", if family == 6 { " nodad" } else { "" }))
                .unwrap();
            // A worker of the kernel's makes an IPv6 address known to the routes.
            wait::until("it to be on this host", PATIENCE, || !bench.passes(&frame)).unwrap();
        }
    });
}

#[test]
fn a_truncated_packet_is_nobodys() {
    alone("short", |_| {
        for (family, frame) in [
            (4, arp(1, "10.0.0.9", VIP4)),
            (4, udp4("10.0.0.9", VIP4)),
            (6, neighbour(135, "ff02::1:ff00:50", VIP6)),
        ] {
            let mut bench = Bench::new(family);
            assert!(!bench.passes(&frame));
            // The kernel runs no program on less than an Ethernet header.
            for length in 14..frame.len() {
                bench.passes(&frame[..length]);
            }
        }
    });
}

#[test]
fn a_lease_ends_by_itself() {
    alone("lapse", |_| {
        let mut bench = Bench::new(4);
        bench.order(LeaseOrder::Open);
        assert!(!bench.passes(&arp(1, "10.0.0.9", VIP4)), "open, and no advert was sent");
        let sent_at = now();
        assert!(bench.order(LeaseOrder::Renew { sent_at, length: 30_000_000 }));
        let before_the_end = |at: u64| at < sent_at + 30_000_000;
        let passed = bench.passes(&arp(1, "10.0.0.9", VIP4));
        assert!(passed || !before_the_end(now()), "a lease that has not run out serves");
        while before_the_end(now()) {
            std::hint::spin_loop();
        }
        assert!(!bench.passes(&arp(1, "10.0.0.9", VIP4)));
        assert_eq!(bench.mode(), HELD, "the next advert renews it");
    });
}

#[test]
fn the_kernel_ends_the_lease_of_a_master_that_is_beaten() {
    alone("beaten", |_| {
        let mut bench = Bench::new(4);
        let own = bench.rules.priority;
        bench.hold();
        for priority in [0, 1, own - 1] {
            bench.hear(priority);
            assert_eq!(bench.mode(), HELD, "{priority} beats nobody");
        }
        bench.hear(own + 1);
        assert_eq!(bench.mode(), NONE);
        assert!(!bench.passes(&udp4("10.0.0.9", VIP4)));
        assert!(!bench.order(LeaseOrder::Renew { sent_at: now(), length: SECOND }), "it does not come back");
        bench.hold();
        assert!(bench.passes(&udp4("10.0.0.9", VIP4)), "until another election is won");
    });
}

#[test]
fn the_kernel_ends_the_lease_of_one_that_leaves_with_its_successor() {
    alone("leaving", |_| {
        let mut bench = Bench::new(4);
        bench.hold();
        bench.order(LeaseOrder::Leave { now: now(), until: now() + 60 * SECOND });
        bench.hear(0);
        assert_eq!(bench.mode(), LEAVING);
        assert!(bench.passes(&udp4("10.0.0.9", VIP4)), "serves on");
        bench.hear(1);
        assert_eq!(bench.mode(), NONE);
        assert!(!bench.passes(&udp4("10.0.0.9", VIP4)));
    });
}

#[test]
fn addresses_with_one_end_are_fenced_until_the_last_of_them_goes() {
    alone("ends", |_| {
        let mut bench = Bench::new(4);
        let alike = "10.1.0.50";
        bench.path.fence(&bench.key, &[(LOOPBACK, ip(VIP4)), (LOOPBACK, ip(alike))]).unwrap();
        assert!(!bench.passes(&udp4("10.0.0.9", VIP4)) && !bench.passes(&udp4("10.0.0.9", alike)));
        bench.path.fence(&bench.key, &[(LOOPBACK, ip(alike))]).unwrap();
        assert!(bench.passes(&udp4("10.0.0.9", VIP4)));
        assert!(!bench.passes(&udp4("10.0.0.9", alike)), "it is fenced still");
        bench.path.fence(&bench.key, &[]).unwrap();
        assert!(bench.passes(&udp4("10.0.0.9", alike)));
        bench.path.fence(&bench.key, &[(LOOPBACK, ip(VIP4))]).unwrap();
        assert!(!bench.passes(&udp4("10.0.0.9", VIP4)), "fenced anew");
    });
}

#[test]
fn the_next_agents_program_fences_what_it_finds_from_its_first_packet_on() {
    let run_dir = RunDir::new();
    alone("found", |_| {
        let first = Bench::on(XdpPath::load_pinned(run_dir.0.path()).unwrap(), LOOPBACK, 4);
        drop(first);
        let mut second = XdpPath::load_pinned(run_dir.0.path()).unwrap();
        assert_eq!(second.run(&udp4("10.0.0.9", VIP4), 1).unwrap().0, DROP);
        second.sweep().unwrap();
        assert_eq!(second.run(&udp4("10.0.0.9", VIP4), 1).unwrap().0, PASS);
        second.unpin();
    });
}

#[test]
fn the_next_agent_finds_links_and_leases_and_sweeps_what_it_does_not_want() {
    let run_dir = RunDir::new();
    alone("adopt", |_| {
        let va = if_nametoindex("va").unwrap();
        let mut first = Bench::on(XdpPath::load_pinned(run_dir.0.path()).unwrap(), va, 4);
        first.path.attach(va, "va", Kind::Xdp).unwrap();
        first.hold();
        let other = key(va, 4, 52);
        first.path.add(other, &first.rules, &[]).unwrap();
        first.path.fence(&other, &[(va, ip("10.0.0.52"))]).unwrap();
        let (kept, lease) = (first.key, first.path.lease(&first.key).unwrap());
        drop(first);

        let mut second = XdpPath::load_pinned(run_dir.0.path()).unwrap();
        let rules = rules(3, 4);
        second.attach(va, "va", Kind::Xdp).unwrap();
        second.add(kept, &rules, &[]).unwrap();
        assert_eq!(second.lease(&kept), Some(lease), "found as it was");
        second.fence(&kept, &[(va, ip(VIP4))]).unwrap();
        second.sweep().unwrap();
        second.add(other, &rules, &[]).unwrap();
        assert_eq!(second.lease(&other).unwrap().mode, NONE);
        second.unpin();
        assert!(!run_dir.0.path().join("bpf").exists());
    });
}

#[test]
fn pins_of_another_version_are_refused_with_the_remedy() {
    let run_dir = RunDir::new();
    alone("version", |_| {
        let path = XdpPath::load_pinned(run_dir.0.path()).unwrap();
        std::fs::rename(run_dir.0.path().join("bpf/VIPS-v1"), run_dir.0.path().join("bpf/VIPS-v0")).unwrap();
        drop(path);
        let error = XdpPath::load_pinned(run_dir.0.path()).err().unwrap();
        assert!(matches!(error, KernelError::Pins(_)));
        assert!(error.to_string().contains("vipward unfence"), "{error}");
        assert_eq!(unfence(run_dir.0.path()).unwrap().pins, ["LEASES-v1", "VIPS-v0"]);
        assert!(!run_dir.0.path().join("bpf").exists());
    });
}
