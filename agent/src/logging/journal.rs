//! Entries of systemd's journal, with a field for each value that an event has (systemd.io/JOURNAL_NATIVE_PROTOCOL).

use std::env;
use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::{Log, Sink};

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
/// Where systemd says which file of ours leads to the journal.
const STREAM: &str = "JOURNAL_STREAM";
/// What `journalctl -t` finds.
const IDENTIFIER: &str = "vipward";
/// Longest value of a field; an entry must fit a datagram.
const MAX_VALUE: usize = 32 * 1024;
/// Longest name of a field that the journal takes.
const MAX_NAME: usize = 64;
/// Names of fields that a person would look for under another name.
const RENAMED: [(&str, &str); 2] = [("to", "STATE"), ("from", "PREVIOUS_STATE")];

/// Whether stderr leads to the journal: systemd started us, and nobody has redirected it since.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = env::var(STREAM) else { return false };
    fstat(io::stderr()).is_ok_and(|file| names(&stream, file.st_dev, file.st_ino))
}

/// Whether `DEVICE:INODE` is this file.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    let numbers = stream.split_once(':').map(|(device, inode)| (device.parse(), inode.parse()));
    numbers == Some((Ok(device), Ok(inode)))
}

/// Hands events to the thread that writes the log.
pub(super) struct Journal(pub(super) Log);

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::of(event.metadata());
        event.record(&mut entry);
        self.0.hand_in(entry.0);
    }
}

/// An entry under construction.
struct Entry(Vec<u8>);

impl Entry {
    fn of(metadata: &Metadata<'_>) -> Entry {
        let priority = match *metadata.level() {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            _ => "7",
        };
        let mut entry = Entry::at(priority);
        entry.put("TARGET", metadata.target());
        if let Some(file) = metadata.file() {
            entry.put("CODE_FILE", file);
        }
        if let Some(line) = metadata.line() {
            entry.put("CODE_LINE", &line.to_string());
        }
        entry
    }

    fn at(priority: &str) -> Entry {
        let mut entry = Entry(Vec::new());
        entry.put("PRIORITY", priority);
        entry.put("SYSLOG_IDENTIFIER", IDENTIFIER);
        entry
    }

