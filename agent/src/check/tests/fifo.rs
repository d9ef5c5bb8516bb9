//! Notify FIFOs, read and unread.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::libc;
use nix::unistd::{Gid, Uid};

use super::super::fifo::{FifoSpec, Fifos};
use super::super::notify::Subject;
use super::*;

fn instance(name: &str) -> Subject {
    Subject::Instance(name.to_owned())
}

fn spec(dir: &Path, reader: Option<Launch>) -> FifoSpec {
    FifoSpec { path: dir.join("fifo"), owner: (Uid::effective(), Gid::effective()), reader }
}

/// All that waits in a FIFO.
fn waiting(path: &Path) -> String {
    let mut file =
        std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("open");
    let mut text = Vec::new();
    // It ends with "would block", for the writer is still there.
    let _ = file.read_to_end(&mut text);
    String::from_utf8(text).expect("text")
}

#[tokio::test]
async fn lines_wait_for_a_reader_and_those_without_room_are_dropped() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let spec = spec(dir.path(), None);
    let mut fifos = Fifos::default();
    fifos.apply(std::slice::from_ref(&spec));
    assert!(spec.path.symlink_metadata().expect("made").file_type().is_fifo());
    fifos.write(&instance("VI 1"), "MASTER", 150);
    fifos.write(&Subject::Group("G".into()), "FAULT", 0);
    assert_eq!(waiting(&spec.path), "INSTANCE \"VI 1\" MASTER 150\nGROUP \"G\" FAULT 0\n");

    // Far more than there is room for: nobody waits, and every line that is there is whole.
    for _ in 0..10_000 {
        fifos.write(&instance("VI 1"), "BACKUP", 100);
    }
    let text = waiting(&spec.path);
    assert!(text.lines().count() > 100 && text.ends_with('\n'));
    assert!(text.lines().all(|line| line == "INSTANCE \"VI 1\" BACKUP 100"));
    fifos.write(&instance("VI 1"), "MASTER", 150);
    assert_eq!(waiting(&spec.path), "INSTANCE \"VI 1\" MASTER 150\n");
    within(fifos.shutdown(DEADLINE)).await;
    assert!(!spec.path.exists());
}

#[tokio::test]
async fn a_reader_gets_the_path_and_every_line_and_ends_with_the_fifo() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let log = dir.path().join("log");
    let reader = shell(&format!("cat \"$1\" >{}; echo end >>{0};", log.display()));
    let mut fifos = Fifos::default();
    fifos.apply(&[spec(dir.path(), Some(reader))]);
    for priority in 1..=3 {
        fifos.write(&instance("a"), "MASTER", priority);
    }
    until("all is read", || lines(&log).len() == 3).await;
    fifos.write(&instance("a"), "STOP", 3);
    within(fifos.shutdown(DEADLINE)).await;
    assert_eq!(lines(&log).last().map(String::as_str), Some("end"));
    assert_eq!(lines(&log).get(3).map(String::as_str), Some("INSTANCE \"a\" STOP 3"));
}

#[tokio::test]
async fn what_is_there_and_no_fifo_is_left_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let spec = spec(dir.path(), None);
    std::fs::write(&spec.path, "precious").expect("written");
    let mut fifos = Fifos::default();
    fifos.apply(std::slice::from_ref(&spec));
    fifos.write(&instance("a"), "MASTER", 1);
    within(fifos.shutdown(DEADLINE)).await;
    assert_eq!(std::fs::read_to_string(&spec.path).expect("still there"), "precious");
}
