//! The built-in check and reload against a real nginx, each test with its own prefix, ports and processes.

#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod render_support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use render_support::{Nginx, engine, fetch, free_port, server, store, until, write};
use tokio::sync::watch;
use vipward::render::engine::State;
use vipward::render::nginx::check::{CheckError, check};
use vipward::render::nginx::reload::{ReloadError, reload};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn checked(nginx: &Nginx, fragment: &str, dest: &Path) -> Result<(), CheckError> {
    let src = nginx.path("staged");
    fs::write(&src, fragment).expect("written");
    let (_stop, mut cancel) = watch::channel(false);
    let result = check(&src, dest, &nginx.installation(), &mut cancel).await;
    fs::remove_file(&src).expect("removed");
    result
}

#[tokio::test]
async fn a_fragment_is_checked_where_it_shall_stand_and_nothing_else_is_touched() {
    let nginx = Nginx::new();
    fs::write(nginx.path("conf.d/10-other.conf"), "upstream other { server 127.0.0.1:1; }\n")
        .expect("written");
    let before = nginx.listing();
    let dest = nginx.path("conf.d/20-new.conf");
    let good = "server { listen 127.0.0.1:1; location / { proxy_pass http://other; } }\n";
    checked(&nginx, good, &dest)
        .await
        .expect("a new file that an include will find, using what another one has");
    let error =
        checked(&nginx, "# one\nserver {\n  lisen 1;\n}\n", &dest).await.expect_err("a mistake").to_string();
    assert!(error.contains("unknown directive \"lisen\" in ") && error.contains("20-new.conf:3"), "{error}");
    assert!(error.contains(&dest.display().to_string()), "named by its own path: {error}");
    let error = checked(&nginx, "upstream empty { }\n", &dest).await.expect_err("no servers").to_string();
    assert!(error.contains("no servers are inside upstream"), "{error}");
    let unreached = nginx.path("elsewhere.conf");
    assert!(matches!(checked(&nginx, good, &unreached).await, Err(CheckError::NotReached(..))));
    assert_eq!(nginx.listing(), before, "no pid file, no log, no new file");
}

#[tokio::test]
async fn links_relative_names_and_the_main_file_itself_are_followed() {
    let nginx = Nginx::new();
    let available = nginx.path("sites-available/www");
    fs::write(&available, "server { listen 127.0.0.1:1; }\n").expect("written");
    std::os::unix::fs::symlink("../sites-available/www", nginx.path("sites-enabled/www")).expect("linked");
    fs::write(nginx.path("users"), "u:x\n").expect("written");
    let uses =
        "server { listen 127.0.0.1:1; auth_basic a; auth_basic_user_file users; include snippets/a.conf; }\n";
    fs::create_dir(nginx.path("snippets")).expect("created");
    fs::write(nginx.path("snippets/a.conf"), "add_header A b;\n").expect("written");
    checked(&nginx, uses, &available).await.expect("behind a link, with names relative to the main file");
    checked(&nginx, "nonsense", &available).await.expect_err("the link leads to the new content");

    let main = fs::read_to_string(nginx.path("nginx.conf")).expect("there");
    checked(&nginx, &main, &nginx.path("nginx.conf")).await.expect("the main file");
    let loops = nginx.path("conf.d/loop.conf");
    let error = checked(&nginx, "include conf.d/loop.conf;", &loops).await.expect_err("circle").to_string();
    assert!(error.contains("does it include itself?"), "{error}");
}

#[tokio::test]
async fn a_reload_is_seen_to_happen() {
    let mut nginx = Nginx::new();
    let port = free_port();
    nginx.start();
    let (_stop, mut cancel) = watch::channel(false);
    nginx.serve("a.conf", port, "one");
    reload(&nginx.installation(), TIMEOUT, &mut cancel).await.expect("reloads");
    assert_eq!(fetch(port).as_deref(), Some("one"), "at once: the new workers are there");
    fs::write(nginx.path("conf.d/a.conf"), "nonsense;").expect("written");
    let error = reload(&nginx.installation(), TIMEOUT, &mut cancel).await.expect_err("refused");
    assert!(error.is_refusal() && error.to_string().contains("unknown directive \"nonsense\""), "{error}");
    assert_eq!(fetch(port).as_deref(), Some("one"), "with what it had");
}

#[tokio::test]
async fn what_is_no_master_is_not_signalled() {
    let nginx = Nginx::new();
    let (_stop, mut cancel) = watch::channel(false);
    let error = reload(&nginx.installation(), TIMEOUT, &mut cancel).await.expect_err("no pid file");
    assert!(matches!(error, ReloadError::NotRunning(..)), "{error}");
    // SIGHUP would end this very process.
    fs::write(nginx.path("nginx.pid"), std::process::id().to_string()).expect("written");
    let error =
        reload(&nginx.installation(), TIMEOUT, &mut cancel).await.expect_err("the test itself").to_string();
    assert!(error.contains("is no nginx master"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_rolled_back_and_tried_again() {
    let mut nginx = Nginx::new();
    let (port, taken) = (free_port(), TcpListener::bind("127.0.0.1:0").expect("bound"));
    let taken_port = taken.local_addr().expect("address").port();
    nginx.start();
    let live = store(&[("/a", &server(port, "one"))]);
    let running = engine(&nginx, live.clone());
    until("the first", || fetch(port).as_deref() == Some("one")).await;

    let fragment = server(taken_port, "two");
    checked(&nginx, &fragment, &nginx.path("conf.d/site.conf")).await.expect("nginx -t sees nothing wrong");
    write(&live, &fragment);
    until("the refusal", || running.report().state == State::Failed).await;
    let error = running.report().last_error.expect("failed");
    assert!(
        error.contains("Address already in use")
            && error.contains("is as it was before, and nginx runs that"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(nginx.path("conf.d/site.conf")).expect("there"), server(port, "one"));
    assert_eq!(fetch(port).as_deref(), Some("one"));
    drop(taken);
    until("the port is free", || fetch(taken_port).as_deref() == Some("two")).await;
    until("the report", || running.report().last_error.is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn one_bad_file_does_not_keep_the_others_from_nginx() {
    let mut nginx = Nginx::new();
    let (one, two) = (free_port(), free_port());
    nginx.start();
    nginx.resource("good.conf", "/good");
    let live = store(&[("/a", "bad;"), ("/good", &server(two, "good"))]);
    let running = engine(&nginx, live.clone());
    until("the good one", || fetch(two).as_deref() == Some("good")).await;
    until("the bad one", || running.report().state == State::Failed).await;
    assert!(!nginx.path("conf.d/site.conf").exists(), "there was none before");
    write(&live, &server(one, "mended"));
    until("the mended one", || fetch(one).as_deref() == Some("mended")).await;
    running.stop().await;
}
