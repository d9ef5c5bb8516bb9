//! `vipward kv` against a real etcd, through both APIs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may fail as tests do")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vipward::cli::{Cli, Command};
use vipward::kv;
use vipward_tests::lab::wait;
use vipward_tests::servers::{Cluster, Etcd};

const LIMIT: Duration = Duration::from_secs(30);

/// Output that can be read while it is written.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(arguments: &[&str], output: &mut Output) -> Result<(), String> {
    use clap::Parser as _;
    let cli =
        Cli::try_parse_from(["vipward", "kv"].iter().chain(arguments)).map_err(|error| error.to_string())?;
    let Command::Kv(options) = cli.command else { panic!("another verb") };
    kv::run(&options, output).map(|_| ()).map_err(|error| format!("{error:#}"))
}

/// One etcd through one API.
struct Shell<'a> {
    url: &'a str,
    api: &'a str,
}

impl Shell<'_> {
    fn good(&self, arguments: &[&str]) -> String {
        let mut output = Output::default();
        self.run(arguments, &mut output).unwrap();
        output.text()
    }

    fn bad(&self, arguments: &[&str]) -> String {
        self.run(arguments, &mut Output::default()).unwrap_err()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.good(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn run(&self, arguments: &[&str], output: &mut Output) -> Result<(), String> {
        run(&[arguments, &["--node", self.url, "--backend", self.api]].concat(), output)
    }
}

#[test]
fn keys_are_set_listed_and_deleted_through_both_apis() {
    let etcd = Etcd::start().unwrap();
    for api in ["etcdv2", "etcdv3", "etcd"] {
        let shell = Shell { url: &etcd.url(), api };
        shell.good(&["set", "/a/x", "one & two = three"]);
        shell.good(&["set", "/a/d/y", "2"]);
        shell.good(&["set", "/a/d/z", "-3"]);
        assert_eq!(shell.good(&["get", "/a/x"]), "one & two = three\n");
        assert_eq!(shell.good(&["get", "/a/d/z"]), "-3\n");
        assert_eq!(shell.json(&["get", "/a/x"])["value"], "one & two = three");
        assert_eq!(shell.good(&["ls", "/a"]), "/a/d/\n/a/x\n");
        assert_eq!(shell.good(&["ls", "/a", "-r"]), "/a/d/y\n/a/d/z\n/a/x\n");
        assert_eq!(shell.good(&["ls"]), "/a/\n");
        assert!(shell.bad(&["get", "/none"]).contains("/none: there is no such key"));
        assert!(shell.bad(&["del", "/none"]).contains("no such key"));
        assert_eq!(shell.good(&["del", "/a/x"]), "1 deleted\n");
        assert_eq!(shell.json(&["del", "/a", "--recursive"])["deleted"], 2);
        assert_eq!(shell.good(&["ls", "/", "--recursive"]), "");
    }
}

#[test]
fn directories_are_the_v2_apis_own() {
    let etcd = Etcd::start().unwrap();
    let v2 = Shell { url: &etcd.url(), api: "etcdv2" };
    v2.good(&["set", "/dir", "--dir", "--ttl", "100"]);
    assert_eq!(v2.good(&["ls"]), "/dir/\n");
    assert!(v2.bad(&["get", "/dir"]).contains("is a directory"));
    assert!(v2.good(&["ttl", "/dir"]).trim().parse::<i64>().unwrap() > 90);
    let v3 = Shell { url: &etcd.url(), api: "etcdv3" };
    assert!(v3.bad(&["set", "/dir", "--dir"]).contains("no directories"));
}

#[test]
fn keys_can_be_given_a_time_to_live() {
    let etcd = Etcd::start().unwrap();
    for api in ["etcdv2", "etcdv3"] {
        let shell = Shell { url: &etcd.url(), api };
        shell.good(&["set", "/t", "1", "--ttl", "100"]);
        let left: i64 = shell.good(&["ttl", "/t"]).trim().parse().unwrap();
        assert!((90..=100).contains(&left), "{left}");
        shell.good(&["set", "/t", "1"]);
        assert_eq!(shell.good(&["ttl", "/t"]), "none\n");
        assert_eq!(shell.json(&["ttl", "/t"])["ttl"], serde_json::Value::Null);
        shell.good(&["set", "/t", "1", "--ttl", "1"]);
        wait::until("the key to go", LIMIT, || shell.run(&["get", "/t"], &mut Output::default()).is_err())
            .unwrap();
        assert!(shell.bad(&["set", "/t", "1", "--ttl", "0"]).contains("--ttl"));
    }
}

#[test]
fn changes_are_printed_as_they_come() {
    let etcd = Etcd::start().unwrap();
    for api in ["etcdv2", "etcdv3"] {
        let url = etcd.url();
        let shell = Shell { url: &url, api };
        shell.good(&["set", "/w/old", "1"]);
        let output = Output::default();
        let watching = thread::spawn({
            let (mut output, url) = (output.clone(), url.clone());
            move || run(&["watch", "/w", "--count", "3", "--node", &url, "--backend", api], &mut output)
        });
        // Nothing says when it has begun, so until something is printed there is always something new.
        let mut round = 0;
        wait::until("a change", LIMIT, || {
            round += 1;
            shell.good(&["set", "/w/x", &round.to_string()]);
            !output.text().is_empty()
        })
        .unwrap();
        assert!(output.text().starts_with("PUT /w/x "), "{}", output.text());
        wait::until("three changes", LIMIT, || {
            let _ = shell.run(&["del", "/w/old"], &mut Output::default());
            shell.good(&["set", "/w/old", "again"]);
            output.text().lines().count() == 3
        })
        .unwrap();
        watching.join().unwrap().unwrap();
        assert!(!output.text().contains("/w/old 1"), "{}", output.text());
    }
}

#[test]
fn the_cluster_is_shown() {
    let mut cluster = Cluster::start().unwrap();
    let urls = cluster.urls();
    for (api, name) in [("etcdv3", "v3"), ("etcdv2", "v2")] {
        let shell = Shell { url: &urls.join(","), api };
        let members = shell.json(&["members"]);
        let members = members.as_array().unwrap();
        assert_eq!(members.len(), 3);
        assert_eq!(members.iter().filter(|member| member["leader"] == true).count(), 1);
        let status = shell.json(&["status"]);
        assert_eq!(status["api"], name);
        let leader = members.iter().find(|member| member["leader"] == true).unwrap();
        for node in status["nodes"].as_array().unwrap() {
            assert!(node["version"].as_str().unwrap().starts_with('3'), "{node}");
            assert_eq!(node["leader"], leader["id"]);
            assert!(node["raft_index"].as_u64().unwrap() > 0);
            assert_eq!(node["db_size"].is_i64(), api == "etcdv3");
        }
        let text = shell.good(&["status"]);
        assert!(text.contains("raft index") && text.contains(&urls[2]), "{text}");
        assert!(shell.good(&["members"]).contains("leader"));
    }
    cluster.members[0].daemon().kill();
    let shell = Shell { url: &urls.join(","), api: "etcdv3" };
    let status = wait::value("a new leader", LIMIT, || {
        let mut output = Output::default();
        shell.run(&["status", "--json"], &mut output).ok()?;
        serde_json::from_str::<serde_json::Value>(&output.text()).ok()
    })
    .unwrap();
    assert!(status["nodes"][0]["error"].as_str().unwrap().contains(&urls[0]), "{status}");
}

#[test]
fn who_is_not_there_is_named() {
    let nobody = format!("http://127.0.0.1:{}", vipward_tests::servers::free_port().unwrap());
    for api in ["etcd", "etcdv2", "etcdv3"] {
        let error = Shell { url: &nobody, api }.bad(&["get", "/x"]);
        assert!(error.contains(&nobody) && error.contains("cannot be reached"), "{error}");
    }
}
