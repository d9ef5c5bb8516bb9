//! etcd v3 with three members.

use vipward::render::store::Backend;
use vipward_tests::servers::{Cluster, Etcd};

use crate::support::{Following, LIMIT, options};

#[test]
fn members_and_leaders_may_go_one_by_one() {
    let mut cluster = Cluster::start().unwrap();
    let following = Following::start(options(Backend::EtcdV3, &cluster.urls()), &["/k"]);
    following.connected();
    for round in 0..3 {
        let leader = elected(&cluster);
        cluster.members[leader].daemon().kill();
        let alive = (leader + 1) % 3;
        put(&cluster.members[alive], "/k/x", &round.to_string());
        following.has("/k/x", &round.to_string());
        cluster.restart(leader).unwrap();
        // And the member that we are connected to, leader or not.
        following.connected();
        let node = following.node();
        let ours = cluster.urls().iter().position(|url| *url == node).unwrap();
        cluster.members[ours].daemon().kill();
        put(&cluster.members[(ours + 1) % 3], "/k/y", &round.to_string());
        following.has("/k/y", &round.to_string());
        cluster.restart(ours).unwrap();
    }
}

#[test]
fn without_a_quorum_the_keys_count_as_stale() {
    let mut cluster = Cluster::start().unwrap();
    put(&cluster.members[0], "/k/x", "1");
    let following = Following::start(options(Backend::EtcdV3, &cluster.urls()), &["/k"]);
    following.has("/k/x", "1");
    cluster.members[0].daemon().kill();
    cluster.members[1].daemon().kill();
    following.lost();
    assert_eq!(following.live.keys().get("/k/x"), Some("1"));
    let why = following.why();
    assert!(why.contains("127.0.0.1"), "{why}");
    cluster.restart(0).unwrap();
    put(&cluster.members[2], "/k/x", "2");
    following.has("/k/x", "2");
}

/// Writes as soon as there is a leader to take it.
fn put(member: &Etcd, key: &str, value: &str) {
    vipward_tests::lab::wait::until("a leader to take a write", LIMIT, || {
        member.put(key, value.as_bytes()).is_ok()
    })
    .unwrap();
}

fn elected(cluster: &Cluster) -> usize {
    vipward_tests::lab::wait::value("a leader", LIMIT, || cluster.leader().ok()).unwrap()
}
