//! The log: text or JSON on stderr, or entries with fields in the journal, written by a thread of its own. Whoever reads it
//! may be slow or stuck, on a full disk for instance: then lines are dropped and counted, and nobody who has something to
//! say waits.

mod journal;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing::{Level, Subscriber, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogFormat;
use journal::Journal;

/// Lines that wait for a slow reader.
const LINES: usize = 4096;
/// How long the end of the process waits for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Between two looks at whether they are.
const PAUSE: Duration = Duration::from_millis(5);

/// What is let through, for whoever wants to change that.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Starts logging for the rest of the process. A second call changes nothing. What is logged before the result is
/// dropped is written, if anybody takes it. Without a format it is the journal if stderr leads there, and else text.
pub fn start(format: Option<LogFormat>, level: Level) -> Flush {
    let wanted = match format {
        None => journal::is_stderr(),
        Some(format) => format == LogFormat::Journal,
    };
    let opened = wanted.then(|| journal::Socket::open(Path::new(journal::SOCKET)));
    let (socket, failed) = match opened.transpose() {
        Ok(socket) => (socket, None),
        Err(error) => (None, Some(error)),
    };
    let (layer, flush) = match (socket, format) {
        (Some(socket), _) => {
            let (log, flush) = Log::start(socket);
            (Journal(log).boxed(), flush)
        }
        (None, format) => {
            let (log, flush) = Log::start(Lines(io::stderr()));
            (lines(log, format == Some(LogFormat::Json)), flush)
        }
    };
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(level));
    // A second start fails because the first one serves already.
    if tracing_subscriber::registry().with(filter).with(layer).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
    if let Some(error) = failed {
        warn!("the log goes to stderr, for the journal cannot be reached at {}: {error}", journal::SOCKET);
    }
    flush
}

fn lines<S>(log: Log, json: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(log).with_timer(SystemTime).with_target(false);
    if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(io::stderr().is_terminal()).boxed()
    }
}

/// The least severe level that is logged; `None` before [`start`].
pub fn level() -> Option<Level> {
    LEVEL.get()?.with_current(|filter| filter.into_level()).ok().flatten()
}

/// Changes it. What the XDP program says was chosen when it was loaded, and stays as it is.
pub fn set_level(level: Level) -> Result<(), LevelError> {
    let handle = LEVEL.get().ok_or(LevelError::NotStarted)?;
    let filter = LevelFilter::from_level(level);
    handle.modify(|current| *current = filter)?;
    // Libraries that log in the other way ask this before they hand anything over.
    log::set_max_level(match level {
        Level::ERROR => log::LevelFilter::Error,
        Level::WARN => log::LevelFilter::Warn,
        Level::INFO => log::LevelFilter::Info,
        Level::DEBUG => log::LevelFilter::Debug,
        Level::TRACE => log::LevelFilter::Trace,
    });
    Ok(())
}

/// Why the level stays.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// Nothing is logged.
    #[error("nothing is logged in this process")]
    NotStarted,
    /// The subscriber is gone, or was left half-way by a panic.
    #[error("the log's level cannot be changed any more: {0}")]
    Reload(#[from] reload::Error),
}

/// What both ends know.
#[derive(Debug, Default)]
struct Tally {
    /// Lines handed to the thread that it has not written yet.
    waiting: AtomicU64,
    /// Lines that found no room.
    dropped: AtomicU64,
}

/// Where lines are handed in.
#[derive(Clone, Debug)]
struct Log {
    lines: SyncSender<Vec<u8>>,
    tally: Arc<Tally>,
}

/// Waits a moment for what is still to be written when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Flush(Arc<Tally>);

impl Log {
    /// Starts the thread that writes to `out`. Without one, as when the system has no thread left, nothing is written.
    fn start(out: impl Sink + Send + 'static) -> (Log, Flush) {
        let (lines, inbox) = sync_channel(LINES);
        let tally = Arc::new(Tally::default());
        let shared = Arc::clone(&tally);
        let writing = move || write_all(out, &inbox, &shared);
        if std::thread::Builder::new().name("log".to_owned()).spawn(writing).is_err() {
            eprintln!("vipward: cannot start the thread that writes the log: there will be none");
        }
        let flush = Flush(Arc::clone(&tally));
        (Log { lines, tally }, flush)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let end = Instant::now() + LAST_WORDS;
        while self.0.waiting.load(Ordering::Acquire) > 0 && Instant::now() < end {
            std::thread::sleep(PAUSE);
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = &'a Log;

    fn make_writer(&'a self) -> &'a Log {
        self
    }
}

impl Write for &Log {
    /// Takes one line, which is how the subscriber calls it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.hand_in(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes a line or entry, unless too many wait.
    fn hand_in(&self, line: Vec<u8>) {
        self.tally.waiting.fetch_add(1, Ordering::AcqRel);
        if self.lines.try_send(line).is_err() {
            self.tally.waiting.fetch_sub(1, Ordering::AcqRel);
            self.tally.dropped.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Where the thread puts what was handed in. There is nobody to tell that nobody can be told.
trait Sink {
    /// Takes one line or entry, however long that takes.
    fn put(&mut self, line: &[u8]);
    /// Says something of the log itself.
    fn remark(&mut self, text: &str);
}

/// Lines on a stream.
struct Lines<W>(W);

impl<W: Write> Sink for Lines<W> {
    fn put(&mut self, line: &[u8]) {
        let _ = self.0.write_all(line);
    }

    fn remark(&mut self, text: &str) {
        let _ = self.0.write_all(format!("vipward: {text}\n").as_bytes());
    }
}

fn write_all(mut out: impl Sink, inbox: &Receiver<Vec<u8>>, tally: &Tally) {
    while let Ok(line) = inbox.recv() {
        out.put(&line);
        let dropped = tally.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            out.remark(&format!("{dropped} lines of the log were dropped, for nobody read it in time"));
        }
        tally.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Takes a line only when it is let, and hands it on.
    struct Stuck(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(line.to_vec());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_is_stuck_costs_lines_and_no_time() {
        let (go, going) = channel();
        let (written, reader) = channel();
        let (log, flush) = Log::start(Lines(Stuck(going, written)));
        for number in 0..2 * LINES {
            (&log).write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        assert!(log.tally.dropped.load(Ordering::Acquire) >= LINES as u64 - 1);
        drop(go);
        assert_eq!(reader.recv().unwrap(), b"0\n");
        assert!(reader.recv().unwrap().ends_with(b"read it in time\n"), "and it is said");
        drop(flush);
        assert!(reader.try_iter().count() >= LINES - 2, "what had room is written");
    }
}
