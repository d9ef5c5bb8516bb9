//! Consul, where it can be had.

use vipward::render::store::Backend;
use vipward_tests::servers::Consul;

use crate::support::{Following, options, read_once};

#[test]
fn keys_come_and_go_also_over_a_restart_and_a_wipe() {
    let Some(mut consul) = Consul::start(None).unwrap() else { return };
    consul.put("a/x", b"1").unwrap();
    consul.put("a2", b"other").unwrap();
    consul.put("a/bad", b"\xff").unwrap();
    let following = Following::start(options(Backend::Consul, &[consul.node()]), &["/a", "/missing"]);
    following.has("/a/x", "1");
    assert_eq!(following.live.keys().get("/a2"), None);
    assert_eq!(following.live.keys().unreadable("/a").count(), 1);
    for number in 0..200 {
        consul.put("a/y", number.to_string().as_bytes()).unwrap();
    }
    following.has("/a/y", "199");
    consul.put("missing/z", b"1").unwrap();
    following.has("/missing/z", "1");
    consul.delete("a/x").unwrap();
    following.lacks("/a/x");
    consul.daemon().kill();
    following.lost();
    consul.restart().unwrap();
    consul.put("a/x", b"2").unwrap();
    following.has("/a/x", "2");
    // Its index is lower than before.
    consul.wipe().unwrap();
    following.lost();
    consul.restart().unwrap();
    consul.put("a/new", b"1").unwrap();
    following.has("/a/new", "1");
    following.lacks("/a/x");
    consul.put("a/new", b"2").unwrap();
    following.has("/a/new", "2");
}

#[test]
fn tokens_open_what_is_closed_to_others() {
    let token = "b1c53c47-3700-4000-8000-000000000000";
    let Some(consul) = Consul::start(Some(token)).unwrap() else { return };
    consul.request("PUT", "k/x", token, b"1").unwrap().good().unwrap();
    let mut options = options(Backend::Consul, &[consul.node()]);
    options.auth_token = Some("00000000-0000-0000-0000-000000000001".into());
    let error = read_once(options.clone(), &["/k"]).unwrap_err().to_string();
    assert!(error.contains(&consul.node()) && error.contains("refuses us"), "{error}");
    options.auth_token = Some(token.into());
    let following = Following::start(options, &["/k"]);
    following.has("/k/x", "1");
    consul.request("PUT", "k/x", token, b"2").unwrap().good().unwrap();
    following.has("/k/x", "2");
}
