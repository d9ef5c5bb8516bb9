//! Putting files in place on file systems that do not help: full, read-only, or mounted onto the file itself. Each test
//! has a mount namespace of its own, which goes with its thread.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tokio::sync::watch;
use vipward::render::apply::{ApplyError, Options, Outcome, apply};
use vipward::render::resource::Resource;

/// Runs `test` with a small tmpfs at the path that it gets, seen by nobody else.
fn on_a_small_disk(test: impl FnOnce(&Path) + Send + 'static) {
    let folder = tempfile::tempdir().expect("temporary directory");
    let path = folder.path().to_owned();
    let within = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
            eprintln!("SKIPPED: this needs a mount namespace of its own, run it as root: {error}");
            return;
        }
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).expect("tmpfs");
        test(&path);
    });
    within.join().expect("the test passes");
}

fn remount_read_only(path: &Path) {
    let none: Option<&str> = None;
    mount(none, path, none, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, none).expect("read-only");
}

fn bind(from: &Path, to: &Path) {
    let none: Option<&str> = None;
    mount(Some(from), to, none, MsFlags::MS_BIND, none).expect("bound");
}

/// A runtime of the calling thread, whose helpers see what it sees.
fn put(dest: &Path, content: &str) -> Result<Outcome, ApplyError> {
    let resource = Resource {
        name: "x.toml".into(),
        file: "/conf.d/x.toml".into(),
        src: "/templates/x.tmpl".into(),
        dest: dest.to_owned(),
        prefix: "/".into(),
        keys: Vec::new(),
        mode: None,
        uid: None,
        gid: None,
        check: None,
        check_timeout: Duration::from_secs(10),
        reload: None,
        reload_timeout: Duration::from_secs(10),
        wait: None,
        create_dest_dirs: false,
        min_upstreams: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let (_stop, mut cancel) = watch::channel(false);
    runtime.block_on(apply(&resource, content.to_owned(), Options::default(), || Ok(()), &mut cancel))
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).expect("folder").flatten().map(|entry| entry.path()).collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_leaves_the_last_good_file_and_no_stage() {
    on_a_small_disk(|disk| {
        let dest = disk.join("a.conf");
        put(&dest, "last good").expect("room");
        let error = put(&dest, &"x".repeat(100_000)).expect_err("no room").to_string();
        assert!(error.contains("No space left on device") && error.contains("stays as it was"), "{error}");
        assert_eq!(fs::read_to_string(&dest).expect("there"), "last good");
        assert_eq!(names(disk).len(), 1);
        put(&dest, "room again").expect("nothing of the failure is in the way");
    });
}

#[test]
fn a_read_only_disk_is_named() {
    on_a_small_disk(|disk| {
        let dest = disk.join("a.conf");
        put(&dest, "last good").expect("room");
        remount_read_only(disk);
        let error = put(&dest, "new").expect_err("read-only").to_string();
        assert!(error.contains("Read-only file system"), "{error}");
        assert_eq!(fs::read_to_string(&dest).expect("there"), "last good");
        assert!(matches!(put(&dest, "last good").expect("nothing to do"), Outcome::Unchanged));
    });
}

#[test]
fn a_file_that_is_a_mount_point_is_written_in_place_and_only_when_it_changes() {
    on_a_small_disk(|disk| {
        let (source, dest) = (disk.join("source"), disk.join("a.conf"));
        fs::write(&source, "old and much longer than the new one").expect("written");
        fs::write(&dest, "").expect("written");
        bind(&source, &dest);
        let before = fs::metadata(&source).expect("there");
        assert!(matches!(put(&dest, "new").expect("in place"), Outcome::Written { .. }));
        assert_eq!(fs::read_to_string(&source).expect("there"), "new");
        let after = fs::metadata(&source).expect("there");
        assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
        for _ in 0..3 {
            assert!(matches!(put(&dest, "new").expect("the same"), Outcome::Unchanged));
        }
        let now = fs::metadata(&source).expect("there");
        assert_eq!((now.mtime(), now.mtime_nsec()), (after.mtime(), after.mtime_nsec()), "not written again");
        assert_eq!(names(disk), [dest, source], "no stage is left");
    });
}

#[test]
fn a_mount_point_on_a_full_disk_keeps_its_content() {
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    let dest = elsewhere.path().join("a.conf");
    on_a_small_disk(move |disk| {
        let source = disk.join("source");
        fs::write(&source, "last good").expect("written");
        fs::write(&dest, "").expect("written");
        bind(&source, &dest);
        // There is room for the stage, which is on another disk than the file.
        let error = put(&dest, &"x".repeat(100_000)).expect_err("no room").to_string();
        assert!(error.contains("No space left on device"), "{error}");
        assert_eq!(fs::read_to_string(&source).expect("there"), "last good");
        assert_eq!(names(elsewhere.path()), [dest]);
    });
}
