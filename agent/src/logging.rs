//! Log lines: text or JSON on stderr, written by a thread of its own. Whoever reads them may be slow or stuck, on a full
//! disk for instance: then lines are dropped and counted, and nobody who has something to say waits.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::cli::LogFormat;

/// Lines that wait for a slow reader.
const LINES: usize = 4096;
/// How long the end of the process waits for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Between two looks at whether they are.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts logging for the rest of the process. A second call changes nothing. What is logged before the result is
/// dropped is written, if anybody takes it.
pub fn start(format: LogFormat, level: Level) -> Flush {
    let (log, flush) = Log::start(io::stderr());
    let lines = tracing_subscriber::fmt()
        .with_writer(log)
        .with_max_level(LevelFilter::from_level(level))
        .with_timer(SystemTime)
        .with_target(false);
    // A second start fails because the first one serves already.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    flush
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
    fn start(out: impl Write + Send + 'static) -> (Log, Flush) {
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
        self.tally.waiting.fetch_add(1, Ordering::AcqRel);
        if self.lines.try_send(line.to_vec()).is_err() {
            self.tally.waiting.fetch_sub(1, Ordering::AcqRel);
            self.tally.dropped.fetch_add(1, Ordering::AcqRel);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(mut out: impl Write, inbox: &Receiver<Vec<u8>>, tally: &Tally) {
    while let Ok(line) = inbox.recv() {
        // There is nobody to tell that nobody can be told.
        let _ = out.write_all(&line);
        let dropped = tally.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            let said = format!(
                "vipward: {dropped} lines of the log were dropped, for nobody read it in time
"
            );
            let _ = out.write_all(said.as_bytes());
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
        let (log, flush) = Log::start(Stuck(going, written));
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
