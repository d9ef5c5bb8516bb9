//! The asking side of the control socket: blocking, for commands.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::geteuid;

use super::protocol::{MAX_RESPONSE, REQUEST_TIMEOUT, Request, Response};
use super::rundir::{SOCKET, entry_of};

/// A little more than the agent allows itself, so that its own answer comes first.
const PATIENCE: Duration = REQUEST_TIMEOUT.saturating_add(Duration::from_secs(2));

/// Why there is no answer. Each message ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No agent listens there.
    #[error(
        "no agent is running with the run directory {}: start one (`vipward run`), or name its --run-dir",
        .0.display()
    )]
    NoAgent(PathBuf),
    /// The caller may not ask.
    #[error("permission denied for {}: ask as root or as the agent's user (sudo)", .0.display())]
    PermissionDenied(PathBuf),
    /// The socket belongs to somebody who should not run an agent, in a place that root did not give him.
    #[error("the socket in {dir} is served by user {1}, not by root or by you: do not trust it", dir = .0.display())]
    Untrusted(PathBuf, u32),
    /// The agent did not answer in time.
    #[error("the agent did not answer within {PATIENCE:?}: it hangs or is overloaded, look at its log")]
    Timeout,
    /// The agent hung up, or talks differently.
    #[error("the agent's answer was not understood ({0}): are the command and the agent of one version?")]
    Protocol(String),
    /// The agent says no.
    #[error("{0}")]
    Refused(String),
    /// Anything else that the system says.
    #[error("cannot talk to the agent in {dir}: {1}", dir = .0.display())]
    Io(PathBuf, io::Error),
}

/// Asks the agent that runs with `run_dir`. An answer of [`Response::Error`] comes as [`ClientError::Refused`].
pub fn request(run_dir: &Path, request: &Request) -> Result<Response, ClientError> {
    Connection::open(run_dir)?.request(request)
}

/// A connection to an agent, for asking more than once.
#[derive(Debug)]
pub struct Connection {
    run_dir: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Connection {
    /// Connects to the agent that runs with `run_dir`.
    pub fn open(run_dir: &Path) -> Result<Connection, ClientError> {
        let failed = |error| from_io(run_dir, error);
        let dir = open_dir(run_dir).map_err(failed)?;
        let stream = UnixStream::connect(entry_of(&dir, SOCKET)).map_err(failed)?;
        let peer = getsockopt(&stream, PeerCredentials).map_err(|error| failed(error.into()))?;
        let known = peer.uid() == 0 || peer.uid() == geteuid().as_raw();
        if !known && !is_given_to(&dir, peer.uid()) {
            return Err(ClientError::Untrusted(run_dir.to_owned(), peer.uid()));
        }
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Connection { run_dir: run_dir.to_owned(), stream: BufReader::new(stream) })
    }

    /// Asks, and waits for the answer.
    pub fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        let mut line =
            serde_json::to_vec(request).map_err(|error| ClientError::Protocol(error.to_string()))?;
        line.push(b'\n');
        // An agent that refuses the connection says why and hangs up, maybe before it is asked: what it said
        // goes before the error of asking.
        let asked = self.stream.get_mut().write_all(&line);
        let mut answer = Vec::new();
        let heard = (&mut self.stream).take(MAX_RESPONSE).read_until(b'\n', &mut answer);
        if answer.is_empty() {
            asked.and(heard.map(drop)).map_err(|error| from_io(&self.run_dir, error))?;
            return Err(ClientError::Protocol("it hung up".into()));
        }
        match serde_json::from_slice(&answer) {
            Ok(Response::Error(why)) => Err(ClientError::Refused(why)),
            Ok(response) => Ok(response),
            Err(error) => Err(ClientError::Protocol(error.to_string())),
        }
    }
}

/// Links are followed: `/var/run/vipward` is a name for the same place, and the peer is checked.
fn open_dir(run_dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(run_dir, flags, Mode::empty())?)
}

/// Whether root has given this folder to that user: only root can put one there.
fn is_given_to(dir: &OwnedFd, user: u32) -> bool {
    let (Ok(own), Ok(parent)) = (fstat(dir), fstatat(dir, "..", AtFlags::AT_SYMLINK_NOFOLLOW)) else {
        return false;
    };
    own.st_uid == user && parent.st_uid == 0 && parent.st_mode & 0o022 == 0
}

fn from_io(run_dir: &Path, error: io::Error) -> ClientError {
    let run_dir = run_dir.to_owned();
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ECONNREFUSED => ClientError::NoAgent(run_dir),
        Errno::EACCES | Errno::EPERM => ClientError::PermissionDenied(run_dir),
        Errno::EAGAIN | Errno::ETIMEDOUT => ClientError::Timeout,
        _ => ClientError::Io(run_dir, error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    /// A service with `User=` has a run directory of that user's, which root made.
    #[test]
    fn a_user_is_trusted_in_the_place_that_root_gave_him() {
        const NOBODY: u32 = 65_534;
        let parent = tempfile::tempdir().expect("temporary directory");
        let run_dir = parent.path().join("vipward");
        fs::create_dir(&run_dir).expect("created");
        let given = || is_given_to(&open_dir(&run_dir).expect("open"), NOBODY);
        assert!(!given(), "it is root's");
        chown(&run_dir, Some(NOBODY), None).expect("chown");
        assert!(given());
        // As in /tmp: anybody can have made it.
        fs::set_permissions(parent.path(), Permissions::from_mode(0o1777)).expect("chmod");
        assert!(!given());
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).expect("chmod");
        chown(parent.path(), Some(NOBODY), None).expect("chown");
        assert!(!given(), "he can have put it there himself");
    }
}
