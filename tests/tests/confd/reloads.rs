//! Bursts, slow and failing commands, and templates that fail, between a real store and the file.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use vipward::render::engine::State;
use vipward_tests::servers::Etcd;

use crate::site::{ALL, Site, until};

#[test]
fn a_thousand_writes_in_a_second_make_few_reloads_and_the_last_one_wins() {
    let etcd = Etcd::start().unwrap();
    let site = Site::new();
    site.resource("a", ALL, "/k", &format!("reload_cmd='echo >>{}'", site.name("reloads")));
    let agent = site.agent("etcdv3", &[etcd.url()]);
    etcd.put("/k/000", b"first").unwrap();
    site.shows("a", "first");
    let (begun, before) = (Instant::now(), site.lines("reloads"));
    for number in 0..1000 {
        etcd.put(&format!("/k/{:03}", number % 100), number.to_string().as_bytes()).unwrap();
    }
    etcd.put("/k/last", b"yes").unwrap();
    let took = begun.elapsed();
    site.shows("a", "/k/last=yes\n");
    assert!(site.out("a").starts_with("/k/000=900\n") && site.out("a").contains("/k/099=999\n"));
    agent.reports("a", "the last reload", |report| {
        report.reload.as_ref().is_some_and(|reload| reload.state == "ok")
    });
    let reloads = site.lines("reloads") - before;
    // Twenty a second; more time for the writes gives more.
    let most = 20 * took.as_secs().max(1);
    assert!(reloads >= 1 && reloads as u64 <= most, "{reloads} reloads in {took:?}");
}

#[test]
fn a_slow_reload_under_continuous_writes_ends_with_the_last_value() {
    let etcd = Etcd::start().unwrap();
    let site = Site::new();
    let reload =
        format!("sleep 1; cp {} {}; echo >>{}", site.name("out/a"), site.name("read"), site.name("reloads"));
    site.resource("a", ALL, "/k", &format!("reload_cmd='{reload}'"));
    let _agent = site.agent("etcdv3", &[etcd.url()]);
    let end = Instant::now() + Duration::from_secs(4);
    let mut number = 0;
    while Instant::now() < end {
        number += 1;
        etcd.put("/k/x", number.to_string().as_bytes()).unwrap();
        // The pace of the writes.
        thread::sleep(Duration::from_millis(5));
    }
    let last = format!("/k/x={number}\n");
    until("the service to read the last value", || {
        fs::read_to_string(site.path("read")).is_ok_and(|text| text == last)
    });
    assert!(site.lines("reloads") <= 8, "{} reloads of a second each", site.lines("reloads"));
}

#[test]
fn what_a_check_refuses_never_gets_there_and_is_said_once() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with("check_cmd='! grep -q bad {{.src}}'");
    let agent = site.agent("etcdv3", &[etcd.url()]);
    etcd.put("/k/x", b"good").unwrap();
    site.shows("a", "good");
    etcd.put("/k/x", b"bad").unwrap();
    agent.reports("a", "two tries", |report| report.state == State::Failed && report.renders >= 3);
    assert_eq!(site.out("a"), "/k/x=good\n");
    let report = agent.resource("a").unwrap();
    assert!(report.last_error.as_deref().unwrap_or("").contains("check_cmd"), "{report:?}");
    assert!(report.next_try.is_some() && report.failing_since.is_some(), "{report:?}");
    assert_eq!(agent.logged("check_cmd").len(), 1, "{}", agent.process.log());
    assert_eq!(fs::read_dir(site.path("out")).unwrap().count(), 1, "no staged file is left");
    etcd.put("/k/x", b"better").unwrap();
    site.shows("a", "better");
    agent.is("a", State::Ok);
}

#[test]
fn a_reload_that_fails_is_tried_again_also_by_the_next_agent() {
    let etcd = Etcd::start().unwrap();
    let site = Site::new();
    let reload = format!("echo >>{}; test -e {}", site.name("tries"), site.name("works"));
    site.resource("a", ALL, "/k", &format!("reload_cmd='{reload}'"));
    etcd.put("/k/x", b"1").unwrap();
    let mut agent = site.agent("etcdv3", &[etcd.url()]);
    until("three tries", || site.lines("tries") >= 3);
    agent.reports("a", "the failure", |report| {
        report.reload.as_ref().is_some_and(|reload| reload.failures >= 2 && reload.last_error.is_some())
    });
    assert_eq!(agent.logged("reload_cmd").len(), 1, "{}", agent.process.log());
    let text = String::from_utf8(agent.ask(&["status"]).stdout).unwrap();
    assert!(text.contains("reloads in a row failed"), "{text}");
    agent.process.stop().unwrap();

    fs::write(site.path("works"), "").unwrap();
    let before = site.lines("tries");
    let agent = site.agent("etcdv3", &[etcd.url()]);
    agent.reports("a", "the reload", |report| {
        report.reload.as_ref().is_some_and(|reload| reload.last_success.is_some())
    });
    assert_eq!(site.lines("tries"), before + 1);
    assert_eq!(agent.resource("a").unwrap().changes, 0, "the file was there already");
}

#[test]
fn a_template_that_fails_leaves_its_neighbours_alone() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with("");
    site.resource("b", "{{range gets \"/k/*\"}}{{atoi .Value}}\n{{end}}", "/k", "");
    etcd.put("/k/x", b"1").unwrap();
    let agent = site.agent("etcdv3", &[etcd.url()]);
    site.shows("b", "1");
    etcd.put("/k/x", b"one").unwrap();
    site.shows("a", "/k/x=one\n");
    agent.reports("b", "two failures", |report| report.state == State::Failed && report.renders >= 3);
    let place = format!("{}:1", site.name("templates/b.tmpl"));
    assert!(agent.resource("b").unwrap().last_error.unwrap().contains(&place));
    assert_eq!(agent.logged(&place).len(), 1, "{}", agent.process.log());
    assert_eq!(site.out("b"), "1\n");
    agent.is("a", State::Ok);
    etcd.put("/k/x", b"2").unwrap();
    site.shows("b", "2");
}

#[test]
fn a_reload_of_the_agent_takes_all_resources_or_none() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with("");
    etcd.put("/k/x", b"1").unwrap();
    etcd.put("/l/x", b"2").unwrap();
    let agent = site.agent("etcdv3", &[etcd.url()]);
    site.shows("a", "1");
    site.resource("b", "{{getv \"/l/x\"}}", "/l", "");
    site.resource("c", "{{if}}", "/l", "");
    let refused = agent.ask(&["reload"]);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && why.contains("c.tmpl:1:1: error: "), "{why}");
    assert!(agent.resource("b").is_none());
    site.resource("c", "fixed", "/l", "");
    assert!(agent.ask(&["reload"]).status.success());
    site.shows("b", "2");
    site.shows("c", "fixed");
    // A template that is included is read anew when it changes.
    fs::write(site.path("templates/part.tmpl"), "old").unwrap();
    site.resource("a", "{{include \"part.tmpl\"}} {{getv \"/k/x\"}}", "/k", "");
    assert!(agent.ask(&["reload"]).status.success());
    site.shows("a", "old 1");
    fs::write(site.path("templates/part.tmpl"), "new").unwrap();
    etcd.put("/k/x", b"2").unwrap();
    site.shows("a", "new 2");
}
