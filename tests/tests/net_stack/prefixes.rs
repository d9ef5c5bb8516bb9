//! Addresses whose prefix length is not, or no longer, the one that is wanted.

use vipward::net::netlink::Netlink;
use vipward::net::{Addresses, Change, LinkEvent, Links, Monitor, Vip};

use crate::addresses::{OWNER, settle, vip};
use crate::fixture::{Pair, await_event};

/// The prefix lengths with which an interface has an address.
fn prefixes(addresses: &mut Addresses, vip: &Vip) -> Vec<u8> {
    let held = addresses.list(Some(vip.ifindex)).unwrap();
    held.iter().filter(|held| held.address == vip.address).map(|held| held.prefix_len).collect()
}

#[test]
fn a_new_prefix_length_replaces_the_address() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    pair.near.inside(|| {
        let mut monitor = Monitor::open().unwrap();
        let mut addresses = Addresses::open().unwrap();
        for (address, lengths) in [("fd09::50", [64, 128]), ("10.9.0.50", [24, 32])] {
            let [before, after] = lengths.map(|length| vip(ifindex, address, length));
            addresses.hold(OWNER, std::slice::from_ref(&before));
            settle(&mut addresses);
            addresses.hold(OWNER, std::slice::from_ref(&after));
            while addresses.pending() > 0 {
                settle(&mut addresses);
            }
            assert!(addresses.is_present(&after));
            assert_eq!(prefixes(&mut addresses, &after), [after.prefix_len]);
            let events = await_event(&mut monitor, "the removal", |event| {
                matches!(event, LinkEvent::AddressRemoved(removed) if removed.address == before.address)
            });
            assert_eq!(events.iter().map(|event| addresses.observe(event)).sum::<usize>(), 0);
            assert_eq!(addresses.resync().unwrap(), 0);

            pair.near.ip(&format!("addr del {address}/{} dev near0", after.prefix_len));
            let events = await_event(&mut monitor, "the loss", |event| {
                matches!(event, LinkEvent::AddressRemoved(removed)
                    if removed.address == after.address && removed.prefix_len == after.prefix_len)
            });
            assert_eq!(events.iter().map(|event| addresses.observe(event)).sum::<usize>(), 1);
            assert_eq!(settle(&mut addresses), [Change::Restored]);
            addresses.release(OWNER);
            assert_eq!(settle(&mut addresses), [Change::Removed]);
        }
    });
}

#[test]
fn an_ipv6_address_with_another_prefix_length_is_replaced_or_removed() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    let vip = vip(ifindex, "fd09::50", 128);
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        pair.near.ip("addr add fd09::50/64 dev near0 nodad");
        addresses.hold(OWNER, std::slice::from_ref(&vip));
        assert_eq!(settle(&mut addresses), [], "not as it is wanted");
        assert_eq!(settle(&mut addresses), [Change::Removed]);
        assert_eq!(settle(&mut addresses), [Change::Added]);
        assert_eq!(prefixes(&mut addresses, &vip), [128]);

        pair.near.ip("addr del fd09::50/128 dev near0");
        pair.near.ip("addr add fd09::50/64 dev near0 nodad");
        assert_eq!(addresses.resync().unwrap(), 1);
        addresses.release(OWNER);
        addresses.expel(OWNER, std::slice::from_ref(&vip));
        assert_eq!(settle(&mut addresses), [], "not there as such");
        assert_eq!(settle(&mut addresses), [Change::Removed]);
        assert!(prefixes(&mut addresses, &vip).is_empty());
        assert_eq!(addresses.pending(), 0);
    });
}

#[test]
fn of_two_prefix_lengths_of_one_ipv6_address_the_first_counts() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    let vips = [vip(ifindex, "fd09::50", 64), vip(ifindex, "fd09::50", 128)];
    pair.near.inside(|| {
        let mut addresses = Addresses::open().unwrap();
        addresses.hold(OWNER, &vips);
        assert_eq!(settle(&mut addresses), [Change::Added]);
        addresses.hold(OWNER, &vips);
        assert_eq!(addresses.pending(), 0, "held already");
        assert_eq!(prefixes(&mut addresses, &vips[0]), [64]);
    });
}

#[test]
fn leftovers_are_expelled_as_they_were_found() {
    let pair = Pair::new();
    let ifindex = pair.near.interface("near0").ifindex;
    let vips = [vip(ifindex, "10.9.0.50", 32), vip(ifindex, "fd09::50", 128)];
    pair.near.ip("addr add 10.9.0.50/24 dev near0 label near0:old");
    pair.near.ip("addr add 10.9.0.50/30 dev near0 scope link");
    pair.near.ip("addr add fd09::50/64 dev near0 nodad");
    pair.near.inside(|| {
        let links = Links::dump(&mut Netlink::open().unwrap()).unwrap();
        let stale: Vec<Vip> =
            vips.iter().flat_map(|vip| links.holders(vip.address)).map(Vip::found).collect();
        let mut addresses = Addresses::open().unwrap();
        addresses.expel(OWNER, &stale);
        assert_eq!(settle(&mut addresses), [Change::Removed; 3]);
        for vip in &vips {
            assert!(prefixes(&mut addresses, vip).is_empty());
        }
    });
}
