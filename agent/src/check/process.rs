//! One run of one command: isolated from the agent, ended in time, always reaped.
//!
//! The child gets a process group of its own, so that whatever it starts ends with it at a timeout: SIGTERM to
//! the group, and SIGKILL to what is left once the leader has ended or [`KILL_DELAY`] has passed. A run that
//! ends by itself may leave processes behind, as notify scripts that start a daemon do.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Gid, Pid, Uid};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::launch::{Identity, Launch, environment};
use super::output::Output;
use super::secure::{self, Insecure};

/// Where commands without a slash are searched for, whatever the agent's own `PATH` is.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// From SIGTERM to SIGKILL.
pub const KILL_DELAY: Duration = Duration::from_secs(2);
/// Signals that the kernel knows, and the bits of its signal sets.
const KERNEL_SIGNALS: libc::c_long = 64;
/// How often the end of a process is looked for between these two.
const END_POLL: Duration = Duration::from_millis(10);

/// How a run ended.
#[derive(Debug, thiserror::Error)]
pub enum Exit {
    /// By itself, with this exit status; 0 is success.
    #[error("exit status {0}{hint}", hint = if *.0 == 127 { " (command not found)" } else { "" })]
    Status(i32),
    /// By a signal that was not ours.
    #[error("ended by signal {0}")]
    Signal(i32),
    /// It ran into its timeout and was ended.
    #[error("timed out after {0:?}")]
    TimedOut(Duration),
    /// It was ended because the agent stops or the script is gone from the configuration.
    #[error("cancelled")]
    Cancelled,
    /// It could not be started: no such file, no permission, and the like.
    #[error("cannot start `{0}`: {1}")]
    NotStarted(String, io::Error),
    /// Its end could not be observed.
    #[error("lost track of the process: {0}")]
    Lost(io::Error),
    /// It was refused, see [`secure`].
    #[error("{0} (enable_script_security)")]
    Insecure(#[from] Insecure),
    /// The machine lacks the memory, processes or descriptors for a child, which says nothing about what the
    /// script checks.
    #[error("no resources for another process: {0}")]
    NoResources(io::Error),
}

impl Exit {
    /// Whether the run succeeded.
    pub fn is_success(&self) -> bool {
        matches!(self, Exit::Status(0))
    }

    /// Whether it failed; `None` for a run that was cut short by us or never had a chance.
    pub fn failed(&self) -> Option<bool> {
        match self {
            Exit::Cancelled | Exit::NoResources(_) => None,
            other => Some(!other.is_success()),
        }
    }
}

/// A run that ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub exit: Exit,
    /// How long it ran.
    pub duration: Duration,
    /// The end of what it printed, as one line of text.
    pub output: String,
}

/// Runs `launch` with `extra` arguments appended, for at most `timeout`, or until `cancel` becomes true.
///
/// Not safe to drop half-way: the group is then killed, but only its leader is reaped, in the background. Use
/// `cancel`.
pub async fn run(
    launch: &Launch,
    extra: &[String],
    timeout: Duration,
    cancel: &mut watch::Receiver<bool>,
) -> Finished {
    let started = Instant::now();
    let finished = |exit, output| Finished { exit, duration: started.elapsed(), output };
    let (mut group, output) = match start(launch, extra) {
        Ok(running) => running,
        Err(exit) => return finished(exit, String::new()),
    };
    let exit = tokio::select! {
        biased;
        status = group.leader.wait() => from_status(status),
        () = tokio::time::sleep(timeout) => {
            group.end().await;
            Exit::TimedOut(timeout)
        }
        () = cancelled(cancel) => {
            group.end().await;
            Exit::Cancelled
        }
    };
    group.ended = true;
    finished(exit, output.finish().await)
}

/// Waits until `cancel` becomes true, or whoever could make it so is gone.
pub(super) async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    let _ = cancel.wait_for(|cancelled| *cancelled).await;
}

fn start(launch: &Launch, extra: &[String]) -> Result<(Group, Output), Exit> {
    secure::check(launch)?;
    let argv = launch.program.argv(extra);
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Exit::NotStarted(String::new(), io::ErrorKind::InvalidInput.into()));
    };
    let (output, stdout) = Output::open().map_err(Exit::NoResources)?;
    let stderr = stdout.try_clone().map_err(Exit::NoResources)?;
    let child = command(program, arguments, &launch.identity, stdout, stderr).spawn();
    let leader = child.map_err(|error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => Exit::NoResources(error),
        _ => Exit::NotStarted(program.clone(), error),
    })?;
    let id = leader.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    Ok((Group { leader, id, ended: false }, output))
}

