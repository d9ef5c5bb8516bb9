//! What a script prints: the last few KiB, for the log.
//!
//! A script may leave a process behind that keeps its output open (a notify script that starts a daemon). The
//! reader then goes on reading, so that the process does not die of SIGPIPE; only so many readers may linger.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

/// Bytes of output that are kept, the newest.
pub(super) const TAIL_BYTES: usize = 4096;
/// How long the end of the output may follow the end of the script.
const END_GRACE: Duration = Duration::from_millis(20);
/// Readers that may outlive their script, in the whole agent.
const MAX_LINGERING: usize = 64;

static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// The reading end of a script's output.
pub(super) struct Output {
    tail: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    /// Starts to read; the second value is the script's end.
    pub(super) fn open() -> io::Result<(Output, OwnedFd)> {
        let (sender, receiver) = pipe::pipe()?;
        let tail = Arc::new(Mutex::new(Vec::new()));
        let reader = tokio::spawn(read(receiver, Arc::clone(&tail)));
        Ok((Output { tail, reader }, sender.into_blocking_fd()?))
    }

    /// What the script printed, once it ended: text, trimmed, with control characters made harmless.
    pub(super) async fn finish(mut self) -> String {
        if tokio::time::timeout(END_GRACE, &mut self.reader).await.is_err() {
            linger(self.reader);
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        printable(&tail)
    }
}

fn linger(reader: JoinHandle<()>) {
    if LINGERING.fetch_add(1, Ordering::Relaxed) >= MAX_LINGERING {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
        reader.abort();
        return;
    }
    tokio::spawn(async move {
        // An error would mean that the reader was aborted: it ended all the same.
        let _ = reader.await;
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    });
}

async fn read(mut receiver: pipe::Receiver, tail: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; TAIL_BYTES];
    while let Ok(length @ 1..) = receiver.read(&mut chunk).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
    }
}

/// Text for one log line: lines joined by ` | `, tabs as spaces, other control characters replaced.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.trim().replace('\t', " ").replace(char::is_control, "\u{fffd}"))
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" | ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn output_is_one_harmless_line() {
        assert_eq!(
            printable(b"first\n\n  sec\tond\r\n\x1b[31mred\xff"),
            "first | sec ond | \u{fffd}[31mred\u{fffd}"
        );
    }

    #[tokio::test]
    async fn only_the_newest_output_is_kept() {
        let (output, script_end) = Output::open().expect("pipe");
        let writer = std::thread::spawn(move || {
            let mut pipe = std::fs::File::from(script_end);
            pipe.write_all(&vec![b'a'; 100_000]).expect("the reader keeps up");
            pipe.write_all(b"the end").expect("the reader keeps up");
        });
        while !writer.is_finished() {
            tokio::task::yield_now().await;
        }
        let text = output.finish().await;
        assert_eq!(text.len(), TAIL_BYTES);
        assert!(text.ends_with("athe end"), "{text}");
    }

    #[tokio::test]
    async fn a_process_left_behind_delays_nothing_and_can_go_on_writing() {
        let (output, script_end) = Output::open().expect("pipe");
        let mut pipe = std::fs::File::from(script_end);
        pipe.write_all(b"started").expect("written");
        let started = std::time::Instant::now();
        assert_eq!(output.finish().await, "started");
        assert!(started.elapsed() < Duration::from_secs(1));
        pipe.write_all(b"still here").expect("no SIGPIPE while the reader lingers");
    }
}
