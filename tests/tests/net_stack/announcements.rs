//! Gratuitous ARP and neighbour advertisements, and what they do to a neighbour.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};

use vipward::net::{Addresses, Announcement, Announcer, Interface, NetError, Owner, Vip, garp, na};

use crate::fixture::{PATIENCE, Pair, until};

fn is_garp(frame: &[u8]) -> bool {
    frame[12..14] == [0x08, 0x06] && frame[28..32] == frame[38..42]
}

fn is_na(frame: &[u8]) -> bool {
    frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 136
}

fn neighbour_learns(vip: &str, lladdr: [u8; 6], pair: &Pair) {
    let mac = lladdr.map(|byte| format!("{byte:02x}")).join(":");
    until("the neighbour to learn the new place", || {
        pair.far.ip(&format!("neigh show {vip} dev far0")).contains(&mac).then_some(())
    });
}

#[test]
fn a_neighbour_learns_the_new_place_of_an_ipv4_address() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    let mut capture = pair.capture();
    pair.far.ip("neigh replace 10.9.0.50 lladdr 02:00:00:00:00:99 dev far0 nud stale");
    pair.near.inside(|| {
        let mut announcer = Announcer::new();
        announcer.queue(Announcement::on(&near, IpAddr::from([10, 9, 0, 50])).unwrap(), 5);
        let mut failures = Vec::new();
        let sent: Vec<usize> = (0..6).map(|_| announcer.send_slice(10, &mut failures)).collect();
        assert_eq!(sent, [1, 1, 1, 1, 1, 0], "{failures:?}");
    });
    let mut expected = Vec::new();
    garp::write(&mut expected, near.mac.unwrap(), [10, 9, 0, 50].into());
    assert_eq!(capture.frames(5, is_garp), vec![expected; 5]);
    neighbour_learns("10.9.0.50", near.mac.unwrap(), &pair);
}

#[test]
fn a_neighbour_learns_the_new_place_of_an_ipv6_address() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    let vip: Ipv6Addr = "fd09::50".parse().unwrap();
    let mut capture = pair.capture();
    pair.far.ip("neigh replace fd09::50 lladdr 02:00:00:00:00:99 dev far0 nud stale");
    pair.near.inside(|| {
        let mut announcer = Announcer::new();
        announcer.queue(Announcement::on(&near, vip.into()).unwrap(), 1);
        assert_eq!(announcer.send_slice(10, &mut Vec::new()), 1);
        assert_eq!(announcer.pending(), 0);
    });
    let mut expected = Vec::new();
    na::write(&mut expected, near.mac.unwrap(), vip, false);
    let is_ours = |frame: &[u8]| is_na(frame) && frame[22..38] == vip.octets();
    assert_eq!(capture.frames(1, is_ours), [expected]);
    neighbour_learns("fd09::50", near.mac.unwrap(), &pair);
}

#[test]
fn a_client_reaches_a_new_address_at_once() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    let vips: Vec<Vip> = ["10.9.0.50", "fd09::50"]
        .map(|address| address.parse().unwrap())
        .map(|address: IpAddr| Vip::new(near.ifindex, address, if address.is_ipv4() { 32 } else { 128 }))
        .to_vec();
    let servers = pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        let mut announcer = Announcer::new();
        addresses.hold(Owner(1), &vips);
        for outcome in addresses.apply_slice(10) {
            outcome.result.unwrap();
            announcer.queue(Announcement::on(&near, outcome.vip.address).unwrap(), 1);
        }
        assert_eq!(announcer.send_slice(10, &mut Vec::new()), 2);
        // Binding fails while an IPv6 address is being probed for duplicates.
        vips.iter().map(|vip| TcpListener::bind((vip.address, 0)).unwrap()).collect::<Vec<_>>()
    });
    for server in servers {
        let address = server.local_addr().unwrap();
        pair.far.inside(|| TcpStream::connect_timeout(&address, PATIENCE)).unwrap();
    }
}

