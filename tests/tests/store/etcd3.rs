//! etcd v3 while all is well.

use serde_json::json;
use vipward::render::store::Backend;
use vipward_tests::servers::{Etcd, base64};

use crate::support::{Following, log, options, pairs, read_once};

fn follow(etcd: &Etcd, prefixes: &[&str]) -> Following {
    Following::start(options(Backend::EtcdV3, &[etcd.url()]), prefixes)
}

#[test]
fn puts_and_deletes_arrive_and_others_keys_do_not() {
    let etcd = Etcd::start().unwrap();
    for key in ["/a", "/a/x", "/a/y/z", "/a2", "/a-b", "/b/c", "a/no-slash"] {
        etcd.put(key, key.as_bytes()).unwrap();
    }
    let following = follow(&etcd, &["/a", "/b/"]);
    following.connected();
    let paths = |following: &Following| {
        pairs(&following.live.keys()).into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&following), ["/a", "/a/x", "/a/y/z", "/b/c"]);
    let mut changes = following.live.subscribe();
    etcd.put("/a2", b"other").unwrap();
    etcd.put("/a/x", b"new").unwrap();
    following.has("/a/x", "new");
    etcd.delete("/b/c").unwrap();
    following.lacks("/b/c");
    let change = changes.take().unwrap();
    assert!(change.paths.touches("/a/x") && change.paths.touches("/b") && !change.paths.touches("/a/y"));
    assert_eq!(paths(&following), ["/a", "/a/x", "/a/y/z"]);
    let once = read_once(options(Backend::EtcdV3, &[etcd.url()]), &["/a"]).unwrap();
    assert_eq!(pairs(&once), pairs(&following.live.keys()));
}

#[test]
fn a_burst_ends_with_the_last_values() {
    let etcd = Etcd::start().unwrap();
    let following = follow(&etcd, &["/k"]);
    following.connected();
    let mut connection = etcd.connection().unwrap();
    for number in 0..1_000 {
        let key = base64(format!("/k/{}", number % 100).as_bytes());
        let body = json!({"key": key, "value": base64(number.to_string().as_bytes())}).to_string();
        connection.request("POST", "/v3/kv/put", "", body.as_bytes()).unwrap().good().unwrap();
    }
    for number in 900..1_000 {
        following.has(&format!("/k/{}", number % 100), &number.to_string());
    }
    let again = log().of(&etcd.url()).into_iter().filter(|line| line.contains("again")).collect::<Vec<_>>();
    assert!(again.is_empty(), "the events alone were enough: {again:?}");
}

#[test]
fn many_keys_and_prefixes_are_read_whole() {
    let etcd = Etcd::start().unwrap();
    let mut connection = etcd.connection().unwrap();
    // More than a page, and more than etcd takes in one transaction.
    for batch in 0..50 {
        let puts: Vec<_> = (0..100)
            .map(|i| json!({"requestPut": {"key": base64(format!("/k/{batch}/{i}").as_bytes()), "value": "eA=="}}))
            .collect();
        let body = json!({"success": puts}).to_string();
        connection.request("POST", "/v3/kv/txn", "", body.as_bytes()).unwrap().good().unwrap();
    }
    let following = follow(&etcd, &["/k"]);
    following.connected();
    assert_eq!(following.live.keys().len(), 5_000);
    let each: Vec<String> = (0..200).map(|i| format!("/k/{}/{}", i / 100, i % 100)).collect();
    let each: Vec<&str> = each.iter().map(String::as_str).collect();
    let one_by_one = follow(&etcd, &each);
    one_by_one.connected();
    assert_eq!(one_by_one.live.keys().len(), 200);
    etcd.put("/k/1/99", b"new").unwrap();
    one_by_one.has("/k/1/99", "new");
}

#[test]
fn large_values_fit_in_pages_that_shrink() {
    let etcd = Etcd::start().unwrap();
    let value = vec![b'x'; 1 << 20];
    for i in 0..70 {
        etcd.put(&format!("/k/{i}"), &value).unwrap();
    }
    let following = follow(&etcd, &["/k"]);
    following.connected();
    let whole = |path: &str| following.live.keys().get(path).map(str::len);
    assert_eq!(following.live.keys().len(), 70);
    assert_eq!(whole("/k/69"), Some(1 << 20));
    etcd.put("/k/new", &value).unwrap();
    following.until("the large value", |live| live.keys().get("/k/new").map(str::len) == Some(1 << 20));
}

#[test]
fn odd_keys_and_values_take_nothing_down() {
    let etcd = Etcd::start().unwrap();
    etcd.put("/k/good", b"1").unwrap();
    etcd.put("/k/bad", b"\xff\xfe").unwrap();
    etcd.put("/k/new\nline", b"2").unwrap();
    etcd.put("/k/../up", b"3").unwrap();
    etcd.put("/k/\u{1}\u{7f}", b"4").unwrap();
    etcd.put("/k//doubled/", b"5").unwrap();
    etcd.v3("kv/put", &json!({"key": base64(b"/k/\xff"), "value": "eA=="})).unwrap();
    let following = follow(&etcd, &["/k"]);
    following.connected();
    let check = |path: &str, value| assert_eq!(following.live.keys().get(path), value, "{path:?}");
    check("/k/good", Some("1"));
    check("/k/bad", None);
    check("/k/new\nline", Some("2"));
    check("/k/../up", Some("3"));
    check("/k/\u{1}\u{7f}", Some("4"));
    check("/k/doubled", Some("5"));
    let unreadable = |following: &Following| {
        following.live.keys().unreadable("/k").map(|(path, _)| path.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(unreadable(&following), ["/k/bad", "/k/\u{fffd}"]);
    // The same by events.
    etcd.put("/k/good", b"\xff").unwrap();
    following.until("the value to be refused", |live| live.keys().unreadable("/k/good").count() == 1);
    etcd.put("/k/good", b"fine").unwrap();
    following.has("/k/good", "fine");
    etcd.delete("/k//doubled/").unwrap();
    following.lacks("/k/doubled");
}

#[test]
fn a_lease_that_ends_takes_its_key_along() {
    let etcd = Etcd::start().unwrap();
    let lease = etcd.v3("lease/grant", &json!({"TTL": 1})).unwrap();
    let put = json!({"key": base64(b"/k/short"), "value": "eA==", "lease": lease["ID"]});
    etcd.v3("kv/put", &put).unwrap();
    let following = follow(&etcd, &["/k"]);
    following.has("/k/short", "x");
    following.lacks("/k/short");
}
