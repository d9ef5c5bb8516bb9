//! Somebody who scrapes a router's metrics at a steady pace, and how long each answer takes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::stats::ms;
use crate::lab::Host;
use crate::lab::clock::Moment;

/// Where the metrics are, on the router's own loopback.
pub(super) const ADDRESS: &str = "127.0.0.1:9650";
/// Between two scrapes.
const PACE: Duration = Duration::from_millis(100);
/// Longest time for one.
const LIMIT: Duration = Duration::from_secs(10);

/// A thread that scrapes until it is stopped.
pub(super) struct Scraper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Result<Vec<f64>>>>,
}

impl Scraper {
    /// Starts at once. Each answer must hold the state of `instances` instances.
    pub(super) fn start(host: &Host, instances: u8) -> Result<Scraper> {
        let address: SocketAddr = ADDRESS.parse()?;
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        let thread = host.namespace().thread(move || {
            let mut took = Vec::new();
            let mut next = Moment::now();
            while !ending.load(Ordering::Relaxed) {
                let (from, answer) = (Moment::now(), scrape(address)?);
                took.push(ms(Moment::now().since(from)));
                check(&answer, instances)?;
                next = next + PACE;
                next.sleep_until();
            }
            Ok(took)
        })?;
        Ok(Scraper { stop, thread })
    }

    /// Ends it; how long each scrape took, from the connection to the last byte, in milliseconds.
    pub(super) fn stop(self) -> Result<Vec<f64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the scraper panicked"))??
    }
}

fn scrape(address: SocketAddr) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).context("cannot connect to the metrics")?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("cannot read the metrics")?;
    Ok(answer)
}

/// An answer that is not whole was not measured.
fn check(answer: &[u8], instances: u8) -> Result<()> {
    let text = String::from_utf8_lossy(answer);
    let found = text.lines().filter(|line| line.starts_with("vipward_instance_state{")).count();
    ensure!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with("# EOF\n") && found == usize::from(instances),
        "a scrape is not whole: {found} of {instances} instances in {} bytes",
        answer.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_count() {
        let whole = b"HTTP/1.1 200 OK\r\n\r\nvipward_instance_state{name=\"VI_1\"} 2\n# EOF\n";
        assert!(check(whole, 1).is_ok());
        assert!(check(whole, 2).is_err());
        assert!(check(&whole[..whole.len() - 1], 1).is_err());
        assert!(check(b"HTTP/1.1 503 Service Unavailable\r\n\r\n# EOF\n", 0).is_err());
    }
}