    /// Appends a field. Values of several lines are announced by their length.
    fn put(&mut self, name: &str, value: &str) {
        let value = cut(value);
        self.0.extend(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend((value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(name) = name(field.name()) {
            self.put(&name, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string fails only if the value itself refuses to be shown.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

/// A field's name as the journal takes it: capitals, digits and underscores, none of these two in front. `None` for what a
/// library tells of itself.
fn name(field: &str) -> Option<String> {
    if field.starts_with("log.") {
        return None;
    }
    if let Some((_, name)) = RENAMED.iter().find(|(from, _)| *from == field) {
        return Some((*name).to_owned());
    }
    let plain = field.chars().map(|character| match character {
        'a'..='z' | '0'..='9' | 'A'..='Z' => character.to_ascii_uppercase(),
        _ => '_',
    });
    let name: String = plain.skip_while(|character| !character.is_ascii_uppercase()).take(MAX_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// The beginning of a value that is too long.
fn cut(value: &str) -> &str {
    let mut end = value.len().min(MAX_VALUE);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.get(..end).unwrap_or_default()
}

/// The journal.
pub(super) struct Socket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Socket {
    /// Finds out that somebody listens there.
    pub(super) fn open(path: &Path) -> io::Result<Socket> {
        let socket = UnixDatagram::unbound()?;
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Socket { socket, path: path.to_owned() })
    }
}

impl Sink for Socket {
    /// By its name each time: the journal may be started anew meanwhile.
    fn put(&mut self, entry: &[u8]) {
        let _ = self.socket.send_to(entry, &self.path);
    }

    fn remark(&mut self, text: &str) {
        let mut entry = Entry::at("4");
        entry.put("MESSAGE", text);
        self.put(&entry.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::linux::fs::MetadataExt;
    use std::time::Duration;

    use tracing::{debug, info, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// An entry's fields, as the journal would read them.
    fn fields(entry: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        let mut rest = entry;
        while let Some(end) = rest.iter().position(|byte| *byte == b'=' || *byte == b'\n') {
            let name = String::from_utf8(rest[..end].to_vec()).expect("a name");
            let (value, after) = if rest[end] == b'=' {
                let begin = end + 1;
                let length = rest[begin..].iter().position(|byte| *byte == b'\n').expect("an end");
                (&rest[begin..begin + length], begin + length + 1)
            } else {
                let begin = end + 1 + 8;
                let length = u64::from_le_bytes(rest[end + 1..begin].try_into().expect("a length"));
                let length = usize::try_from(length).expect("short");
                (&rest[begin..begin + length], begin + length + 1)
            };
            fields.insert(name, String::from_utf8(value.to_vec()).expect("text"));
            rest = &rest[after..];
        }
        assert!(rest.is_empty(), "{rest:?}");
        fields
    }

    #[test]
    fn a_journal_gets_entries_with_fields() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("socket");
        assert!(Socket::open(&path).is_err(), "nobody listens");
        let journal = UnixDatagram::bind(&path).expect("bound");
        journal.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let (log, flush) = Log::start(Socket::open(&path).expect("there"));
        let subscriber = tracing_subscriber::registry().with(Journal(log));
        tracing::subscriber::with_default(subscriber, || {
            info!(instance = %"VI_1", from = %"BACKUP", to = %"MASTER", vrid = 51, "VI_1: BACKUP → MASTER");
            warn!("two\nlines");
            debug!("{}", "é".repeat(MAX_VALUE));
        });
        let next = || {
            let mut buffer = vec![0; 1 << 20];
            let length = journal.recv(&mut buffer).expect("an entry");
            fields(&buffer[..length])
        };
        let transition = next();
        for (name, value) in [
            ("MESSAGE", "VI_1: BACKUP → MASTER"),
            ("INSTANCE", "VI_1"),
            ("STATE", "MASTER"),
            ("PREVIOUS_STATE", "BACKUP"),
            ("VRID", "51"),
            ("PRIORITY", "6"),
            ("SYSLOG_IDENTIFIER", "vipward"),
        ] {
            assert_eq!(transition.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(transition["CODE_FILE"].ends_with("journal.rs"), "{transition:?}");
        let warning = next();
        assert_eq!((warning["MESSAGE"].as_str(), warning["PRIORITY"].as_str()), ("two\nlines", "4"));
        let third = next();
        assert!(third["MESSAGE"].len() <= MAX_VALUE && third["PRIORITY"] == "7");
        drop(flush);
    }

    #[test]
    fn what_was_dropped_is_an_entry_too() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).expect("bound");
        Socket::open(&path).expect("there").remark("7 lines of the log were dropped");
        let mut buffer = [0; 1024];
        let length = journal.recv(&mut buffer).expect("an entry");
        assert_eq!(fields(&buffer[..length])["MESSAGE"], "7 lines of the log were dropped");
    }

    #[test]
    fn names_are_what_the_journal_takes() {
        for (field, expected) in [
            ("silent_for", Some("SILENT_FOR")),
            ("a.b", Some("A_B")),
            ("_9x", Some("X")),
            ("9", None),
            ("log.line", None),
        ] {
            assert_eq!(name(field).as_deref(), expected, "{field}");
        }
        assert_eq!(name(&"x".repeat(100)).map(|name| name.len()), Some(MAX_NAME));
    }

    #[test]
    fn stderr_is_the_journal_only_if_it_is_that_file() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = std::fs::metadata(dir.path()).expect("there");
        let (device, inode) = (file.st_dev(), file.st_ino());
        assert!(names(&format!("{device}:{inode}"), device, inode));
        for other in [format!("{device}:{}", inode + 1), format!("{inode}"), String::new(), "a:b".into()] {
            assert!(!names(&other, device, inode), "{other}");
        }
    }
}
