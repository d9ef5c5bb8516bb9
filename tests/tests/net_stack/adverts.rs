//! Adverts as the far end sees them.

use std::net::IpAddr;

use nix::errno::Errno;
use vipward::net::netlink::Netlink;
use vipward::net::{AdvertSender, Frame, Links};
use vipward_common::wire::{GROUP_V4, GROUP_V6};

use crate::fixture::Pair;

const MESSAGE: [u8; 12] = [0x31, 7, 100, 1, 0, 100, 0xab, 0xcd, 10, 9, 0, 50];

fn is_advert(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => frame[14 + 9] == 112,
        Some([0x86, 0xdd]) => frame[14 + 6] == 112,
        _ => false,
    }
}

/// The Internet checksum over a header that contains its own is 0.
fn internet_checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    !u16::try_from((sum >> 16) + (sum & 0xffff)).unwrap()
}

struct Near {
    ifindex: u32,
    mac: [u8; 6],
    v4: IpAddr,
    v6: IpAddr,
}

fn near() -> Near {
    let links = Links::dump(&mut Netlink::open().unwrap()).unwrap();
    let link = links.by_name("near0").unwrap();
    Near {
        ifindex: link.ifindex,
        mac: link.mac.unwrap(),
        v4: links.source_v4(link.ifindex, |_| false).unwrap().into(),
        v6: links.source_v6(link.ifindex, |_| false).unwrap().into(),
    }
}

fn send(frames: &[Frame]) {
    let mut sender = AdvertSender::new();
    for (token, frame) in (0..).zip(frames) {
        sender.queue(token, frame);
    }
    assert_eq!(sender.queued(), frames.len());
    let mut failures = Vec::new();
    assert_eq!(sender.flush(&mut failures), frames.len(), "{failures:?}");
    assert_eq!(sender.queued(), 0);
}

#[test]
fn multicast_over_ipv4() {
    let pair = Pair::new();
    let mut capture = pair.capture();
    let near = pair.near.inside(|| {
        let near = near();
        send(&[Frame::new(near.ifindex, near.v4, GROUP_V4.into(), 255, &MESSAGE).unwrap()]);
        near
    });
    let frame = capture.frames(1, is_advert).remove(0);
    assert_eq!(frame[..6], [0x01, 0x00, 0x5e, 0, 0, 0x12], "the group's Ethernet address");
    assert_eq!(frame[6..12], near.mac);
    let header = &frame[14..34];
    assert_eq!(header[..2], [0x45, 0xc0]);
    assert_eq!(header[6..10], [0, 0, 255, 112], "whole, TTL, protocol");
    assert_eq!(header[12..16], [10, 9, 0, 1], "the primary address");
    assert_eq!(header[16..20], GROUP_V4);
    assert_eq!(internet_checksum(header), 0);
    assert_eq!(frame[34..46], MESSAGE);
}

#[test]
fn multicast_over_ipv6() {
    let pair = Pair::new();
    let mut capture = pair.capture();
    let near = pair.near.inside(|| {
        let near = near();
        send(&[Frame::new(near.ifindex, near.v6, GROUP_V6.into(), 255, &MESSAGE).unwrap()]);
        near
    });
    let frame = capture.frames(1, is_advert).remove(0);
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x12]);
    assert_eq!(frame[6..12], near.mac);
    let header = &frame[14..54];
    assert_eq!(header[..8], [0x6c, 0, 0, 0, 0, 12, 112, 255]);
    let IpAddr::V6(source) = near.v6 else { panic!("not IPv6") };
    assert!(source.is_unicast_link_local());
    assert_eq!(header[8..24], source.octets());
    assert_eq!(header[24..40], GROUP_V6);
    assert_eq!(frame[54..], MESSAGE);
}

#[test]
fn unicast_with_a_lower_ttl() {
    let pair = Pair::new();
    let far = pair.far.interface("far0").mac.unwrap();
    let mut capture = pair.capture();
    pair.near.inside(|| {
        let near = near();
        let fd09_1: IpAddr = "fd09::1".parse().unwrap();
        let peers = [(near.v4, IpAddr::from([10, 9, 0, 2])), (fd09_1, "fd09::2".parse().unwrap())];
        send(&peers.map(|(from, to)| Frame::new(near.ifindex, from, to, 64, &MESSAGE).unwrap()));
    });
    let frames = capture.frames(2, is_advert);
    let v4 = frames.iter().find(|frame| frame[12] == 0x08).expect("IPv4");
    assert_eq!((&v4[..6], v4[14 + 8], &v4[26..34]), (&far[..], 64, &[10, 9, 0, 1, 10, 9, 0, 2][..]));
    let v6 = frames.iter().find(|frame| frame[12] == 0x86).expect("IPv6");
    assert_eq!((&v6[..6], v6[14 + 7], v6[14 + 39]), (&far[..], 64, 2));
}

