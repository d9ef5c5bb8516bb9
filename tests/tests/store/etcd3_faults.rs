//! etcd v3 that goes, comes back, and comes back as another.

use vipward::render::store::Backend;
use vipward_tests::servers::{Daemon, Etcd, Setting, free_port};

use crate::support::{Following, log, options};

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
        etcd.aside(|etcd| {
            etcd.delete("/k/gone")?;
            etcd.put("/k/after", value.as_bytes())?;
            Ok(())
        })
        .unwrap();
        etcd.restart().unwrap();
        following.has("/k/after", &value);
        following.lacks("/k/gone");
        following.connected();
    }
}

#[test]
fn what_is_compacted_while_we_are_away_is_read_again() {
    // With the newest key that we knew still there, events are asked for that are gone; without it, all is read.
    for kept in [true, false] {
        let mut etcd = Etcd::start().unwrap();
        etcd.put("/k/old", b"0").unwrap();
        etcd.put("/k/witness", b"0").unwrap();
        let following = follow(&etcd);
        following.has("/k/witness", "0");
        etcd.daemon().kill();
        following.lost();
        etcd.aside(|etcd| {
            for i in 0..20 {
                etcd.put(&format!("/k/{i}"), b"x")?;
            }
            etcd.delete(if kept { "/k/old" } else { "/k/witness" })?;
            let revision = etcd.put("/k/19", b"y")?;
            etcd.compact(revision)
        })
        .unwrap();
        etcd.restart().unwrap();
        following.has("/k/19", "y");
        following.has("/k/0", "x");
        following.lacks(if kept { "/k/old" } else { "/k/witness" });
        etcd.put("/k/last", b"1").unwrap();
        following.has("/k/last", "1");
    }
}

#[test]
fn a_store_that_is_still_the_same_only_tells_what_is_new() {
    let mut etcd = Etcd::start().unwrap();
    etcd.put("/k/x", b"0").unwrap();
    let following = follow(&etcd);
    following.has("/k/x", "0");
    etcd.daemon().kill();
    following.lost();
    etcd.aside(|etcd| etcd.put("/k/y", b"1").map(|_| ())).unwrap();
    etcd.restart().unwrap();
    following.has("/k/y", "1");
    let lines = log().of(&etcd.url());
    assert!(lines.iter().any(|line| line.contains("resuming")), "{lines:?}");
}

#[test]
fn a_pause_is_no_reason_to_lose_anything() {
    let mut etcd = Etcd::start().unwrap();
    etcd.put("/k/x", b"0").unwrap();
    let following = follow(&etcd);
    following.has("/k/x", "0");
    for round in ["1", "2"] {
        etcd.daemon().pause().unwrap();
        following.lost();
        etcd.daemon().resume().unwrap();
        etcd.put("/k/x", round.as_bytes()).unwrap();
        following.has("/k/x", round);
        following.connected();
    }
}

#[test]
fn a_store_that_is_exchanged_behind_a_proxy_is_noticed_without_an_event() {
    let mut etcd = Etcd::start().unwrap();
    for i in 0..10 {
        etcd.put(&format!("/k/{i}"), b"old").unwrap();
    }
    let mut proxy = Daemon::new("etcd").unwrap();
    let port = free_port().unwrap();
    proxy.set_arguments(vec![
        "grpc-proxy".to_owned(),
        "start".to_owned(),
        format!("--endpoints={}", etcd.url()),
        format!("--listen-addr=127.0.0.1:{port}"),
        format!("--data-dir={}", proxy.folder().display()),
    ]);
    proxy.start(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).unwrap();
    let following = Following::start(options(Backend::EtcdV3, &[format!("127.0.0.1:{port}")]), &["/k"]);
    following.has("/k/9", "old");
    etcd.wipe().unwrap();
    etcd.restart().unwrap();
    etcd.put("/k/new", b"1").unwrap();
    following.has("/k/new", "1");
    following.lacks("/k/9");
}

#[test]
fn an_outage_is_logged_once_however_long_it_is() {
    let mut etcd = Etcd::start().unwrap();
    let following = follow(&etcd);
    following.connected();
    let url = etcd.url();
    let lines = || log().of(&url);
    let loud =
        |lines: &[String]| lines.iter().filter(|line| line.contains("WARN") || line.contains("INFO")).count();
    etcd.daemon().kill();
    following.lost();
    let tries =
        |lines: &[String]| lines.iter().filter(|line| line.contains("still cannot be followed")).count();
    following.until("ten tries", |_| tries(&lines()) >= 10);
    assert_eq!(loud(&lines()), 1, "{:?}", lines());
    etcd.restart().unwrap();
    following.connected();
    following.until("the recovery to be logged", |_| {
        lines().iter().any(|line| line.contains("the store is back"))
    });
    assert_eq!(loud(&lines()), 2, "{:?}", lines());
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
        etcd.aside(|etcd| (0..writes).try_for_each(|i| etcd.put(&format!("/k/new-{i}"), b"new").map(|_| ())))
            .unwrap();
        etcd.restart().unwrap();
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
    // Once with the revisions of the past, once with those of another present.
    for writes in [0, 10] {
        etcd.restore(&snapshot).unwrap();
        following.lost();
        etcd.aside(|etcd| (0..writes).try_for_each(|i| etcd.put(&format!("/other/{i}"), b"x").map(|_| ())))
            .unwrap();
        etcd.restart().unwrap();
        following.has("/k/kept", "1");
        following.has("/k/back", "1");
        following.lacks("/k/lost");
        etcd.delete("/k/back").unwrap();
        etcd.put("/k/lost", b"3").unwrap();
        following.has("/k/lost", "3");
    }
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
