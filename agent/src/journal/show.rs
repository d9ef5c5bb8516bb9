//! `vipward events`: what the journal holds, for people or as it is, once or for as long as somebody looks.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use nix::libc;

use super::record::Record;
use super::store::{FILE, MAX_SIZE, OLDER};
use crate::control::render::printable;
use crate::control::status::rfc3339;

/// Between two looks for what is new.
const LOOK: Duration = Duration::from_millis(250);

/// From when on events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since(String);

impl FromStr for Since {
    type Err = String;

    /// A time that has passed, as `10m`, or RFC 3339.
    fn from_str(text: &str) -> Result<Since, String> {
        let at = match humantime::parse_duration(text) {
            Ok(ago) => SystemTime::now().checked_sub(ago),
            Err(_) => humantime::parse_rfc3339_weak(text).ok(),
        };
        // Of one length and zone they sort as text does.
        at.map(|at| Since(rfc3339(at)))
            .ok_or_else(|| "a time such as 10m or 2026-11-25 12:00:00 (UTC)".to_owned())
    }
}

/// How events are shown.
#[derive(Clone, Debug, Default)]
pub struct Show {
    /// As they are in the file: one JSON object per line.
    pub json: bool,
    /// And those to come, until interrupted.
    pub follow: bool,
    /// None before this.
    pub since: Option<Since>,
}

/// Why events cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// There is no journal.
    #[error("there is no journal at {path}: no agent has run with this run directory since the start of the host", path = .0.display())]
    Nothing(PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}: {1}", path = .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Standard output cannot be written to.
    #[error("cannot write the events")]
    Output(#[from] io::Error),
}

/// Shows the events of the agent with this run directory on standard output.
pub fn events(run_dir: &Path, show: &Show) -> Result<(), ShowError> {
    let mut out = io::stdout();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match show_on(run_dir, show, colour, &mut out) {
        Err(ShowError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

pub(super) fn show_on(
    run_dir: &Path,
    show: &Show,
    colour: bool,
    out: &mut dyn Write,
) -> Result<(), ShowError> {
    let mut screen = Screen { show, colour, out };
    let older = Reader::open(&run_dir.join(OLDER))?;
    let mut present = Reader::open(&run_dir.join(FILE))?;
    if older.is_none() && present.is_none() && !show.follow {
        return Err(ShowError::Nothing(run_dir.join(FILE)));
    }
    // Renamed between the two looks, it would be shown twice.
    let same = |older: &Reader| present.as_ref().is_some_and(|present| present.inode == older.inode);
    if let Some(mut older) = older.filter(|older| !same(older)) {
        screen.lines(&older.rest()?)?;
    }
    loop {
        if let Some(reader) = &mut present {
            screen.lines(&reader.rest()?)?;
        }
        if !show.follow {
            return Ok(());
        }
        std::thread::sleep(LOOK);
        let now = Reader::open(&run_dir.join(FILE))?;
        if now.as_ref().map(|now| now.inode) != present.as_ref().map(|reader| reader.inode) {
            // What was written before the file was put aside.
            if let Some(reader) = &mut present {
                screen.lines(&reader.rest()?)?;
            }
            present = now;
        }
    }
}

/// One file, read from where it was left.
struct Reader {
    path: PathBuf,
    file: File,
    inode: u64,
    offset: u64,
}

impl Reader {
    fn open(path: &Path) -> Result<Option<Reader>, ShowError> {
        let failed = |error| ShowError::Read(path.to_owned(), error);
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        Ok(Some(Reader { path: path.to_owned(), file, inode: metadata.ino(), offset: 0 }))
    }

    /// The whole lines that were not read yet. Whatever the file has become, no more than it may have.
    fn rest(&mut self) -> Result<Vec<u8>, ShowError> {
        let failed = |error| ShowError::Read(self.path.clone(), error);
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        (&mut self.file).take(2 * MAX_SIZE).read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        self.offset += u64::try_from(whole).unwrap_or(u64::MAX);
        Ok(bytes)
    }
}

struct Screen<'a> {
    show: &'a Show,
    colour: bool,
    out: &'a mut dyn Write,
}

impl Screen<'_> {
    fn lines(&mut self, bytes: &[u8]) -> Result<(), ShowError> {
        let mut damaged = 0;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(record) = serde_json::from_slice::<Record>(line) else {
                damaged += 1;
                continue;
            };
            if self.show.since.as_ref().is_some_and(|since| record.at < since.0) {
                continue;
            }
            if self.show.json {
                self.out.write_all(&[line, b"\n"].concat())?;
            } else {
                writeln!(self.out, "{}", self.text(&record))?;
            }
        }
        if damaged > 0 {
            eprintln!("vipward: {damaged} damaged lines of the journal were passed over");
        }
        Ok(self.out.flush()?)
    }

    /// `2026-11-25 12:00:00.123  VI_1  BACKUP → MASTER  the master fell silent`, in UTC.
    fn text(&self, record: &Record) -> String {
        let at = printable(record.at.trim_end_matches('Z')).replace('T', " ");
        let what = match (record.from, record.to) {
            (Some(from), Some(to)) => format!("{} → {}", from.name(), to.name()),
            _ => printable(&record.kind),
        };
        let what = if self.colour && record.to.is_some() { format!("\x1b[1m{what}\x1b[0m") } else { what };
        let instance = record.instance.as_deref().map_or_else(|| "-".to_owned(), printable);
        format!("{at}  {instance}  {what}  {}", printable(&record.text))
    }
}