fn command(program: &str, arguments: &[String], identity: &Identity, out: OwnedFd, err: OwnedFd) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment(identity, PATH, std::env::vars_os()))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .kill_on_drop(true);
    let child = ChildSetup::new(identity);
    // SAFETY: `apply` makes system calls only: no allocation, no lock, nothing that another thread could have
    // left half-done at the moment of the fork.
    unsafe { command.pre_exec(move || child.apply()) };
    command
}

/// What the child does between fork and exec, prepared before the fork so that it allocates nothing.
struct ChildSetup {
    uid: libc::uid_t,
    gid: libc::gid_t,
    groups: Vec<libc::gid_t>,
    /// Whether there is anything to change: without CAP_SETGID not even one's own groups can be set.
    changes_user: bool,
    agent: libc::pid_t,
}

impl ChildSetup {
    fn new(identity: &Identity) -> ChildSetup {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        ChildSetup {
            uid: identity.uid.as_raw(),
            gid: identity.gid.as_raw(),
            groups: identity.groups.iter().map(|group| group.as_raw()).collect(),
            changes_user: uid != identity.uid || gid != identity.gid,
            agent: Pid::this().as_raw(),
        }
    }

    fn apply(&self) -> io::Result<()> {
        // SAFETY: plain system calls on integers, and on structures and a list that this function or `self` owns.
        unsafe {
            // The election thread's real-time class must not leak into a script; without the right to change
            // it there was none to inherit.
            let ordinary: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const ordinary);
            // Ignored signals stay ignored across an exec, and so does the mask. The C library keeps two signals
            // to itself, hence the bare system call; its structure is four words of zeros for SIG_DFL.
            let default: [u64; 4] = [0; 4];
            for signal in 1..=KERNEL_SIGNALS {
                let no_old: *mut u64 = std::ptr::null_mut();
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), no_old, KERNEL_SIGNALS / 8);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            // Our own descriptors are close-on-exec; what the agent inherited may not be. Kernels before 5.11
            // refuse, and lose nothing but this second line of defence.
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            // Rights that the agent was given by name are its own; root's scripts have root's.
            libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
            expose_to_oom_killer();
            if self.changes_user {
                succeeded(libc::setgroups(self.groups.len(), self.groups.as_ptr()))?;
                succeeded(libc::setresgid(self.gid, self.gid, self.gid))?;
                succeeded(libc::setresuid(self.uid, self.uid, self.uid))?;
            }
            // After the change of user, which clears it. The agent may have died since the fork.
            succeeded(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM))?;
            if libc::getppid() != self.agent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    }
}

/// An agent that is to be the last to go when memory is short (systemd's `OOMScoreAdjust=`) does not want that for its
/// scripts. Called between fork and exec; a failure leaves things as they are.
fn expose_to_oom_killer() {
    let mut first = [0_u8; 1];
    // SAFETY: system calls on a literal path, a buffer of our own and a descriptor that they gave.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if file < 0 {
            return;
        }
        if libc::read(file, first.as_mut_ptr().cast(), 1) == 1 && first == *b"-" {
            libc::write(file, c"0".as_ptr().cast(), 1);
        }
        libc::close(file);
    }
}

fn succeeded(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn from_status(status: io::Result<std::process::ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Status(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        },
        Err(error) => Exit::Lost(error),
    }
}

/// A running child, leader of its own process group.
struct Group {
    leader: Child,
    id: Option<Pid>,
    ended: bool,
}

impl Group {
    /// Ends the whole group and reaps the leader.
    ///
    /// The leader is reaped last: until then its number, which is the group's, cannot be given to anybody else.
    async fn end(&mut self) {
        if let Some(id) = self.id {
            signal(id, Signal::SIGTERM);
            let patience = tokio::time::Instant::now() + KILL_DELAY;
            while !has_ended(id) && tokio::time::Instant::now() < patience {
                tokio::time::sleep(END_POLL).await;
            }
            signal(id, Signal::SIGKILL);
        }
        if let Err(error) = self.leader.wait().await {
            tracing::warn!(%error, "cannot reap a script");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Only when `run` was dropped half-way. The leader is not reaped yet; tokio does that later.
        if let (false, Some(id)) = (self.ended, self.id) {
            signal(id, Signal::SIGKILL);
        }
    }
}

fn signal(group: Pid, signal: Signal) {
    // The only errors are that nobody is left, and a set-user-ID program that we may not signal.
    if let Err(Errno::EPERM) = killpg(group, signal) {
        tracing::warn!(group = group.as_raw(), %signal, "may not signal a script");
    }
}

/// Whether the process ended, without reaping it.
fn has_ended(id: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(id), flags), Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
}
