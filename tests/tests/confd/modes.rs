//! Once, from time to time, whenever something changes, or only to see what would change.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use vipward_tests::lab::vipward::binary;
use vipward_tests::servers::{Etcd, free_port};

use crate::site::{Site, said, until};

#[test]
fn once_renders_all_that_can_be_and_fails_for_the_rest() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with("");
    etcd.put("/k/x", b"1").unwrap();
    let flags = ["-onetime", "-backend", "etcd", "-node", &etcd.url()];
    let output = site.confd(&flags);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(site.out("a"), "/k/x=1\n");

    site.resource("b", "fine\n{{getv \"/nothing\"}}", "/nothing", "");
    etcd.put("/k/x", b"2").unwrap();
    let output = site.confd(&flags);
    assert_eq!(output.status.code(), Some(1));
    let place = format!("{}:2", site.name("templates/b.tmpl"));
    assert!(said(&output).contains("`/nothing`") && said(&output).contains(&place), "{}", said(&output));
    assert_eq!(site.out("a"), "/k/x=2\n");

    let nowhere = format!("http://127.0.0.1:{}", free_port().unwrap());
    let output = site.confd(&["-onetime", "-backend", "etcd", "-node", &nowhere]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(&nowhere), "{}", said(&output));
    assert_eq!(site.out("a"), "/k/x=2\n");
}

#[test]
fn called_confd_it_is_confd_and_an_interval_reads_from_time_to_time() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with("");
    let confd = site.path("confd");
    symlink(binary().unwrap(), &confd).unwrap();
    let mut process = vipward_tests::servers::Daemon::new(&confd).unwrap();
    let (folder, run_dir) = (site.name(""), site.name("run"));
    let words = ["-interval=1", "-confdir", &folder, "-run-dir", &run_dir, "--backend=etcdv3", "-node"];
    process.set_arguments(words.iter().map(ToString::to_string).chain([etcd.url()]).collect());
    process.start(|| true).unwrap();
    until("the first reading", || site.path("out/a").exists());
    for value in ["1", "2"] {
        etcd.put("/k/x", value.as_bytes()).unwrap();
        site.shows("a", &format!("/k/x={value}\n"));
    }
    fs::write(site.path("out/a"), "by hand").unwrap();
    site.shows("a", "/k/x=2\n");
    process.stop().unwrap();
}

#[test]
fn noop_shows_what_would_change_and_changes_nothing() {
    let etcd = Etcd::start().unwrap();
    let site = Site::with(&format!("reload_cmd='touch {}'", Site::new().name("never")));
    etcd.put("/k/x", b"new").unwrap();
    fs::write(site.path("out/a"), "/k/x=old\n").unwrap();
    let flags = ["-onetime", "-noop", "-backend", "etcdv3", "-node", &etcd.url()];
    let plain = site.confd(&flags);
    let diff = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert!(plain.status.success() && diff.contains("\n-/k/x=old\n+/k/x=new\n"), "{}", said(&plain));
    assert!(!diff.contains('\x1b'), "no colours into a pipe: {diff}");
    // A terminal, by util-linux.
    let line = format!(
        "{} confd -confdir {} -run-dir {} {}",
        binary().unwrap().display(),
        site.name(""),
        site.name("run"),
        flags.join(" ")
    );
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
    let text = said(&output);
    assert!(text.contains("\x1b[31m-/k/x=old\x1b[0m") && text.contains("\x1b[32m+/k/x=new\x1b[0m"), "{text}");
    assert_eq!(site.out("a"), "/k/x=old\n");
}
