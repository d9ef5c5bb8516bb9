//! What sending and holding cost, measured: `cargo test --release -p vipward-tests --test net_stack -- --ignored --nocapture cost`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use vipward::net::{Addresses, AdvertSender, Announcement, Announcer, Frame, Owner, Vip};

use crate::fixture::Pair;

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap())
}

fn report(what: &str, count: u32, work: impl FnOnce()) {
    let (clock, before) = (Instant::now(), cpu());
    work();
    let (elapsed, spent) = (clock.elapsed(), cpu().saturating_sub(before));
    println!("{what}: {count} in {elapsed:?}, {:?} each, CPU {:?} each", elapsed / count, spent / count);
}

#[test]
#[ignore = "a measurement, not a check"]
fn cost() {
    let pair = Pair::new();
    let near = pair.near.interface("near0");
    pair.near.inside(|| {
        let group = IpAddr::from([224, 0, 0, 18]);
        let mut sender = AdvertSender::new();
        let mut failures = Vec::new();
        for batch in [1u32, 10, 100] {
            let message = [0x31, 7, 100, 1, 0, 100, 0xab, 0xcd, 10, 9, 0, 50];
            let frame = Frame::new(near.ifindex, [10, 9, 0, 1].into(), group, 255, &message).unwrap();
            report(&format!("IPv4 adverts, {batch} at once"), 100_000, || {
                for _ in 0..100_000 / batch {
                    for token in 0..u64::from(batch) {
                        sender.queue(token, &frame);
                    }
                    sender.flush(&mut failures);
                }
            });
        }
        let group: IpAddr = "ff02::12".parse().unwrap();
        let frame = Frame::new(near.ifindex, "fe80::1".parse().unwrap(), group, 255, &[0; 24]).unwrap();
        report("IPv6 adverts, 100 at once", 100_000, || {
            for token in 1..=100_000 {
                sender.queue(token, &frame);
                if token % 100 == 0 {
                    sender.flush(&mut failures);
                }
            }
        });
        assert!(failures.is_empty(), "{:?}", failures[0]);

        let vips = |v6: bool| -> Vec<Vip> {
            (1..=200u8)
                .map(|last| {
                    if v6 {
                        Vip::new(near.ifindex, [0xfd09, 0, 0, 0, 0, 0, 1, last.into()].into(), 128)
                    } else {
                        Vip::new(near.ifindex, [10, 9, 1, last].into(), 32)
                    }
                })
                .collect()
        };
        let mut addresses = Addresses::open().unwrap();
        for v6 in [false, true] {
            addresses.hold(Owner(1), &vips(v6));
            report("added addresses", 200, || drop(addresses.apply_slice(200)));
            let mut announcer = Announcer::new();
            for vip in vips(v6) {
                announcer.queue(Announcement::on(&near, vip.address, false).unwrap(), 1);
            }
            let mut failures = Vec::new();
            report("announced addresses", 200, || while announcer.send_slice(64, &mut failures) > 0 {});
            addresses.release(Owner(1));
            report("removed addresses", 200, || drop(addresses.apply_slice(200)));
        }
    });
}
