//! etcd v2.

use vipward::render::store::Backend;
use vipward_tests::servers::Etcd;

use crate::support::{Following, log, options, pairs, read_once};

fn follow(etcd: &Etcd, prefixes: &[&str]) -> Following {
    Following::start(options(Backend::EtcdV2, &[etcd.url()]), prefixes)
}

fn set(etcd: &Etcd, key: &str, value: &str) {
    etcd.v2("PUT", key, &format!("value={value}")).unwrap().good().unwrap();
}

#[test]
fn keys_and_directories_come_and_go() {
    let etcd = Etcd::start().unwrap();
    set(&etcd, "/a/x", "1");
    set(&etcd, "/a/d/y", "2");
    set(&etcd, "/a2", "3");
    let following = follow(&etcd, &["/a", "/missing"]);
    following.connected();
    let of = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&following.live.keys()), of(&[("/a/d/y", "2"), ("/a/x", "1")]));
    let once = read_once(options(Backend::EtcdV2, &[etcd.url()]), &["/a"]).unwrap();
    assert_eq!(pairs(&once), pairs(&following.live.keys()));
    set(&etcd, "/a/x", "new");
    following.has("/a/x", "new");
    set(&etcd, "/missing/z%20z", "4");
    following.has("/missing/z z", "4");
    etcd.v2("DELETE", "/a/x", "").unwrap().good().unwrap();
    following.lacks("/a/x");
    etcd.v2("DELETE", "/a?recursive=true", "").unwrap().good().unwrap();
    following.lacks("/a/d/y");
    set(&etcd, "/a/again", "5");
    following.has("/a/again", "5");
}

#[test]
fn what_lives_for_a_time_goes_after_it() {
    let etcd = Etcd::start().unwrap();
    let following = follow(&etcd, &["/a"]);
    following.connected();
    etcd.v2("PUT", "/a/short", "value=1&ttl=1").unwrap().good().unwrap();
    etcd.v2("PUT", "/a/dir", "dir=true&ttl=2").unwrap().good().unwrap();
    set(&etcd, "/a/dir/y", "2");
    following.has("/a/short", "1");
    following.has("/a/dir/y", "2");
    following.lacks("/a/short");
    following.lacks("/a/dir/y");
}

#[test]
fn no_event_of_a_burst_is_lost() {
    let etcd = Etcd::start().unwrap();
    let following = follow(&etcd, &["/k", "/j"]);
    following.connected();
    let mut connection = etcd.connection().unwrap();
    let header = "Content-Type: application/x-www-form-urlencoded\r\n";
    for number in 0..1_000 {
        let prefix = if number / 10 % 2 == 0 { "k" } else { "j" };
        let path = format!("/v2/keys/{prefix}/{}", number % 100);
        let form = format!("value={number}");
        connection.request("PUT", &path, header, form.as_bytes()).unwrap().good().unwrap();
    }
    for number in 900..1_000 {
        let prefix = if number / 10 % 2 == 0 { "k" } else { "j" };
        following.has(&format!("/{prefix}/{}", number % 100), &number.to_string());
    }
    let again = log().of(&etcd.url()).into_iter().filter(|line| line.contains("again")).collect::<Vec<_>>();
    assert!(again.is_empty(), "the events alone were enough: {again:?}");
}

#[test]
fn events_that_are_gone_are_made_good_by_reading() {
    let mut etcd = Etcd::start().unwrap();
    set(&etcd, "/k/x", "1");
    let following = follow(&etcd, &["/k"]);
    following.has("/k/x", "1");
    etcd.daemon().pause().unwrap();
    following.lost();
    etcd.daemon().resume().unwrap();
    let mut connection = etcd.connection().unwrap();
    let header = "Content-Type: application/x-www-form-urlencoded\r\n";
    // More than the thousand events that the server keeps.
    for number in 0..1_200 {
        let form = format!("value={number}");
        connection.request("PUT", "/v2/keys/other", header, form.as_bytes()).unwrap().good().unwrap();
    }
    set(&etcd, "/k/x", "2");
    following.has("/k/x", "2");
    following.connected();
}

#[test]
fn a_store_that_was_killed_or_wiped_is_followed_again() {
    let mut etcd = Etcd::start().unwrap();
    set(&etcd, "/k/x", "1");
    set(&etcd, "/k/y", "1");
    let following = follow(&etcd, &["/k"]);
    following.has("/k/x", "1");
    etcd.daemon().kill();
    following.lost();
    assert_eq!(following.live.keys().get("/k/x"), Some("1"));
    etcd.restart().unwrap();
    set(&etcd, "/k/x", "2");
    following.has("/k/x", "2");
    etcd.wipe().unwrap();
    etcd.restart().unwrap();
    set(&etcd, "/k/x", "3");
    following.has("/k/x", "3");
    following.lacks("/k/y");
}

#[test]
fn a_server_without_the_v2_api_is_named() {
    let setting =
        vipward_tests::servers::Setting { more: vec!["--enable-v2=false".to_owned()], ..Default::default() };
    let etcd = Etcd::with(setting).unwrap();
    let error = read_once(options(Backend::EtcdV2, &[etcd.url()]), &["/k"]).unwrap_err().to_string();
    assert!(error.contains(&etcd.url()) && error.contains("--enable-v2"), "{error}");
}
