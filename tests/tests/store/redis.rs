//! Redis.

use vipward::render::store::Backend;
use vipward_tests::servers::Redis;

use crate::support::{Following, options, pairs, read_once};

const TELLING: [&str; 2] = ["--notify-keyspace-events", "KA"];

fn follow(redis: &Redis, prefixes: &[&str]) -> Following {
    Following::start(options(Backend::Redis, &[redis.node()]), prefixes)
}

fn set(redis: &Redis, key: &str, value: &str) {
    redis.cli(&["set", key, value]).unwrap();
}

#[test]
fn strings_and_hashes_come_and_go() {
    let redis = Redis::start(&TELLING).unwrap();
    set(&redis, "/a/x", "1");
    set(&redis, "/a2", "other");
    set(&redis, "/a*", "other");
    redis.cli(&["hset", "/a/h", "one", "1", "two", "2"]).unwrap();
    redis.cli(&["rpush", "/a/list", "no key"]).unwrap();
    let following = follow(&redis, &["/a", "/b/s"]);
    following.connected();
    let of = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&following.live.keys()), of(&[("/a/h/one", "1"), ("/a/h/two", "2"), ("/a/x", "1")]));
    let once = read_once(options(Backend::Redis, &[redis.node()]), &["/a"]).unwrap();
    assert_eq!(pairs(&once), pairs(&following.live.keys()));
    set(&redis, "/a/x", "2");
    following.has("/a/x", "2");
    redis.cli(&["hset", "/a/h", "one", "3", "three", "4"]).unwrap();
    following.has("/a/h/three", "4");
    following.has("/a/h/one", "3");
    redis.cli(&["hdel", "/a/h", "two"]).unwrap();
    following.lacks("/a/h/two");
    redis.cli(&["set", "/a/h", "a string now"]).unwrap();
    following.has("/a/h", "a string now");
    following.lacks("/a/h/one");
    redis.cli(&["rename", "/a/x", "/a/moved"]).unwrap();
    following.has("/a/moved", "2");
    following.lacks("/a/x");
    set(&redis, "/b/s", "exactly");
    following.has("/b/s", "exactly");
    redis.cli(&["flushall"]).unwrap();
    following.lacks("/a/moved");
}

#[test]
fn expiry_and_eviction_are_seen() {
    let redis = Redis::start(&TELLING).unwrap();
    let following = follow(&redis, &["/k"]);
    following.connected();
    redis.cli(&["set", "/k/short", "1", "px", "300"]).unwrap();
    set(&redis, "/k/long", "1");
    following.has("/k/short", "1");
    following.has("/k/long", "1");
    following.lacks("/k/short");
    redis.cli(&["config", "set", "maxmemory-policy", "allkeys-random"]).unwrap();
    redis.cli(&["config", "set", "maxmemory", "1"]).unwrap();
    let _ = redis.cli(&["set", "/other", "makes room"]);
    following.lacks("/k/long");
}

#[test]
fn without_notifications_it_is_polled() {
    let redis = Redis::start(&[]).unwrap();
    let following = follow(&redis, &["/k"]);
    following.connected();
    set(&redis, "/k/x", "1");
    following.has("/k/x", "1");
    redis.cli(&["del", "/k/x"]).unwrap();
    following.lacks("/k/x");
    // Switched on later.
    redis.cli(&["config", "set", "notify-keyspace-events", "KA"]).unwrap();
    set(&redis, "/k/y", "1");
    following.has("/k/y", "1");
    following.connected();
}

#[test]
fn a_server_that_was_killed_is_followed_again_and_so_is_one_that_hung() {
    let mut redis = Redis::start(&TELLING).unwrap();
    set(&redis, "/k/x", "1");
    let following = follow(&redis, &["/k"]);
    following.has("/k/x", "1");
    redis.daemon().kill();
    following.lost();
    assert_eq!(following.live.keys().get("/k/x"), Some("1"));
    redis.restart().unwrap();
    set(&redis, "/k/y", "2");
    following.has("/k/y", "2");
    following.lacks("/k/x");
    redis.daemon().pause().unwrap();
    following.lost();
    redis.daemon().resume().unwrap();
    set(&redis, "/k/y", "3");
    following.has("/k/y", "3");
    following.connected();
}

#[test]
fn passwords_databases_sockets_and_separators() {
    let redis = Redis::start(&["--requirepass", "secret", "--notify-keyspace-events", "KA"]).unwrap();
    let with = |node: String, password: Option<&str>| {
        let mut options = options(Backend::Redis, &[node]);
        options.password = password.map(Into::into);
        options
    };
    for password in [None, Some("wrong")] {
        let error = read_once(with(redis.node(), password), &["/k"]).unwrap_err().to_string();
        assert!(error.contains(&redis.node()) && error.contains("refuses us"), "{error}");
    }
    redis.cli(&["-n", "3", "set", "/k/x", "3"]).unwrap();
    let third = Following::start(with(format!("{}/3", redis.node()), Some("secret")), &["/k"]);
    third.has("/k/x", "3");
    redis.cli(&["-n", "3", "set", "/k/x", "4"]).unwrap();
    third.has("/k/x", "4");
    set(&redis, "k:x", "zero");
    let mut socket = with(redis.socket(), None);
    // confd has no other flag for it.
    socket.client_key = Some("secret".into());
    socket.separator = ":".to_owned();
    let socket = Following::start(socket, &["/k"]);
    socket.has("/k/x", "zero");
    set(&redis, "k:y:z", "1");
    socket.has("/k/y/z", "1");
}

#[test]
fn a_burst_and_odd_values() {
    let redis = Redis::start(&TELLING).unwrap();
    let following = follow(&redis, &["/k"]);
    following.connected();
    redis.cli(&["eval", "for i=1,20000 do redis.call('set','/k/'..(i%5000),i) end", "0"]).unwrap();
    redis.cli(&["eval", "redis.call('set','/k/bad','\\255') redis.call('set','/k/\\nx','1')", "0"]).unwrap();
    following.has("/k/4999", "19999");
    following.has("/k/0", "20000");
    following.has("/k/\nx", "1");
    following.until("the bad value", |live| live.keys().unreadable("/k/bad").count() == 1);
    following.until("all keys", |live| live.keys().len() == 5_001);
}
