//! The journal on real files: full, damaged, and in the way of each other.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::show::{Show, Since, show_on};
use super::store::{FILE, MAX_SIZE, OLDER};
use super::*;
use crate::control::rundir::RunDirError;
use crate::control::status::State;

fn open(path: &Path) -> Journal {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match RunDir::open(path) {
            Ok(run_dir) => return Journal::open(Arc::new(run_dir)).expect("a thread"),
            // A process that another test just starts has a copy of the lock until it executes its program.
            Err(RunDirError::InUse(..)) if Instant::now() < end => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn shown(path: &Path, show: &Show) -> String {
    let mut out = Vec::new();
    show_on(path, show, false, &mut out).expect("shown");
    String::from_utf8(out).expect("text")
}

fn transition() -> Record {
    Record::new("transition", "the master fell silent").of("VI_1").between(State::Backup, State::Master)
}

#[test]
fn what_happened_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let journal = open(dir.path());
    journal.note(Record::new("agent", "started"));
    journal.note(transition());
    drop(journal);
    let journal = open(dir.path());
    journal.note(Record::new("script", "chk\x1b[2J is down"));
    drop(journal);
    let text = shown(dir.path(), &Show::default());
    let lines: Vec<&str> = text.lines().map(|line| line.split_at(23).1).collect();
    let expected = [
        "  -  agent  started",
        "  VI_1  BACKUP → MASTER  the master fell silent",
        "  -  script  chk\u{fffd}[2J is down",
    ];
    assert_eq!(lines, expected);
    let json = shown(dir.path(), &Show { json: true, ..Show::default() });
    let second: Record = serde_json::from_str(json.lines().nth(1).expect("three")).expect("JSON");
    assert_eq!((second.from, second.to), (Some(State::Backup), Some(State::Master)));
    let later = Some("2999-01-01 00:00:00".parse::<Since>().expect("a time"));
    assert_eq!(shown(dir.path(), &Show { since: later, ..Show::default() }), "");
    let hour = Some("1h".parse::<Since>().expect("a time"));
    assert_eq!(shown(dir.path(), &Show { since: hour, ..Show::default() }), text);
    assert!("yesterday".parse::<Since>().is_err());
}

#[test]
fn it_is_bounded_and_keeps_the_newest() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let run_dir = Arc::new(RunDir::open(dir.path()).expect("run directory"));
    let mut store = Store::new(run_dir);
    for number in 0..12_000 {
        store.append(&Record::new("note", format!("{number} {}", "x".repeat(5000)))).expect("written");
    }
    let size = |name| fs::metadata(dir.path().join(name)).expect("there").len();
    assert!(size(FILE) <= MAX_SIZE && size(OLDER) <= MAX_SIZE, "{} and {}", size(FILE), size(OLDER));
    let text = shown(dir.path(), &Show::default());
    assert!(text.lines().count() > 1000 && text.lines().last().expect("some").contains("  11999 xxx"));
}

#[test]
fn damage_costs_the_lines_that_it_hit_and_no_other() {
    let dir = tempfile::tempdir().expect("temporary directory");
    drop(open(dir.path()));
    let garbage = [b"\xff\xfe\0\n{}\n[[[[\n".as_slice(), &b"[".repeat(100_000), b"\n{\"at\":\"cut"].concat();
    fs::write(dir.path().join(FILE), garbage).expect("written");
    let journal = open(dir.path());
    journal.note(transition());
    drop(journal);
    let text = shown(dir.path(), &Show::default());
    assert!(text.lines().count() == 1 && text.contains("BACKUP → MASTER"), "{text}");
}

#[test]
fn what_is_no_file_is_not_written_to_and_what_was_lost_is_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let target = dir.path().join("target");
    std::os::unix::fs::symlink(&target, dir.path().join(FILE)).expect("linked");
    let run_dir = Arc::new(RunDir::open(dir.path()).expect("run directory"));
    let lost = Arc::new(AtomicU64::new(0));
    let mut writer = Writer { store: Store::new(run_dir), lost: Arc::clone(&lost), failing: false };
    writer.write(&transition());
    writer.write(&transition());
    assert!(!target.exists() && writer.failing && lost.load(Ordering::Relaxed) == 2);
    assert!(show_on(dir.path(), &Show::default(), false, &mut Vec::new()).is_err());
    fs::remove_file(dir.path().join(FILE)).expect("removed");
    writer.write(&transition());
    let text = shown(dir.path(), &Show::default());
    assert!(
        text.contains("journal  2 events are missing here") && text.contains("BACKUP → MASTER"),
        "{text}"
    );
    assert!(!writer.failing && lost.load(Ordering::Relaxed) == 0);
}

#[test]
fn a_disk_without_room_loses_events_and_tells_how_many() {
    // Every write to it is refused for want of room.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("there is one");
    let dir = tempfile::tempdir().expect("temporary directory");
    let run_dir = Arc::new(RunDir::open(dir.path()).expect("run directory"));
    let lost = Arc::new(AtomicU64::new(0));
    let mut writer =
        Writer { store: Store::with(Arc::clone(&run_dir), full), lost: Arc::clone(&lost), failing: false };
    writer.write(&transition());
    assert_eq!(lost.load(Ordering::Relaxed), 1);
    writer.write(&transition());
    assert!(shown(dir.path(), &Show::default()).contains("1 events are missing here"));
}

#[test]
fn without_a_journal_it_is_said_where_one_would_be() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let error = show_on(dir.path(), &Show::default(), false, &mut Vec::new()).expect_err("nothing there");
    assert!(error.to_string().contains(&dir.path().join(FILE).display().to_string()), "{error}");
}
