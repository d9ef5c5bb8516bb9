//! HTTP: a new connection in every period, none waiting for another, so that one without an answer hides nothing.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Socket, Type};

use super::timeline::{Reply, Shared, Silence, Timeline};
use crate::lab::clock::Moment;
use crate::lab::host::Host;
use crate::lab::{http, observer};

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_millis(100);

/// A running probe. Dropping it ends it.
pub struct Pages {
    timeline: Shared,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Pages {
    /// Gets `http://TARGET/` from `client` once in each `period`. The page is the name of who answered.
    pub fn start(client: &Host, target: IpAddr, period: Duration) -> Result<Pages> {
        let timeline = Shared::new(1);
        let stop = Arc::new(AtomicBool::new(false));
        let (log, ending) = (timeline.clone(), Arc::clone(&stop));
        let thread = client.namespace().thread(move || ask(target, period, &log, &ending))?;
        Ok(Pages { timeline, stop, thread: Some(thread) })
    }

    /// The longest time without a page within `from..to`.
    pub fn longest_silence(&self, from: Moment, to: Moment) -> Silence {
        self.timeline.look(0, |timeline| timeline.longest_silence(from, to))
    }

    /// How long of `from..to`, at most, passed without a page.
    pub fn longest_stall(&self, from: Moment, to: Moment) -> Duration {
        self.timeline.look(0, |timeline| timeline.longest_stall(from, to))
    }

    /// Drops the pages from before `moment`, of no use to who asks about later.
    pub fn forget(&self, moment: Moment) {
        self.timeline.forget(moment);
    }

    /// The last page so far.
    pub fn last(&self) -> Option<Reply> {
        self.timeline.look(0, |timeline| timeline.last().cloned())
    }

    /// Every page so far.
    pub fn timeline(&self) -> Timeline {
        self.timeline.look(0, Timeline::clone)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection on its way.
struct Attempt {
    socket: Socket,
    begun: Moment,
    asked: bool,
    answer: Vec<u8>,
}

enum Progress {
    Waiting,
    Failed,
    Page(String),
}

fn ask(target: IpAddr, period: Duration, log: &Shared, stop: &AtomicBool) {
    observer::come_first();
    let request = http::request(target);
    let mut attempts: Vec<Attempt> = Vec::new();
    // Whoever answers, answers thousands of times: its name is kept once.
    let mut known: Arc<str> = "".into();
    let mut next = Moment::now();
    while !stop.load(Ordering::Relaxed) {
        let now = Moment::now();
        if now >= next {
            // Without a route or a neighbour there is no attempt; that is an answer that did not come.
            attempts.extend(Attempt::begin(target).ok());
            next = (next + period).max(now);
        }
        attempts.retain(|attempt| now.since(attempt.begun) < PATIENCE);
        for ready in ready(&attempts, next.since(Moment::now())).into_iter().rev() {
            let Some(attempt) = attempts.get_mut(ready) else { continue };
            match attempt.progress(&request) {
                Progress::Waiting => continue,
                Progress::Failed => {}
                Progress::Page(by) => {
                    if *known != *by {
                        known = by.into();
                    }
                    log.push(0, Reply { at: Moment::now(), by: Some(Arc::clone(&known)) });
                }
            }
            attempts.swap_remove(ready);
        }
    }
}

/// Numbers of the attempts that something happened to, after at most `limit`.
fn ready(attempts: &[Attempt], limit: Duration) -> Vec<usize> {
    let mut polled: Vec<PollFd<'_>> = attempts
        .iter()
        .map(|attempt| {
            let wanted = if attempt.asked { PollFlags::POLLIN } else { PollFlags::POLLOUT };
            PollFd::new(attempt.socket.as_fd(), wanted)
        })
        .collect();
    if ppoll(&mut polled, Some(TimeSpec::from_duration(limit)), None).is_err() {
        return Vec::new();
    }
    let happened = polled.iter().enumerate().filter(|(_, fd)| fd.any() == Some(true));
    happened.map(|(number, _)| number).collect()
}

impl Attempt {
    fn begin(target: IpAddr) -> Result<Attempt> {
        let socket = Socket::new(Domain::for_address(SocketAddr::new(target, 80)), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // Closing resets: thousands of connections leave no TIME_WAIT behind, and ports do not run out.
        socket.set_linger(Some(Duration::ZERO))?;
        let begun = Moment::now();
        match socket.connect(&SocketAddr::new(target, 80).into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                Err(error).context("cannot connect")
            }
            _ => Ok(Attempt { socket, begun, asked: false, answer: Vec::new() }),
        }
    }

    fn progress(&mut self, request: &str) -> Progress {
        if !self.asked {
            let connected = matches!(self.socket.take_error(), Ok(None));
            self.asked =
                connected && self.socket.send(request.as_bytes()).is_ok_and(|sent| sent == request.len());
            return if self.asked { Progress::Waiting } else { Progress::Failed };
        }
        let mut buffer = [0_u8; 1024];
        match (&self.socket).read(&mut buffer) {
            Ok(0) => http::page(&self.answer).map_or(Progress::Failed, Progress::Page),
            Ok(length) => {
                self.answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
                Progress::Waiting
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Progress::Waiting,
            Err(_) => Progress::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::nginx::Nginx;
    use crate::lab::{Lab, wait};

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn sees_a_web_server_go_and_return() {
        let lab = Lab::new().unwrap();
        let (client, server) = (lab.host("client").unwrap(), lab.host("server").unwrap());
        let nginx = Nginx::start(&server).unwrap();
        let pages = Pages::start(&client, server.address().into(), Duration::from_millis(1)).unwrap();
        let by = || pages.last().and_then(|reply| reply.by);
        wait::until("the first page", LIMIT, || by().as_deref() == Some("server")).unwrap();

        let stopped = Moment::now();
        nginx.stop().unwrap();
        let silent = || pages.longest_silence(stopped, Moment::now()).length() > Duration::from_millis(200);
        wait::until("a silence", LIMIT, silent).unwrap();
        let restarted = Moment::now();
        let _nginx = Nginx::start(&server).unwrap();
        wait::until("pages again", LIMIT, || pages.last().is_some_and(|reply| reply.at > restarted)).unwrap();
        let silence = pages.longest_silence(stopped, Moment::now());
        assert!(silence.length() + Duration::from_millis(20) >= restarted.since(stopped), "{silence:?}");
    }
}
