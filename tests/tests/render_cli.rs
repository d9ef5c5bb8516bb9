//! The verbs of the rendering half, by the binary.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod render_support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use ::vipward::render::engine::State;
use render_support::{Nginx, engine, store, until, write};
use vipward_tests::lab::vipward;

fn run(program: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).output().expect("runs");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn confds_flags_are_understood_as_a_verb_and_under_confds_name() {
    let binary = vipward::binary().expect("built");
    let folder = tempfile::tempdir().expect("temporary directory");
    let confd = folder.path().join("confd");
    symlink(&binary, &confd).expect("linked");
    let version = format!("confd (vipward {})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&binary, &["confd", "-version"]), (Some(0), version.clone()));
    assert_eq!(run(&confd, &["--version"]), (Some(0), version));
    let (status, help) = run(&confd, &["-h"]);
    assert!(status == Some(0) && help.contains("  -keep-stage-file "), "{help}");
    let misspelt = "vipward confd: unknown flag -bakend; did you mean backend?\n".to_owned();
    assert_eq!(run(&confd, &["-watch", "-bakend=etcd"]), (Some(2), misspelt.clone()));
    assert_eq!(run(&binary, &["confd", "--bakend", "etcd"]), (Some(2), misspelt));
}

#[test]
fn nginx_check_says_by_its_exit_status_what_nginx_thinks() {
    let (nginx, binary) = (Nginx::new(), vipward::binary().expect("built"));
    let src = nginx.path("staged");
    let path = |name: &str| nginx.path(name).display().to_string();
    let (staged, dest, conf, prefix) = (path("staged"), path("conf.d/a.conf"), path("nginx.conf"), path(""));
    let arguments = ["nginx-check", &staged, "--dest", &dest, "--conf", &conf, "--prefix", &prefix];
    fs::write(&src, "server { listen 127.0.0.1:1; }").expect("written");
    assert_eq!(run(&binary, &arguments), (Some(0), String::new()));
    fs::write(&src, "server {\n nonsense; }").expect("written");
    let (status, said) = run(&binary, &arguments);
    assert_eq!(status, Some(1));
    assert!(said.contains(&format!("unknown directive \"nonsense\" in {dest}:2")), "{said}");
}

#[tokio::test]
async fn nginx_check_serves_as_a_check_cmd() {
    let nginx = Nginx::new();
    let file = nginx.path("confd/conf.d/site.conf.toml");
    let text = fs::read_to_string(&file).expect("there").replace("reload=\"nginx\"\n", "");
    let check = format!(
        "check_cmd = \"{} nginx-check {{{{.src}}}} --dest {{{{.dest}}}} --conf {} --prefix {}\"\n",
        vipward::binary().expect("built").display(),
        nginx.path("nginx.conf").display(),
        nginx.path("").display()
    );
    fs::write(&file, text + &check).expect("written");
    let live = store(&[("/a", "server { listen 127.0.0.1:1; }")]);
    let running = engine(&nginx, live.clone());
    let dest = nginx.path("conf.d/site.conf");
    until("the good one", || fs::read_to_string(&dest).is_ok_and(|text| text.contains("listen"))).await;
    write(&live, "server { lisen 1; }");
    until("the refusal", || running.report().state == State::Failed).await;
    let error = running.report().last_error.expect("failed");
    assert!(error.contains("unknown directive \"lisen\""), "{error}");
    assert!(fs::read_to_string(&dest).expect("there").contains("listen"), "the last good one stays");
    running.stop().await;
}
