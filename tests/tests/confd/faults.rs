//! What happens to a store, and to the files that are rendered from it: the last good one stays, nothing that was written
//! is missed in the end, nothing spins, and it is said once.

use std::fs;
use std::thread;
use std::time::Duration;

use vipward::render::engine::State;
use vipward_tests::servers::{Cluster, Etcd, Setting};

use crate::site::{Agent, Site, until};

const OUTAGE: &str = "the store cannot be followed";

/// Lets some tries of the agent pass, and sees that they cost little.
fn tries_cost_little(agent: &Agent) {
    let before = agent.cpu();
    // A stretch of time to measure over, and nothing that is waited for.
    thread::sleep(Duration::from_secs(2));
    let cost = agent.cpu().saturating_sub(before);
    assert!(cost < Duration::from_millis(500), "{cost:?} of CPU in two seconds of an outage");
}

fn agent(site: &Site, etcd: &Etcd) -> Agent {
    site.agent("etcdv3", &[etcd.url()])
}

#[test]
fn a_store_that_is_down_at_the_start_is_waited_for() {
    let mut etcd = Etcd::prepare(Setting::default(), "late").unwrap();
    let site = Site::with("");
    fs::write(site.path("out/a"), "last good\n").unwrap();
    let agent = agent(&site, &etcd);
    agent.reports("a", "staleness", |report| {
        report.stale_since.is_some() && report.store_error.as_deref().unwrap_or("").contains(&etcd.url())
    });
    tries_cost_little(&agent);
    assert_eq!(site.out("a"), "last good\n");
    assert_eq!(agent.logged(OUTAGE).len(), 1, "{}", agent.process.log());
    let text = String::from_utf8(agent.ask(&["status"]).stdout).unwrap();
    assert!(text.contains("the store is out of reach since"), "{text}");
    etcd.restart().unwrap();
    etcd.put("/k/x", b"1").unwrap();
    site.shows("a", "/k/x=1\n");
    agent.reports("a", "the end of it", |report| report.stale_since.is_none() && report.state == State::Ok);
    assert_eq!(agent.logged("the store is back").len(), 1);
}

#[test]
fn nothing_written_around_kills_is_missed() {
    let mut etcd = Etcd::start().unwrap();
    let site = Site::with("");
    etcd.put("/k/gone", b"1").unwrap();
    let agent = agent(&site, &etcd);
    site.shows("a", "/k/gone=1\n");
    for round in 0..3 {
        for number in 0..50 {
            etcd.put("/k/x", format!("{round}-{number}").as_bytes()).unwrap();
        }
        etcd.daemon().kill();
        agent.reports("a", "the loss", |report| report.stale_since.is_some());
        etcd.aside(|etcd| {
            etcd.put("/k/aside", round.to_string().as_bytes())?;
            etcd.delete("/k/gone").map(drop)
        })
        .unwrap();
        etcd.restart().unwrap();
        site.shows("a", &format!("/k/aside={round}\n/k/x={round}-49\n"));
        assert!(!site.out("a").contains("gone"));
    }
    agent.is("a", State::Ok);
}

#[test]
fn what_was_compacted_while_it_was_away_is_read_again() {
    let mut etcd = Etcd::start().unwrap();
    let site = Site::with("");
    etcd.put("/k/x", b"1").unwrap();
    let agent = agent(&site, &etcd);
    site.shows("a", "/k/x=1\n");
    etcd.daemon().kill();
    agent.reports("a", "the loss", |report| report.stale_since.is_some());
    etcd.aside(|etcd| {
        let mut last = 0;
        for number in 0..100 {
            last = etcd.put("/k/x", number.to_string().as_bytes())?;
        }
        etcd.compact(last)
    })
    .unwrap();
    assert_eq!(site.out("a"), "/k/x=1\n");
    etcd.restart().unwrap();
    site.shows("a", "/k/x=99\n");
    etcd.put("/k/x", b"on").unwrap();
    site.shows("a", "/k/x=on\n");
}

#[test]
fn a_store_restored_to_an_older_state_is_read_again_and_followed_on() {
    let mut etcd = Etcd::start().unwrap();
    let site = Site::with("");
    etcd.put("/k/x", b"saved").unwrap();
    let snapshot = etcd.save().unwrap();
    let agent = agent(&site, &etcd);
    for number in 0..20 {
        etcd.put("/k/later", number.to_string().as_bytes()).unwrap();
    }
    site.shows("a", "/k/later=19\n/k/x=saved\n");
    etcd.restore(&snapshot).unwrap();
    etcd.restart().unwrap();
    until("the older state", || site.out("a") == "/k/x=saved\n");
    etcd.put("/k/x", b"on").unwrap();
    site.shows("a", "/k/x=on\n");
    etcd.wipe().unwrap();
    etcd.restart().unwrap();
    until("the empty state", || site.path("out/a").exists() && site.out("a").is_empty());
    etcd.put("/k/x", b"anew").unwrap();
    site.shows("a", "/k/x=anew\n");
    drop(agent);
}

#[test]
fn a_cluster_that_loses_its_leader_is_followed_on() {
    let mut cluster = Cluster::start().unwrap();
    let site = Site::with("");
    let agent = site.agent("etcdv3", &cluster.urls());
    cluster.members[0].put("/k/x", b"0").unwrap();
    site.shows("a", "/k/x=0\n");
    for round in 1..=2 {
        let leader = cluster.leader().unwrap();
        cluster.members[leader].daemon().kill();
        let other = (leader + 1) % 3;
        let value = round.to_string();
        until("a new leader", || cluster.members[other].put("/k/x", value.as_bytes()).is_ok());
        site.shows("a", &format!("/k/x={round}\n"));
        cluster.restart(leader).unwrap();
    }
    agent.is("a", State::Ok);
}

#[test]
fn a_store_that_says_nothing_any_more_is_noticed_and_caught_up_with() {
    let mut etcd = Etcd::start().unwrap();
    let site = Site::with("");
    etcd.put("/k/x", b"1").unwrap();
    let agent = agent(&site, &etcd);
    site.shows("a", "/k/x=1\n");
    etcd.daemon().pause().unwrap();
    agent.reports("a", "the silence", |report| report.stale_since.is_some());
    assert_eq!(site.out("a"), "/k/x=1\n");
    etcd.daemon().resume().unwrap();
    etcd.put("/k/x", b"2").unwrap();
    site.shows("a", "/k/x=2\n");
    agent.reports("a", "the end of it", |report| report.stale_since.is_none());
    assert_eq!(agent.logged(OUTAGE).len(), 1, "{}", agent.process.log());
}
