//! `etcd`: whichever API has the keys.

use vipward::render::store::Backend;
use vipward_tests::servers::{Etcd, Setting};

use crate::support::{Following, options, read_once};

fn follow(etcd: &Etcd) -> Following {
    Following::start(options(Backend::Etcd, &[etcd.url()]), &["/k"])
}

#[test]
fn the_api_with_keys_is_followed() {
    let etcd = Etcd::start().unwrap();
    etcd.v2("PUT", "/k/x", "value=v2").unwrap().good().unwrap();
    let old = follow(&etcd);
    old.has("/k/x", "v2");
    etcd.put("/k/x", b"v3").unwrap();
    follow(&etcd).has("/k/x", "v3");
    assert_eq!(read_once(options(Backend::Etcd, &[etcd.url()]), &["/k"]).unwrap().get("/k/x"), Some("v3"));
    etcd.v2("PUT", "/k/x", "value=still").unwrap().good().unwrap();
    old.has("/k/x", "still");
}

#[test]
fn an_empty_store_is_followed_through_the_api_that_is_written_to() {
    for v2 in [false, true] {
        let etcd = Etcd::start().unwrap();
        let following = follow(&etcd);
        following.connected();
        if v2 {
            etcd.v2("PUT", "/k/x", "value=1").unwrap().good().unwrap();
        } else {
            etcd.put("/k/x", b"1").unwrap();
        }
        following.has("/k/x", "1");
    }
}

#[test]
fn a_server_with_one_api_only_is_enough() {
    let setting = Setting { more: vec!["--enable-v2=false".to_owned()], ..Setting::default() };
    let mut etcd = Etcd::with(setting).unwrap();
    let following = follow(&etcd);
    following.connected();
    etcd.put("/k/x", b"1").unwrap();
    following.has("/k/x", "1");
    etcd.daemon().kill();
    following.lost();
    assert!(following.why().contains(&etcd.url()));
    etcd.restart().unwrap();
    etcd.put("/k/x", b"2").unwrap();
    following.has("/k/x", "2");
}