#[test]
fn a_hundred_due_together_keep_their_order() {
    let pair = Pair::new();
    let mut capture = pair.capture();
    pair.near.inside(|| {
        let near = near();
        let frames: Vec<Frame> = (0..100)
            .map(|vrid| {
                let message = [0x31, vrid, 100, 1, 0, 100, 0xab, 0xcd, 10, 9, 0, vrid];
                Frame::new(near.ifindex, near.v4, GROUP_V4.into(), 255, &message).unwrap()
            })
            .collect();
        send(&frames);
    });
    let vrids: Vec<u8> = capture.frames(100, is_advert).iter().map(|frame| frame[35]).collect();
    assert_eq!(vrids, (0..100).collect::<Vec<u8>>());
}

#[test]
fn the_firewall_sees_adverts() {
    let pair = Pair::new();
    pair.near.command("nft add table inet t");
    pair.near.command("nft add chain inet t o { type filter hook output priority 0 ; }");
    pair.near.command("nft add rule inet t o meta l4proto 112 counter drop");
    pair.near.inside(|| {
        let near = near();
        let mut sender = AdvertSender::new();
        let mut failures = Vec::new();
        for (source, group) in [(near.v4, IpAddr::from(GROUP_V4)), (near.v6, IpAddr::from(GROUP_V6))] {
            sender.queue(0, &Frame::new(near.ifindex, source, group, 255, &MESSAGE).unwrap());
            assert_eq!(sender.flush(&mut failures), 0);
        }
        assert!(failures.iter().all(|(_, failure)| failure.to_string().contains("firewall")), "{failures:?}");
    });
    let rules = pair.near.command("nft list chain inet t o");
    assert!(rules.contains("packets 2"), "{rules}");
}

#[test]
fn one_that_cannot_go_does_not_hold_up_the_others() {
    let pair = Pair::new();
    let mut capture = pair.capture();
    pair.near.inside(|| {
        let near = near();
        let frame =
            |message: &[u8]| Frame::new(near.ifindex, near.v4, GROUP_V4.into(), 255, message).unwrap();
        let missing = Frame::new(4444, near.v4, GROUP_V4.into(), 255, &MESSAGE).unwrap();
        let mut sender = AdvertSender::new();
        let mut failures = Vec::new();
        for round in 0..2 {
            failures.clear();
            sender.queue(1, &frame(&MESSAGE));
            sender.queue(2, &frame(&[0; 1600]));
            sender.queue(3, &missing);
            sender.queue(4, &frame(&MESSAGE));
            assert_eq!(sender.flush(&mut failures), 2, "round {round}");
            failures.sort_by_key(|(token, _)| *token);
            let reasons: Vec<(u64, Errno)> =
                failures.iter().map(|(token, failure)| (*token, failure.errno())).collect();
            assert_eq!(reasons, [(2, Errno::EMSGSIZE), (3, Errno::ENODEV)]);
            assert!(failures[0].1.to_string().contains("MTU"), "{}", failures[0].1);
            assert!(failures[1].1.interface_missing());
        }
    });
    capture.frames(4, is_advert);
}

#[test]
fn an_interface_that_disappears_and_returns() {
    let pair = Pair::new();
    pair.near.inside(|| {
        let old = near();
        let frame = |near: &Near| Frame::new(near.ifindex, near.v4, GROUP_V4.into(), 255, &MESSAGE).unwrap();
        let mut sender = AdvertSender::new();
        let mut failures = Vec::new();
        sender.queue(0, &frame(&old));
        assert_eq!(sender.flush(&mut failures), 1);
        pair.near.ip("link del near0");
        sender.queue(0, &frame(&old));
        assert_eq!(sender.flush(&mut failures), 0);
        assert!(failures[0].1.interface_missing(), "{}", failures[0].1);
        sender.forget(old.ifindex);
        pair.connect();
        let mut capture = pair.capture();
        sender.queue(0, &frame(&near()));
        assert_eq!(sender.flush(&mut failures), 1);
        capture.frames(1, is_advert);
    });
}
