//! Files as they are on disks.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::time::Duration;

use super::*;
use crate::render::resource::CheckCommand;

fn resource(dest: &Path) -> Resource {
    Resource {
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
    }
}

async fn with(resource: &Resource, content: &str, options: Options) -> Result<Outcome, ApplyError> {
    let (_stop, mut cancel) = watch::channel(false);
    apply(resource, content.to_owned(), options, || Ok(()), &mut cancel).await
}

async fn put(resource: &Resource, content: &str) -> Result<Outcome, ApplyError> {
    with(resource, content, Options::default()).await
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_file_is_written_once_and_keeps_what_its_predecessor_had() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dest = dir.path().join("a.conf");
    let plain = resource(&dest);
    assert!(matches!(put(&plain, "one").await.expect("new"), Outcome::Written { .. }));
    assert_eq!(mode(&dest), 0o644);
    fs::set_permissions(&dest, Permissions::from_mode(0o640)).expect("chmod");
    chown(&dest, Some(65534), Some(65534)).expect("chown");
    assert!(matches!(put(&plain, "two").await.expect("changed"), Outcome::Written { .. }));
    let metadata = fs::metadata(&dest).expect("there");
    assert_eq!((mode(&dest), metadata.uid(), metadata.gid()), (0o640, 65534, 65534));
    assert!(matches!(put(&plain, "two").await.expect("same"), Outcome::Unchanged));
    assert_eq!(fs::metadata(&dest).expect("there").ino(), metadata.ino(), "not even rewritten");

    let owned = Resource { mode: Some(0o600), uid: Some(0), gid: Some(0), ..plain };
    assert!(matches!(put(&owned, "two").await.expect("attributes"), Outcome::Attributes));
    let metadata = fs::metadata(&dest).expect("there");
    assert_eq!((mode(&dest), metadata.uid(), metadata.gid()), (0o600, 0, 0));
    assert_eq!(entries(dir.path()), ["a.conf"]);
}

#[tokio::test]
async fn a_check_sees_the_staged_file_as_private_as_the_target_and_can_refuse_it() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dest = dir.path().join("a b.conf");
    let seen = dir.path().join("seen");
    let line = format!(
        "stat -c '%a %u' {{{{.src}}}} >{0} && cat \"{{{{.src}}}}\" >>{0} && test ! -e {{{{.dest}}}}",
        seen.display()
    );
    let good = Resource {
        check: Some(CheckCommand::parse(&line).expect("parses")),
        mode: Some(0o400),
        uid: Some(65534),
        ..resource(&dest)
    };
    put(&good, "secret\n").await.expect("passes");
    assert_eq!(fs::read_to_string(&seen).expect("ran"), "400 65534\nsecret\n");
    assert_eq!(fs::read_to_string(&dest).expect("there"), "secret\n");

    let line = "echo line 3 is wrong; exit 4";
    let bad = Resource { check: Some(CheckCommand::parse(line).expect("parses")), ..resource(&dest) };
    let error = put(&bad, "worse").await.expect_err("refused").to_string();
    assert_eq!(
        error,
        format!("check_cmd `{line}` refuses the new file, the old one stays: exit status 4: line 3 is wrong")
    );
    assert_eq!(fs::read_to_string(&dest).expect("there"), "secret\n");
    assert_eq!(entries(dir.path()), ["a b.conf", "seen"], "no stage is left");
    let sync_only = Options { sync_only: true, ..Options::default() };
    assert!(matches!(with(&bad, "worse", sync_only).await.expect("unchecked"), Outcome::Written { .. }));
}

#[tokio::test]
async fn a_check_that_hangs_is_ended_with_all_that_it_started() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pid = dir.path().join("pid");
    let line = format!("sleep 600 & echo $! >{}; wait", pid.display());
    let hanging = Resource {
        check: Some(CheckCommand::parse(&line).expect("parses")),
        check_timeout: Duration::from_millis(300),
        ..resource(&dir.path().join("a"))
    };
    let error = put(&hanging, "x").await.expect_err("ended").to_string();
    assert!(error.contains("timed out after 300ms"), "{error}");
    let pid = fs::read_to_string(&pid).expect("ran");
    let stat = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !(stat().is_empty() || stat().contains(") Z ")) {
        assert!(std::time::Instant::now() < deadline, "{} lives", pid.trim());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn links_stay_and_what_they_point_to_is_replaced() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::create_dir_all(dir.path().join("real")).expect("created");
    fs::create_dir_all(dir.path().join("links")).expect("created");
    let (real, link) = (dir.path().join("real/a"), dir.path().join("links/a"));
    symlink("../real/a", &link).expect("linked");
    put(&resource(&link), "dangling").await.expect("created where it points");
    fs::set_permissions(&real, Permissions::from_mode(0o604)).expect("chmod");
    put(&resource(&link), "again").await.expect("replaced");
    assert!(link.symlink_metadata().expect("there").is_symlink());
    assert_eq!((fs::read_to_string(&real).expect("there").as_str(), mode(&real)), ("again", 0o604));
    assert_eq!(entries(&dir.path().join("links")), ["a"]);

    std::os::unix::fs::lchown(&link, Some(65534), None).expect("chown");
    let error = put(&resource(&link), "third").await.expect_err("somebody else's").to_string();
    assert!(error.contains("is a symbolic link of user 65534"), "{error}");
    let circle = dir.path().join("circle");
    symlink(&circle, &circle).expect("linked");
    assert!(put(&resource(&circle), "x").await.expect_err("circle").to_string().contains("cannot look at"));
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let missing = dir.path().join("no/such/a");
    let error = put(&resource(&missing), "x").await.expect_err("no folder").to_string();
    assert!(error.contains("no/such does not exist: create it, or set create_dest_dirs"), "{error}");
    let making = Resource { create_dest_dirs: true, ..resource(&missing) };
    put(&making, "x").await.expect("made");
    let folder = put(&resource(dir.path()), "x").await.expect_err("folder").to_string();
    assert!(folder.contains("is a folder: dest must name a file"), "{folder}");
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    let fifo = put(&resource(&fifo), "x").await.expect_err("fifo").to_string();
    assert!(fifo.contains("is not a regular file"), "{fifo}");
}

