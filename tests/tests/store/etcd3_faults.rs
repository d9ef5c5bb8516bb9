//! etcd v3 that goes, comes back, and comes back as another.

use vipward::render::store::Backend;
use vipward_tests::servers::{Etcd, Setting};

use crate::support::{Following, options};

fn follow(etcd: &Etcd) -> Following {
    Following::start(options(Backend::EtcdV3, &[etcd.url()]), &["/k"])
}

#[test]
fn a_store_that_comes_later_is_read_then() {
    let mut etcd = Etcd::prepare(Setting::default(), "late").unwrap();
    let following = follow(&etcd);
    let why = following.why();
    assert!(why.contains(&etcd.url()) && why.contains("cannot be reached"), "{why}");
    etcd.restart().unwrap();
    following.connected();
    etcd.put("/k/x", b"1").unwrap();
    following.has("/k/x", "1");
}

#[test]
fn nothing_written_around_a_kill_is_lost() {
    let mut etcd = Etcd::start().unwrap();
    let following = follow(&etcd);
    following.connected();
    for round in 0..3 {
        let value = round.to_string();
        etcd.put("/k/before", value.as_bytes()).unwrap();
        etcd.put("/k/gone", value.as_bytes()).unwrap();
        following.has("/k/gone", &value);
        etcd.daemon().kill();
        following.lost();
        assert_eq!(following.live.keys().get("/k/gone"), Some(value.as_str()), "the last known keys stay");
        etcd.restart().unwrap();
        etcd.delete("/k/gone").unwrap();
        etcd.put("/k/after", value.as_bytes()).unwrap();
        following.has("/k/after", &value);
        following.lacks("/k/gone");
        following.connected();
    }
}

#[test]
fn what_is_compacted_while_we_are_away_is_read_again() {
    let mut etcd = Etcd::start().unwrap();
    etcd.put("/k/witness", b"0").unwrap();
    let following = follow(&etcd);
    following.has("/k/witness", "0");
    // A pause looks to us like a dead peer, and the store goes on with its history when it ends.
    etcd.daemon().pause().unwrap();
    following.lost();
    etcd.daemon().resume().unwrap();
    following.connected();
    etcd.daemon().kill();
    following.lost();
    etcd.restart().unwrap();
    let mut revision = 0;
    for i in 0..20 {
        revision = etcd.put(&format!("/k/{i}"), b"x").unwrap();
    }
    etcd.delete("/k/witness").unwrap();
    etcd.compact(revision).unwrap();
    following.has("/k/19", "x");
    following.lacks("/k/witness");
    etcd.put("/k/last", b"1").unwrap();
    following.has("/k/last", "1");
}

#[test]
fn a_wiped_store_is_read_anew_whether_its_revision_is_lower_or_not() {
    for writes in [1, 30] {
        let mut etcd = Etcd::start().unwrap();
        for i in 0..10 {
            etcd.put(&format!("/k/{i}"), b"old").unwrap();
        }
        let following = follow(&etcd);
        following.has("/k/9", "old");
        etcd.wipe().unwrap();
        following.lost();
        etcd.restart().unwrap();
        for i in 0..writes {
            etcd.put(&format!("/k/new-{i}"), b"new").unwrap();
        }
        following.has(&format!("/k/new-{}", writes - 1), "new");
        following.has("/k/new-0", "new");
        following.lacks("/k/9");
        etcd.put("/k/later", b"1").unwrap();
        following.has("/k/later", "1");
    }
}

#[test]
fn a_restored_store_is_read_anew() {
    let mut etcd = Etcd::start().unwrap();
    etcd.put("/k/kept", b"1").unwrap();
    etcd.put("/k/back", b"1").unwrap();
    let snapshot = etcd.save().unwrap();
    let following = follow(&etcd);
    following.has("/k/kept", "1");
    etcd.put("/k/kept", b"2").unwrap();
    etcd.put("/k/lost", b"2").unwrap();
    etcd.delete("/k/back").unwrap();
    following.lacks("/k/back");
    following.has("/k/lost", "2");
    etcd.restore(&snapshot).unwrap();
    following.lost();
    etcd.restart().unwrap();
    following.has("/k/kept", "1");
    following.has("/k/back", "1");
    following.lacks("/k/lost");
    etcd.put("/k/later", b"1").unwrap();
    following.has("/k/later", "1");
}

#[test]
fn a_store_that_hangs_is_noticed() {
    let mut etcd = Etcd::start().unwrap();
    etcd.put("/k/x", b"1").unwrap();
    let following = follow(&etcd);
    following.has("/k/x", "1");
    etcd.daemon().pause().unwrap();
    let why = following.why();
    assert!(why.contains(&etcd.url()), "{why}");
    assert_eq!(following.live.keys().get("/k/x"), Some("1"));
    etcd.daemon().resume().unwrap();
    etcd.put("/k/x", b"2").unwrap();
    following.has("/k/x", "2");
    following.connected();
}