#[test]
fn every_one_of_two_hundred_before_any_repeat() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    let mut capture = pair.capture();
    pair.near.inside(|| {
        let mut announcer = Announcer::new();
        for number in 0..200 {
            announcer.queue(Announcement::on(&near, IpAddr::from([10, 9, 1, number])).unwrap(), 2);
        }
        let mut failures = Vec::new();
        while announcer.pending() > 0 {
            assert!(announcer.send_slice(32, &mut failures) > 0, "{failures:?}");
        }
    });
    let order: Vec<u8> = capture.frames(400, is_garp).iter().map(|frame| frame[31]).collect();
    assert_eq!(order, [(0..200).collect::<Vec<u8>>(), (0..200).collect()].concat());
}

#[test]
fn failures_name_the_interface_and_do_not_repeat_for_ever() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    pair.near.ip("link set near0 down");
    pair.near.inside(|| {
        let mut announcer = Announcer::new();
        let vip = IpAddr::from([10, 9, 0, 50]);
        announcer.queue(Announcement::on(&near, vip).unwrap(), 1);
        announcer.queue(Announcement { ifindex: 4444, ..Announcement::on(&near, vip).unwrap() }, 1);
        let mut failures = Vec::new();
        assert_eq!(announcer.send_slice(10, &mut failures), 0);
        let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
        assert!(messages[0].contains("gratuitous ARP for 10.9.0.50") && messages[0].contains("is down"));
        assert!(messages[1].contains("interface 4444") && failures[1].interface_missing(), "{messages:?}");
        assert_eq!(announcer.pending(), 0);
    });
}

fn all_it_takes(announcer: &mut Announcer, failures: &mut Vec<NetError>) -> usize {
    std::iter::repeat_with(|| announcer.send_slice(64, failures)).take_while(|sent| *sent > 0).sum()
}

/// The first is the socket's limit on what is on its way, the second the queueing discipline's.
#[test]
fn a_full_transmit_queue_loses_no_announcement() {
    for limit in ["latency 1000s", "limit 2000"] {
        let pair = Pair::new();
        let near = pair.near.interface("near0");
        // Another interface, whose queue has room.
        pair.near.ip("link add free0 type veth peer name free1");
        pair.near.ip("link set free0 up");
        pair.near.ip("link set free1 up");
        let free = pair.near.interface("free0");
        let mut capture = pair.capture();
        pair.near.command(&format!("tc qdisc add dev near0 root tbf rate 8kbit burst 1600 {limit}"));
        pair.near.inside(|| {
            let mut announcer = Announcer::new();
            let address = |number| IpAddr::from([10, 9, 1, number]);
            for number in 0..=255 {
                announcer.queue(Announcement::on(&near, address(number)).unwrap(), 20);
            }
            let mut failures = Vec::new();
            let mut sent = all_it_takes(&mut announcer, &mut failures);
            assert!(failures.is_empty(), "{}", failures[0]);
            assert_eq!(announcer.pending(), 256, "{sent} were sent, the rest waits");
            announcer.queue(Announcement::on(&free, address(7)).unwrap(), 2);
            let other = all_it_takes(&mut announcer, &mut failures);
            assert_eq!((other, announcer.pending()), (2, 256), "neither it nor its repeat is held up");
            sent += other;

            pair.near.command("tc qdisc del dev near0 root");
            until("the rest to go out", || {
                sent += all_it_takes(&mut announcer, &mut failures);
                (announcer.pending() == 0).then_some(())
            });
            assert!(failures.is_empty(), "{}", failures[0]);
            assert_eq!(sent, 256 * 20 + 2);
        });
        let missing = RefCell::new((0..=255).collect::<BTreeSet<u8>>());
        capture.frames(1, |frame| {
            is_garp(frame) && missing.borrow_mut().remove(&frame[31]) && missing.borrow().is_empty()
        });
    }
}

#[test]
fn the_router_flag_follows_forwarding_on_the_interface() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    pair.near.ip("link add other0 type veth peer name other1");
    let other = pair.near.interface("other0");
    let flag = |interface: &Interface, address: &str| {
        pair.near.inside(|| Announcement::on(interface, address.parse().unwrap()).unwrap().router)
    };
    assert!(!flag(&near, "fd09::50"));
    pair.near.sysctl("net.ipv6.conf.near0.forwarding", "1");
    assert!(flag(&near, "fd09::50"));
    assert!(!flag(&other, "fd09::50"));
    assert!(!flag(&near, "10.9.0.50"), "there is none in IPv4");
    assert!(!flag(&Interface { name: "eth7".into(), ..near.clone() }, "fd09::50"), "gone in between");
}