#[tokio::test]
async fn noop_touches_nothing_and_a_refused_note_stops() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dest = dir.path().join("a");
    fs::write(&dest, "old\n").expect("written");
    let noop = Options { noop: true, ..Options::default() };
    let Outcome::WouldWrite(diff) = with(&resource(&dest), "new\n", noop).await.expect("noop") else {
        panic!("wrote")
    };
    assert!(diff.ends_with("-old\n+new\n"), "{diff}");
    let (_stop, mut cancel) = watch::channel(false);
    let refuse = || Err(io::Error::other("no"));
    let refused = apply(&resource(&dest), "new\n".into(), Options::default(), refuse, &mut cancel).await;
    assert!(matches!(refused, Err(ApplyError::Note(_))));
    assert_eq!(fs::read_to_string(&dest).expect("there"), "old\n");
    assert_eq!(entries(dir.path()), ["a"]);
}

#[tokio::test]
async fn what_was_there_can_be_put_back() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dest = dir.path().join("a");
    let Outcome::Written { previous: nothing, .. } = put(&resource(&dest), "one").await.expect("new") else {
        panic!("not new")
    };
    fs::set_permissions(&dest, Permissions::from_mode(0o600)).expect("chmod");
    let Outcome::Written { previous: one, .. } = put(&resource(&dest), "two").await.expect("changed") else {
        panic!("same")
    };
    restore(one).await.expect("put back");
    assert_eq!((fs::read_to_string(&dest).expect("there").as_str(), mode(&dest)), ("one", 0o600));
    restore(nothing).await.expect("taken away");
    assert!(entries(dir.path()).is_empty());
}

#[tokio::test]
async fn stages_of_the_dead_are_swept_and_no_other_file_is() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dest = dir.path().join("a.conf");
    let keep = Options { keep_stage_file: true, ..Options::default() };
    let refused = Resource { check: Some(CheckCommand::parse("false").expect("parses")), ..resource(&dest) };
    with(&refused, "x", keep).await.expect_err("refused");
    assert_eq!(entries(dir.path()).len(), 1, "kept");
    for name in [".a.conf123", ".a.conf.vipward-xyz", ".b.conf.vipward-0000000000000000", "a.conf"] {
        fs::write(dir.path().join(name), "").expect("written");
    }
    // The test's parent lives.
    let parent = format!(".a.conf.vipward-{:08x}00000000", std::os::unix::process::parent_id());
    fs::write(dir.path().join(&parent), "").expect("written");
    assert_eq!(sweep(&dest), 1);
    assert_eq!(entries(dir.path()).len(), 5);
    let long = dir.path().join("n".repeat(250));
    put(&resource(&long), "x").await.expect("a name that leaves no room for the mark");
}

async fn difference(resource: &Resource, content: &str) -> Option<String> {
    match put(resource, content).await.expect("written") {
        Outcome::Written { diff, .. } => diff,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_changed_is_kept_in_short() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
    let plain = resource(&dir.path().join("a.conf"));
    let diff = difference(&plain, "a\nb\n").await.expect("for everybody");
    assert!(diff.starts_with("--- /dev/null\n") && diff.ends_with("+a\n+b\n"), "{diff}");
    let diff = difference(&plain, "a\nc\n").await.expect("for everybody");
    assert!(diff.ends_with("@@ -1,2 +1,2 @@\n a\n-b\n+c\n"), "{diff}");
    for long in ["x\n".repeat(100_000), "y".repeat(2 << 20), "z\n".repeat(100_000)] {
        let diff = difference(&plain, &long).await.expect("for everybody");
        assert!(diff.len() < 5000, "{} bytes", diff.len());
    }
    let fresh = resource(&dir.path().join("b.conf"));
    let diff = difference(&fresh, &"y".repeat(2 << 20)).await.expect("for everybody");
    assert!(diff.len() < 5000 && diff.contains("+yyy"), "{} bytes", diff.len());
}

#[tokio::test]
async fn what_not_everybody_may_read_is_shown_to_nobody() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
    let plain = resource(&dir.path().join("a.conf"));
    assert!(!secrecy::is_private(&plain), "as files are by default");
    let secret = Resource { mode: Some(0o640), ..plain.clone() };
    assert!(secrecy::is_private(&secret), "as it is to be");
    assert_eq!(difference(&secret, "one").await, None);
    assert!(secrecy::is_private(&plain), "as it is");
    let opened = Resource { mode: Some(0o644), ..plain.clone() };
    assert_eq!(difference(&opened, "two").await, None, "what stood there before was secret");
    assert!(difference(&opened, "three").await.is_some(), "and now nothing is");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o750)).expect("chmod");
    assert_eq!(difference(&opened, "four").await, None, "nobody gets through the folder");
    assert!(secrecy::is_private(&opened));
}
