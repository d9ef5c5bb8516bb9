//! The table of interfaces, and its changes.

use std::net::IpAddr;

use socket2::SockRef;
use vipward::net::netlink::Netlink;
use vipward::net::{Addresses, LinkEvent, Links, Monitor, Owner, Vip};

use crate::fixture::{Namespace, Pair, await_event};

#[test]
fn the_table_names_what_there_is() {
    let pair = Pair::new();
    pair.near.ip("addr add 10.9.0.9/24 dev near0");
    pair.near.ip("link set lo up");
    pair.near.inside(|| {
        let links = Links::dump(&mut Netlink::open().unwrap()).unwrap();
        let near = links.by_name("near0").unwrap();
        assert!(near.up && near.running && near.arp, "{near:?}");
        assert_eq!(links.by_index(near.ifindex), Some(near));
        assert!(links.by_name("eth7").is_none());
        assert!(!links.by_name("lo").unwrap().arp);
        assert_eq!(links.source_v4(near.ifindex, |_| false), "10.9.0.1".parse().ok());
        let mac = near.mac.unwrap();
        let link_local = links.source_v6(near.ifindex, |_| false).unwrap().octets();
        assert_eq!(link_local[8..11], [mac[0] ^ 2, mac[1], mac[2]], "made of the MAC (EUI-64)");
        assert_eq!(links.holders([10, 9, 0, 9].into()).count(), 1);
    });
}

#[test]
fn virtual_addresses_are_not_sources() {
    let namespace = Namespace::new();
    namespace.ip("link add near0 type veth peer name far0");
    // The virtual one is first, so the kernel calls the real one secondary.
    namespace.ip("addr add 10.9.0.50/24 dev near0");
    namespace.ip("addr add 10.9.0.1/24 dev near0");
    namespace.inside(|| {
        let links = Links::dump(&mut Netlink::open().unwrap()).unwrap();
        let near = links.by_name("near0").unwrap().ifindex;
        let is_virtual = |address| address == IpAddr::from([10, 9, 0, 50]);
        assert_eq!(links.source_v4(near, is_virtual), "10.9.0.1".parse().ok());
    });
}

#[test]
fn changes_arrive_and_end_in_the_table_that_a_dump_shows() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    pair.near.inside(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut monitor = Monitor::open().unwrap();
        let mut links = Links::dump(&mut netlink).unwrap();
        let mut follow = |links: &mut Links, what: &str, wanted: &dyn Fn(&LinkEvent) -> bool| {
            for event in await_event(&mut monitor, what, wanted) {
                links.apply(&event);
            }
        };
        pair.far.ip("link set far0 down");
        follow(&mut links, "the carrier to go", &|event| {
            matches!(event, LinkEvent::Link(link) if link.name == "near0" && link.up && !link.running)
        });
        pair.far.ip("link set far0 up");
        follow(&mut links, "the carrier to come", &|event| {
            matches!(event, LinkEvent::Link(link) if link.name == "near0" && link.usable())
        });
        pair.near.ip("addr add 10.9.0.77/24 dev near0");
        follow(&mut links, "the address", &|event| {
            matches!(event, LinkEvent::AddressAdded(added) if added.address == IpAddr::from([10, 9, 0, 77]))
        });
        pair.near.ip("addr del 10.9.0.1/24 dev near0");
        follow(&mut links, "its removal", &|event| {
            matches!(event, LinkEvent::AddressRemoved(removed) if removed.address == IpAddr::from([10, 9, 0, 1]))
        });
        pair.near.ip("link set near0 down");
        follow(&mut links, "the switch", &|event| matches!(event, LinkEvent::Link(link) if link.name == "near0" && !link.up));
        pair.near.ip("link set near0 name other0");
        follow(&mut links, "the new name", &|event| matches!(event, LinkEvent::Link(link) if link.name == "other0"));
        assert_eq!(links, Links::dump(&mut netlink).unwrap());
        pair.near.ip("link del other0");
        follow(&mut links, "the end", &|event| {
            *event == LinkEvent::Gone { ifindex: near.ifindex, name: "other0".into() }
        });
        assert!(links.by_index(near.ifindex).is_none());
    });
}

#[test]
fn leaving_a_bridge_is_not_disappearing() {
    let namespace = Namespace::new();
    namespace.ip("link add near0 type veth peer name far0");
    namespace.ip("link add bridge0 type bridge");
    namespace.inside(|| {
        let mut monitor = Monitor::open().unwrap();
        namespace.ip("link set near0 master bridge0");
        namespace.ip("link set near0 nomaster");
        namespace.ip("link add last0 type bridge");
        let events = await_event(
            &mut monitor,
            "the mark behind it",
            |event| matches!(event, LinkEvent::Link(link) if link.name == "last0"),
        );
        assert!(!events.iter().any(|event| matches!(event, LinkEvent::Gone { .. })), "{events:?}");
    });
}

#[test]
fn after_an_overrun_nothing_older_than_the_new_table_is_told() {
    let namespace = Namespace::new();
    namespace.ip("link add near0 type veth peer name far0");
    let near = namespace.interface("near0").ifindex;
    namespace.inside(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut monitor = Monitor::open().unwrap();
        SockRef::from(&monitor.fd()).set_recv_buffer_size(16 * 1024).unwrap();
        let mut links = Links::dump(&mut netlink).unwrap();
        let mut addresses = Addresses::open().unwrap();
        let vips: Vec<Vip> = (1..=200).map(|last| Vip::new(near, [10, 9, 0, last].into(), 32)).collect();
        addresses.hold(Owner(1), &vips);
        addresses.apply_slice(usize::MAX);
        addresses.release(Owner(1));
        addresses.apply_slice(usize::MAX);

        // The first additions are queued; the rest, and the removals, are lost.
        let mut overruns = 0;
        for _ in 0..2 {
            let mut events = Vec::new();
            monitor.drain(&mut events);
            for event in events {
                if event == LinkEvent::Overrun {
                    overruns += 1;
                    links = Links::dump(&mut netlink).unwrap();
                }
                links.apply(&event);
            }
        }
        assert_eq!(overruns, 1);
        assert_eq!(links, Links::dump(&mut netlink).unwrap());

        namespace.ip("addr add 10.9.0.77/32 dev near0");
        let events = await_event(&mut monitor, "what happens later", |event| {
            matches!(event, LinkEvent::AddressAdded(added) if added.address == IpAddr::from([10, 9, 0, 77]))
        });
        assert!(!events.contains(&LinkEvent::Overrun), "{events:?}");
    });
}
