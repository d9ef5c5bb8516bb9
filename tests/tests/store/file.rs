//! Files, rewritten in all the ways in which people do it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use vipward::render::store::{Backend, Options};

use crate::support::{Following, options, read_once};

fn of(paths: &[&Path]) -> Options {
    let mut options = options(Backend::File, &[]);
    options.files = paths.iter().map(|path| (*path).to_owned()).collect();
    options
}

#[test]
fn a_file_written_piece_by_piece_is_never_seen_half() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.yaml");
    fs::write(&file, "k:\n  a: old\n  b: old\n").unwrap();
    let following = Following::start(of(&[&file]), &["/k"]);
    following.has("/k/b", "old");
    let states = following.record(&["/k/a", "/k/b", "/k/c"]);
    for round in 0..5 {
        let mut writer = File::create(&file).unwrap();
        // Each piece is a document that can be understood, and each is the end of it for as long as it takes
        // another file to be seen.
        for line in ["k:\n", "  a: new\n", "  b: new\n"] {
            writer.write_all(line.as_bytes()).unwrap();
            writer.flush().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(120));
        }
        writer.write_all(format!("  c: {round}\n").as_bytes()).unwrap();
        drop(writer);
        following.has("/k/c", &round.to_string());
    }
    following.until("all states to be recorded", |_| states.lock().unwrap().len() >= 5);
    for (round, state) in states.lock().unwrap().iter().enumerate() {
        assert_eq!(*state, [Some("new".to_owned()), Some("new".to_owned()), Some(round.to_string())]);
    }
}

#[test]
fn a_file_beside_it_that_is_kept_open_delays_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.yaml");
    fs::write(&file, "k:\n  a: 0\n").unwrap();
    let mut log = File::create(folder.path().join("some.log")).unwrap();
    let following = Following::start(of(&[&file]), &["/k"]);
    following.has("/k/a", "0");
    let begun = std::time::Instant::now();
    for round in 1..=3 {
        log.write_all(b"a line\n").unwrap();
        fs::write(&file, format!("k:\n  a: {round}\n")).unwrap();
        following.has("/k/a", &round.to_string());
    }
    // An open file of ours would be waited for, ten seconds each time.
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_file_that_cannot_be_understood_leaves_the_last_good_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    fs::write(&file, r#"{"k": {"a": 1}}"#).unwrap();
    let following = Following::start(of(&[&file]), &["/k"]);
    following.has("/k/a", "1");
    fs::write(&file, r#"{"k": {"a": 2"#).unwrap();
    let why = following.why();
    assert!(why.contains("keys.json") && why.contains("line 1"), "{why}");
    assert_eq!(following.live.keys().get("/k/a"), Some("1"));
    fs::write(&file, r#"{"k": {"a": 3}}"#).unwrap();
    following.has("/k/a", "3");
    following.connected();
    fs::remove_file(&file).unwrap();
    following.lost();
    assert_eq!(following.live.keys().get("/k/a"), Some("3"));
    fs::write(&file, r#"{"k": {"a": 4}}"#).unwrap();
    following.has("/k/a", "4");
}

#[test]
fn files_are_replaced_linked_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("one.toml"), "[k]\na = 1\nb = 1\n").unwrap();
    fs::write(inner.join("two.yml"), "k: {b: 2}\n").unwrap();
    fs::write(inner.join("README.md"), "no keys: [").unwrap();
    fs::write(inner.join(".two.yml.swp"), "k: {a: 9").unwrap();
    let following = Following::start(of(&[folder.path()]), &["/k"]);
    following.has("/k/a", "1");
    following.has("/k/b", "2");
    let fresh = folder.path().join("fresh");
    fs::write(&fresh, "k: {b: 3}\n").unwrap();
    fs::rename(&fresh, inner.join("two.yml")).unwrap();
    following.has("/k/b", "3");
    // As Kubernetes publishes a config map: a link to a folder is exchanged.
    let outside = tempfile::tempdir().unwrap();
    for version in ["v1", "v2"] {
        fs::create_dir(outside.path().join(version)).unwrap();
        fs::write(outside.path().join(version).join("map.yaml"), format!("k: {{m: {version}}}\n")).unwrap();
    }
    std::os::unix::fs::symlink("v1", outside.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/map.yaml", outside.path().join("map.yaml")).unwrap();
    let linked = Following::start(of(&[&outside.path().join("map.yaml")]), &["/k"]);
    linked.has("/k/m", "v1");
    std::os::unix::fs::symlink("v2", outside.path().join("..new")).unwrap();
    fs::rename(outside.path().join("..new"), outside.path().join("..data")).unwrap();
    linked.has("/k/m", "v2");
    let mut filtered = of(&[folder.path()]);
    filtered.filter = "*.toml".to_owned();
    assert_eq!(read_once(filtered, &["/k"]).unwrap().get("/k/b"), Some("1"));
}

#[test]
fn a_hundred_thousand_keys_and_a_large_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let keys: serde_json::Map<String, serde_json::Value> =
        (0..100_000).map(|i| (format!("key-{i}"), serde_json::Value::from(i))).collect();
    let write = |large: &str| {
        fs::write(&file, serde_json::json!({"k": keys, "large": large}).to_string()).unwrap();
    };
    write("small");
    let following = Following::start(of(&[&file]), &["/k", "/large"]);
    following.has("/k/key-99999", "99999");
    assert_eq!(following.live.keys().len(), 100_001);
    let mut changes = following.live.subscribe();
    write(&"x".repeat(1 << 20));
    following.until("the large value", |live| live.keys().get("/large").map(str::len) == Some(1 << 20));
    let change = changes.take().unwrap();
    assert!(change.paths.touches("/large") && !change.paths.touches("/k"), "only the difference is told");
}
