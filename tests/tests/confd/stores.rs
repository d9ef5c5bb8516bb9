//! Every store, from a key that is written to the file that shows it.

use std::fs;

use vipward_tests::servers::{Consul, Etcd, Redis, Zookeeper};
use zookeeper_client::{Acls, Client, CreateMode};

use crate::site::{Site, said};

/// One store: a key is there at the start, one is written while it is followed.
fn follows(backend: &str, node: &str, first: impl FnOnce(), then: impl FnOnce()) {
    let site = Site::with("");
    first();
    let flags = ["-backend", backend, "-node", node];
    let output = site.confd(&[&["-onetime"], flags.as_slice()].concat());
    assert!(output.status.success(), "{backend}: {}", said(&output));
    assert_eq!(site.out("a"), "/k/x=1\n", "{backend}");
    let mut confd = site.confd_on(&[&["-watch"], flags.as_slice()].concat());
    then();
    site.shows("a", "/k/y=2\n");
    confd.stop().unwrap();
}

#[test]
fn etcd_by_both_apis() {
    let etcd = Etcd::start().unwrap();
    follows(
        "etcdv3",
        &etcd.url(),
        || _ = etcd.put("/k/x", b"1").unwrap(),
        || {
            etcd.put("/k/y", b"2").unwrap();
        },
    );
    let set = |key: &str, value: &str| {
        etcd.v2("PUT", key, &format!("value={value}")).unwrap().good().unwrap();
    };
    follows("etcdv2", &etcd.url(), || set("/k/x", "1"), || set("/k/y", "2"));
}

#[test]
fn consul() {
    let Some(consul) = Consul::start(None).unwrap() else { return };
    follows(
        "consul",
        &consul.node(),
        || consul.put("k/x", b"1").unwrap(),
        || consul.put("k/y", b"2").unwrap(),
    );
}

#[test]
fn redis() {
    let redis = Redis::start(&["--notify-keyspace-events", "KEA"]).unwrap();
    let set = |key, value| _ = redis.cli(&["set", key, value]).unwrap();
    follows("redis", &redis.node(), || set("/k/x", "1"), || set("/k/y", "2"));
}

#[test]
fn zookeeper() {
    let zookeeper = Zookeeper::start().unwrap();
    let create = |pairs: &[(&str, &[u8])]| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::connect(&zookeeper.node()).await.unwrap();
            let mode = CreateMode::Persistent.with_acls(Acls::anyone_all());
            for (path, value) in pairs {
                client.create(path, value, &mode).await.unwrap();
            }
        });
    };
    follows(
        "zookeeper",
        &zookeeper.node(),
        || create(&[("/k", b""), ("/k/x", b"1")]),
        || {
            create(&[("/k/y", b"2")]);
        },
    );
}

#[test]
fn files_and_the_environment() {
    let site = Site::with("");
    let file = site.path("keys.yaml");
    fs::write(&file, "k:\n  x: 1\n").unwrap();
    let mut confd = site.confd_on(&["-watch", "-backend", "file", "-file", &file.display().to_string()]);
    site.shows("a", "/k/x=1\n");
    fs::write(&file, "k:\n  x: 1\n  y: 2\n").unwrap();
    site.shows("a", "/k/y=2\n");
    confd.stop().unwrap();

    let site = Site::with("");
    let mut command = std::process::Command::new(vipward_tests::lab::vipward::binary().unwrap());
    command.args(["confd", "-onetime", "-backend", "env", "-confdir", &site.name("")]);
    command.args(["-run-dir", &site.name("run")]).env("K_X", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(site.out("a"), "/k/x=1\n");
}
