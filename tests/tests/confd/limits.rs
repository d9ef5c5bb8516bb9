//! Bad input from whoever writes keys, templates and resources: each is named, and the others go on.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::json;
use vipward::render::engine::State;
use vipward_tests::servers::{Etcd, Setting, base64, free_port};

use crate::site::{ALL, Site, said, until};

#[test]
fn bad_resources_and_templates_are_named_and_the_good_one_goes_on() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with("");
    site.resource("itself", "{{include \"itself.tmpl\"}}", "/k", "");
    site.resource("endless", "{{range seq 1 100000}}{{range seq 1 100000}}{{end}}{{end}}", "/k", "");
    site.resource("folder", "x", "/k", "");
    fs::create_dir(site.path("out/folder")).unwrap();
    site.resource("twin", "x", "/k", "");
    let twin = fs::read_to_string(site.path("conf.d/twin.toml")).unwrap();
    fs::write(site.path("conf.d/twin2.toml"), twin).unwrap();
    site.resource("unknown", "x", "/k", "relod_cmd='x'");
    etcd.put("/k/x", b"1").unwrap();
    let agent = site.agent("etcdv3", &[etcd.url()]);
    site.shows("a", "/k/x=1\n");
    let failing = [
        ("itself", State::Failed, "itself.tmpl:1"),
        ("endless", State::Failed, "endless.tmpl:1"),
        ("folder", State::Rejected, "out/folder is a folder"),
        ("twin2", State::Rejected, "is written by"),
        ("unknown", State::Rejected, "unknown.toml:5:1: error: unknown key `relod_cmd`"),
    ];
    for (name, state, why) in failing {
        agent.is(name, state);
        let report = agent.resource(name).unwrap();
        assert!(report.last_error.as_deref().unwrap_or("").contains(why), "{report:?}");
    }
    agent.is("twin", State::Ok);
    etcd.put("/k/x", b"2").unwrap();
    site.shows("a", "/k/x=2\n");
}

#[test]
fn odd_keys_and_values_are_data_and_nothing_else() {
    let etcd = Etcd::start().unwrap();
    let site = Site::new();
    let trap = site.name("trap");
    site.resource("a", ALL, "/k", "check_cmd='test -e {{.src}}'\nreload_cmd='true'");
    site.resource("b", "{{range gets \"/k/d/*\"}}{{.Value}}{{end}}", "/k/d", "");
    let agent = site.agent("etcdv3", &[etcd.url()]);
    etcd.put("/k/x", format!("$(touch {trap});`touch {trap}`'\"\\").as_bytes()).unwrap();
    etcd.put("/k/../../etc/passwd", b"dots").unwrap();
    etcd.put("/k/line\nbreak\x1b", b"control").unwrap();
    etcd.put("/k/d/big", "v".repeat(1 << 20).as_bytes()).unwrap();
    site.shows("a", "touch");
    site.shows("a", "/k/line\nbreak\x1b=control\n");
    until("the large one", || site.out("b").len() == 1 << 20);
    agent.is("a", State::Ok);
    assert!(!site.path("trap").exists(), "a value reached a shell");
    // A key or a value that is no text fails what reads it, for a file without it would be a wrong one.
    let key = base64(b"/k/\xff");
    etcd.v3("kv/put", &json!({"key": key, "value": base64(b"x")})).unwrap();
    agent.is("a", State::Failed);
    assert!(agent.resource("a").unwrap().last_error.unwrap().contains("the key is not UTF-8"));
    agent.is("b", State::Ok);
    etcd.v3("kv/deleterange", &json!({"key": key})).unwrap();
    agent.is("a", State::Ok);
    etcd.put("/k/d/y", b"\xff\xfe").unwrap();
    agent.is("b", State::Failed);
    assert!(agent.resource("b").unwrap().last_error.unwrap().contains("key `/k/d/y`"));
    etcd.delete("/k/d/y").unwrap();
    agent.is("b", State::Ok);
}

#[test]
fn a_hundred_thousand_keys_are_followed() {
    let etcd =
        Etcd::with(Setting { more: vec!["--max-txn-ops=10000".into()], ..Setting::default() }).unwrap();
    for thousand in 0..100 {
        let puts: Vec<_> = (0..1000)
            .map(|one| {
                let key = base64(format!("/k/{thousand:03}/{one:03}").as_bytes());
                json!({"requestPut": {"key": key, "value": base64(b"v")}})
            })
            .collect();
        etcd.v3("kv/txn", &json!({"success": puts})).unwrap();
    }
    let site = Site::new();
    site.resource("a", "{{len (gets \"/k/*/*\")}} {{getv \"/k/099/999\"}}", "/k", "");
    let agent = site.agent("etcdv3", &[etcd.url()]);
    site.shows("a", "100000 v");
    etcd.put("/k/099/999", b"new").unwrap();
    site.shows("a", "100000 new");
    agent.is("a", State::Ok);
}

#[test]
fn a_server_that_answers_garbage_or_nothing_is_named() {
    let site = Site::with("");
    fs::write(site.path("out/a"), "last good\n").unwrap();
    let garbage = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = garbage.local_addr().unwrap().to_string();
    // Ends with the process.
    thread::spawn(move || {
        for stream in garbage.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 64]);
            let mut answer = String::new();
            let _ = write!(answer, "{}", "nonsense\r\n".repeat(1000));
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let nowhere = format!("127.0.0.1:{}", free_port().unwrap());
    for (backend, node) in [
        ("etcdv3", &address),
        ("etcdv2", &address),
        ("consul", &address),
        ("redis", &address),
        ("etcd", &nowhere),
    ] {
        let output = site.confd(&["-onetime", "-backend", backend, "-node", node]);
        assert_eq!(output.status.code(), Some(1), "{backend}: {}", said(&output));
        assert!(said(&output).contains(node.as_str()), "{backend}: {}", said(&output));
        assert_eq!(site.out("a"), "last good\n");
    }
}
