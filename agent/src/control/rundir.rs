//! The run directory: opened so that nobody can have slipped another one underneath, and locked.
//!
//! The directory must be a real directory that belongs to the agent's user or root and that nobody else can
//! write to. From then on it is used by its descriptor. `DIR/lock` is held with flock for as long as the agent
//! lives, so a socket found under the lock is a dead agent's and may be replaced.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

/// Name of the socket in the run directory.
pub const SOCKET: &str = "control.sock";
/// Name of the lock file.
const LOCK: &str = "lock";

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It could not be created or opened.
    #[error("cannot use the run directory {}", .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// It is a symbolic link, a file, or anything else that is not a directory.
    #[error("the run directory {} is not a directory itself (symbolic links are refused)", .0.display())]
    NotADirectory(PathBuf),
    /// It belongs to somebody else.
    #[error("the run directory {dir} belongs to user {1}: use one of the agent's own user", dir = .0.display())]
    Owner(PathBuf, u32),
    /// Others can write to it.
    #[error("others can write to the run directory {dir} (mode {1:o}): chmod it to 700", dir = .0.display())]
    Writable(PathBuf, u32),
    /// Another agent holds it.
    #[error(
        "another agent{} uses the run directory {}: stop it first, or give this one another --run-dir",
        .1.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), .0.display()
    )]
    InUse(PathBuf, Option<u32>),
    /// What stands where the socket should be is no socket, and not ours to remove.
    #[error("{} is in the way and is not a socket: remove it", .0.display())]
    InTheWay(PathBuf),
}

/// An agent's run directory, locked for as long as this lives.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    dir: OwnedFd,
    /// Held, never read: dropping it releases the lock.
    _lock: Flock<File>,
}

impl RunDir {
    /// Creates the directory if it is not there (mode 0700, and parents with the usual mode), checks it and
    /// locks it.
    pub fn open(path: &Path) -> Result<RunDir, RunDirError> {
        let failed = |error: io::Error| RunDirError::Open(path.to_owned(), error);
        create(path).map_err(failed)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let dir = match nix::fcntl::open(path, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::ELOOP | Errno::ENOTDIR) => return Err(RunDirError::NotADirectory(path.to_owned())),
            Err(error) => return Err(failed(error.into())),
        };
        check(path, &fstat(&dir).map_err(|error| failed(error.into()))?)?;
        let lock = lock(path, &dir)?;
        Ok(RunDir { path: path.to_owned(), dir, _lock: lock })
    }

    /// The directory as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path of `name` in the directory that goes by the descriptor, whatever happens to the directory's name,
    /// and fits into a socket address, however long that name is.
    pub fn entry(&self, name: &str) -> PathBuf {
        entry_of(&self.dir, name)
    }

    /// Removes the socket that a dead agent left, or our own.
    pub fn remove_socket(&self) -> Result<(), RunDirError> {
        let path = || self.path.join(SOCKET);
        let failed = |error: Errno| RunDirError::Open(path(), error.into());
        match fstatat(&self.dir, SOCKET, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(stat) if file_type(&stat) == SFlag::S_IFSOCK => {
                unlinkat(&self.dir, SOCKET, UnlinkatFlags::NoRemoveDir).map_err(failed)
            }
            Ok(_) => Err(RunDirError::InTheWay(path())),
        }
    }
}

/// See [`RunDir::entry`].
pub(super) fn entry_of(dir: &OwnedFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn check(path: &Path, stat: &FileStat) -> Result<(), RunDirError> {
    if stat.st_uid != 0 && stat.st_uid != geteuid().as_raw() {
        return Err(RunDirError::Owner(path.to_owned(), stat.st_uid));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(RunDirError::Writable(path.to_owned(), mode));
    }
    Ok(())
}

fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn lock(path: &Path, dir: &OwnedFd) -> Result<Flock<File>, RunDirError> {
    let failed = |error: io::Error| RunDirError::Open(path.join(LOCK), error);
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file =
        openat(dir, LOCK, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| failed(error.into()))?;
    match Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            // For the message that a second agent gives, so its loss is no reason not to start.
            if let Err(error) = write_pid(&mut lock) {
                tracing::warn!(%error, "cannot write the pid into the lock file");
            }
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => Err(RunDirError::InUse(path.to_owned(), read_pid(&mut file))),
        Err((_, error)) => Err(failed(error.into())),
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("temporary directory")
    }

    #[test]
    fn it_is_created_private_and_held_by_one() {
        let parent = dir();
        let path = parent.path().join("a/run");
        let held = RunDir::open(&path).expect("first agent");
        assert_eq!(fs::metadata(&path).expect("created").permissions().mode() & 0o777, 0o700);
        let refused = RunDir::open(&path).expect_err("second agent");
        let (text, pid) = (refused.to_string(), std::process::id());
        assert!(text.contains(&format!("another agent (pid {pid})")), "{text}");
        assert!(text.contains("another --run-dir"), "{text}");
        drop(held);
        RunDir::open(&path).expect("the first one is gone");
    }

    #[test]
    fn links_files_strangers_and_open_doors_are_refused() {
        let parent = dir();
        let (real, link, file) =
            (parent.path().join("real"), parent.path().join("link"), parent.path().join("file"));
        fs::create_dir(&real).expect("created");
        symlink(&real, &link).expect("linked");
        fs::write(&file, "").expect("written");
        assert!(matches!(RunDir::open(&link), Err(RunDirError::NotADirectory(_))));
        assert!(matches!(RunDir::open(&file), Err(RunDirError::NotADirectory(_))));

        for mode in [0o770, 0o702, 0o1777] {
            fs::set_permissions(&real, Permissions::from_mode(mode)).expect("chmod");
            assert!(matches!(RunDir::open(&real), Err(RunDirError::Writable(_, seen)) if seen == mode));
        }
        fs::set_permissions(&real, Permissions::from_mode(0o700)).expect("chmod");
        chown(&real, Some(65534), None).expect("chown");
        assert!(matches!(RunDir::open(&real), Err(RunDirError::Owner(_, 65534))));
        assert!(!real.join(LOCK).exists(), "nothing was written there");
    }

    #[test]
    fn only_a_socket_is_replaced() {
        let parent = dir();
        let run_dir = RunDir::open(parent.path()).expect("open");
        run_dir.remove_socket().expect("nothing there");
        let socket = parent.path().join(SOCKET);
        drop(UnixListener::bind(&socket).expect("bound"));
        run_dir.remove_socket().expect("a dead agent's");
        assert!(!socket.exists());
        fs::write(&socket, "precious").expect("written");
        assert!(matches!(run_dir.remove_socket(), Err(RunDirError::InTheWay(path)) if path == socket));
        fs::remove_file(&socket).expect("removed");
        symlink("/etc/passwd", &socket).expect("linked");
        assert!(matches!(run_dir.remove_socket(), Err(RunDirError::InTheWay(_))));
    }
}
