//! The XDP program's own debug messages, forwarded to the agent's log by a thread of their own: a log that stalls
//! must not hold up who drains the events.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use aya::Ebpf;
use aya_log::EbpfLogger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tracing::warn;

type Logger = EbpfLogger<&'static dyn log::Log>;

/// The forwarding thread, for as long as this lives.
pub(super) struct ProgramLog {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl ProgramLog {
    /// Begins to forward. `None`, and a line in the log, when that cannot be: the program works without.
    pub(super) fn start(bpf: &mut Ebpf) -> Option<ProgramLog> {
        forward(bpf).inspect_err(|why| warn!("the XDP program's debug messages cannot be read: {why}")).ok()
    }
}

impl Drop for ProgramLog {
    fn drop(&mut self) {
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn forward(bpf: &mut Ebpf) -> Result<ProgramLog, String> {
    let logger: Logger = EbpfLogger::init(bpf).map_err(|error| error.to_string())?;
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let stop = Arc::new(EventFd::from_flags(flags).map_err(|errno| errno.to_string())?);
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new()
        .name("program-log".to_owned())
        .spawn(move || run(logger, &stopped))
        .map_err(|error| error.to_string())?;
    Ok(ProgramLog { stop, thread: Some(thread) })
}

fn run(mut logger: Logger, stop: &EventFd) {
    loop {
        let mut fds =
            [PollFd::new(logger.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is a spurious look.
        let _ = poll(&mut fds, PollTimeout::NONE);
        let stopping = fds.last().and_then(PollFd::any).unwrap_or(true);
        logger.flush();
        if stopping {
            return;
        }
    }
}
