//! The election thread: waits for the data path, the links, commands and the next deadline, and gives the
//! driver its turn. It owns everything that an election touches, so nothing there needs a lock.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::sync::mpsc;
use vipward_vrrp::types::Mono;

use super::driver::{Driver, Next};
use super::message::{COMMANDS, Command, UPDATES, Update};
use super::{ElectionError, Options, realtime};
use crate::clock;
use crate::guard::will::Will;

/// Events taken from one wait; more are taken at the next.
const EVENTS: usize = 32;
/// Marks the deadline's descriptor in an epoll event.
const TIMER: u64 = 0;
/// Marks the data path's and the kernel's descriptors: a turn looks at all of them.
const INPUT: u64 = 1;
/// Marks the descriptor by which commands are told.
const BELL: u64 = 2;

/// The agent's end of the election thread.
#[derive(Debug)]
pub struct Election {
    commands: SyncSender<Command>,
    wake: Arc<EventFd>,
    thread: JoinHandle<()>,
}

impl Election {
    /// Starts the thread, which keeps `will` up to date, and returns its handle, its news and the map of the leases.
    pub fn start(
        options: Options,
        will: Will,
    ) -> Result<(Election, mpsc::Receiver<Update>, Option<OwnedFd>), ElectionError> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let (updates, news) = mpsc::channel(UPDATES);
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let bell = Arc::clone(&wake);
        let (ready, started) = sync_channel(1);
        let thread = std::thread::Builder::new().name("election".to_owned()).spawn(move || {
            let prepared = (|| {
                will.begin()?;
                let driver = Driver::new(&options, Some(will), updates)?;
                Ok((Waiter::new()?, driver))
            })();
            match prepared {
                Ok((waiter, driver)) => {
                    let _ = ready.send(driver.leases_fd());
                    run(driver, &waiter, &inbox, &bell);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })?;
        let leases = started.recv().map_err(|_| ElectionError::Gone)??;
        Ok((Election { commands, wake, thread }, news, leases))
    }

    /// Hands a command to the thread. Never blocks.
    pub fn send(&self, command: Command) -> Result<(), ElectionError> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => ElectionError::Busy,
            TrySendError::Disconnected(_) => ElectionError::Gone,
        })?;
        // The counter can only overflow after 2⁶⁴ wake-ups that nobody took, and then the thread is awake.
        let _ = self.wake.write(1);
        Ok(())
    }

    /// Waits for the thread to end, which it does after [`Command::Shutdown`].
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

/// Waits on descriptors and on an absolute deadline at once.
struct Waiter {
    epoll: Epoll,
    timer: TimerFd,
}

impl Waiter {
    fn new() -> Result<Waiter, ElectionError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        epoll.add(timer.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Waiter { epoll, timer })
    }

    fn add(&self, fd: BorrowedFd<'_>, mark: u64) -> Result<(), Errno> {
        match self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, mark)) {
            // Level-triggered and looked at as a whole: being there already is all we want.
            Err(Errno::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Returns when something is readable, or at `next`. An interrupted wait is a spurious turn, and harmless.
    fn wait(&self, next: Next) -> Woken {
        let timeout = match next {
            Next::Now => EpollTimeout::ZERO,
            Next::At(at) => {
                self.arm(at);
                EpollTimeout::NONE
            }
            Next::Never => {
                // An expiry that no arming takes would end every wait.
                let _ = self.timer.wait();
                EpollTimeout::NONE
            }
        };
        let mut events = [EpollEvent::empty(); EVENTS];
        let ready = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        let mut woken = Woken::default();
        for event in events.iter().take(ready) {
            match event.data() {
                // An expiry is not read, which would cost a system call: arming the timer anew takes it as well.
                TIMER => {}
                BELL => woken.bell = true,
                _ => woken.input = true,
            }
        }
        woken
    }

    fn arm(&self, at: Mono) {
        let at = TimeSpec::nanoseconds(i64::try_from(at.0.max(1)).unwrap_or(i64::MAX));
        let _ = self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME);
    }
}

/// What ended a wait, other than the deadline. Looking at a descriptor that has nothing costs a system call, hundreds
/// of times a second.
#[derive(Clone, Copy, Debug, Default)]
struct Woken {
    bell: bool,
    input: bool,
}

fn run(mut driver: Driver, waiter: &Waiter, inbox: &Receiver<Command>, bell: &EventFd) {
    for refusal in realtime::acquire() {
        driver.warn(refusal);
    }
    // Without a descriptor in the wait, its input must be looked for at every turn.
    let mut blind = Woken::default();
    if let Err(error) = waiter.add(bell.as_fd(), BELL) {
        driver.warn(format!("commands are noticed late: {error}"));
        blind.bell = true;
    }
    loop {
        if driver.take_fds_changed() {
            let refused: Vec<Errno> =
                driver.fds().into_iter().filter_map(|fd| waiter.add(fd, INPUT).err()).collect();
            blind.input |= !refused.is_empty();
            for error in refused {
                driver.warn(format!("a descriptor cannot be watched: {error}"));
            }
        }
        let woken = waiter.wait(driver.next());
        if woken.bell || blind.bell {
            let _ = bell.read();
        }
        driver.turn(clock::now(), woken.input || blind.input, inbox.try_iter());
        if driver.is_done() {
            driver.leave_nothing();
            return;
        }
    }
}
