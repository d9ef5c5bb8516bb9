//! ZooKeeper.

use std::time::Duration;

use vipward::render::store::Backend;
use vipward_tests::servers::Zookeeper;
use zookeeper_client::{Acls, Client, CreateMode};

use crate::support::{Following, options, pairs, read_once, runtime};

fn follow(zookeeper: &Zookeeper, prefixes: &[&str]) -> Following {
    Following::start(options(Backend::Zookeeper, &[zookeeper.node()]), prefixes)
}

/// Does something with a client of its own.
fn with<T>(zookeeper: &Zookeeper, work: impl AsyncFnOnce(&Client) -> T) -> T {
    runtime().block_on(async {
        let client = Client::connector().with_session_timeout(Duration::from_secs(20));
        let client = client.connect(&zookeeper.node()).await.unwrap();
        work(&client).await
    })
}

async fn create(client: &Client, path: &str, value: &[u8]) {
    client.create(path, value, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
}

#[test]
fn nodes_come_and_go_and_come_again() {
    let zookeeper = Zookeeper::start().unwrap();
    let following = follow(&zookeeper, &["/k", "/later/deep"]);
    following.connected();
    assert!(following.live.keys().is_empty());
    with(&zookeeper, async |client| {
        create(client, "/k", b"leaf").await;
        following.has("/k", "leaf");
        create(client, "/k/x", b"1").await;
        following.has("/k/x", "1");
        // A folder is no key.
        following.lacks("/k");
        create(client, "/later", b"").await;
        create(client, "/later/deep", b"").await;
        create(client, "/later/deep/y", b"2").await;
        following.has("/later/deep/y", "2");
        for round in 0..50 {
            client.set_data("/k/x", round.to_string().as_bytes(), None).await.unwrap();
        }
        following.has("/k/x", "49");
        client.set_data("/k/x", b"\xff", None).await.unwrap();
        following.until("the bad value", |live| live.keys().unreadable("/k/x").count() == 1);
        for value in ["again", "and again"] {
            client.delete("/k/x", None).await.unwrap();
            following.lacks("/k/x");
            following.has("/k", "leaf");
            create(client, "/k/x", value.as_bytes()).await;
            following.has("/k/x", value);
        }
        client.delete("/k/x", None).await.unwrap();
        client.delete("/k", None).await.unwrap();
        following.lacks("/k");
        create(client, "/k", b"reborn").await;
        following.has("/k", "reborn");
    });
    let once = read_once(options(Backend::Zookeeper, &[zookeeper.node()]), &["/"]).unwrap();
    assert_eq!(pairs(&once), pairs(&following.live.keys()));
}

#[test]
fn a_burst_over_many_nodes_ends_with_the_last_values() {
    let zookeeper = Zookeeper::start().unwrap();
    with(&zookeeper, async |client| {
        create(client, "/k", b"").await;
        for number in 0..100 {
            create(client, &format!("/k/{number}"), b"old").await;
        }
        let following = follow(&zookeeper, &["/k"]);
        following.has("/k/99", "old");
        for number in 0..1_000 {
            client
                .set_data(&format!("/k/{}", number % 100), number.to_string().as_bytes(), None)
                .await
                .unwrap();
        }
        for number in 900..1_000 {
            following.has(&format!("/k/{}", number % 100), &number.to_string());
        }
    });
}

#[test]
fn sessions_may_expire_and_servers_restart() {
    let mut zookeeper = Zookeeper::start().unwrap();
    with(&zookeeper, async |client| create(client, "/k", b"1").await);
    let following = follow(&zookeeper, &["/k"]);
    following.has("/k", "1");
    // Longer than the session lives.
    zookeeper.daemon().pause().unwrap();
    following.lost();
    std::thread::sleep(Duration::from_secs(7));
    zookeeper.daemon().resume().unwrap();
    following.connected();
    with(&zookeeper, async |client| client.set_data("/k", b"2", None).await.unwrap());
    following.has("/k", "2");
    zookeeper.daemon().kill();
    following.lost();
    assert_eq!(following.live.keys().get("/k"), Some("2"));
    zookeeper.restart().unwrap();
    with(&zookeeper, async |client| client.set_data("/k", b"3", None).await.unwrap());
    following.has("/k", "3");
    following.connected();
}
