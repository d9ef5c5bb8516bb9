//! Reloads that are still to be done, remembered across a restart of vipward.
//!
//! `DIR/pending-reloads/` holds a small file per destination from just before the destination changes until its reload
//! succeeded, so neither a crash in between nor a failed reload is forgotten. The run directory is the right place: it
//! goes with a reboot of the machine, after which every service reads its files anyway. Only its owner may use it, and no
//! symbolic link is followed.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

/// Name of the folder in the run directory.
const FOLDER: &str = "pending-reloads";
/// Longest path that is told from others.
const MAX_PATH: u64 = 8192;

/// The notes. Without a folder they are lost with the process.
#[derive(Debug, Default)]
pub struct Pending {
    folder: Option<OwnedFd>,
}

/// Why notes cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PendingError {
    /// The folder cannot be made or opened.
    #[error("cannot use {path}: {1}", path = .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// Others could write notes there.
    #[error("{path} must belong to vipward's own user and be writable by nobody else (it belongs to {1}, mode {2:o})",
        path = .0.display())]
    Unsafe(PathBuf, u32, u32),
}

impl Pending {
    /// Keeps notes in the run directory `dir`.
    pub fn open(dir: &Path) -> Result<Pending, PendingError> {
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent).map_err(|error| PendingError::Open(parent.to_owned(), error))?;
        }
        let mut folder = None;
        for path in [dir.to_owned(), dir.join(FOLDER)] {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(PendingError::Open(path, error));
                }
                _ => {}
            }
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            let failed = |error: Errno| PendingError::Open(path.clone(), error.into());
            let opened = nix::fcntl::open(&path, flags, Mode::empty()).map_err(failed)?;
            let stat = fstat(&opened).map_err(failed)?;
            let owner_ok = stat.st_uid == geteuid().as_raw() || stat.st_uid == 0;
            if !owner_ok || stat.st_mode & 0o022 != 0 {
                return Err(PendingError::Unsafe(path, stat.st_uid, stat.st_mode & 0o7777));
            }
            folder = Some(opened);
        }
        Ok(Pending { folder })
    }

    /// Notes that `dest` changes and a reload must follow.
    pub fn note(&self, dest: &Path) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(folder, name(dest).as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        File::from(file).write_all(dest.as_os_str().as_bytes())
    }

    /// The reload of `dest` is done.
    pub fn clear(&self, dest: &Path) {
        let Some(folder) = &self.folder else { return };
        match unlinkat(folder, name(dest).as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => tracing::warn!(%error, "cannot forget a reload that is done"),
        }
    }

    /// Whether a reload of `dest` is still to be done.
    pub fn is_noted(&self, dest: &Path) -> bool {
        let Some(folder) = &self.folder else { return false };
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(file) = openat(folder, name(dest).as_str(), flags, Mode::empty()) else { return false };
        let mut text = Vec::new();
        let read = File::from(file).take(MAX_PATH).read_to_end(&mut text);
        // Cut short by a crash, it may have meant this one: a reload too many does no harm.
        read.is_ok() && (text.is_empty() || dest.as_os_str().as_bytes().starts_with(&text))
    }
}

/// FNV-1a of the path: short, and the same in every version.
fn name(dest: &Path) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in dest.as_os_str().as_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn notes_outlive_whoever_made_them() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let run = dir.path().join("a/run");
        let (one, two) = (Path::new("/etc/one"), Path::new("/etc/two"));
        Pending::open(&run).expect("made").note(one).expect("noted");
        let later = Pending::open(&run).expect("again");
        assert!(later.is_noted(one) && !later.is_noted(two));
        later.clear(one);
        later.clear(two);
        assert!(!later.is_noted(one));
        assert_eq!(fs::metadata(run.join(FOLDER)).expect("there").permissions().mode() & 0o777, 0o700);
        assert!(!Pending::default().is_noted(one));
    }

    #[test]
    fn links_and_open_doors_are_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).expect("made");
        symlink(&real, &link).expect("linked");
        assert!(matches!(Pending::open(&link), Err(PendingError::Open(..))));
        fs::set_permissions(&real, Permissions::from_mode(0o777)).expect("chmod");
        assert!(matches!(Pending::open(&real), Err(PendingError::Unsafe(_, _, 0o777))));
        fs::set_permissions(&real, Permissions::from_mode(0o700)).expect("chmod");
        let pending = Pending::open(&real).expect("made");
        let note = real.join(FOLDER).join(name(Path::new("/d")));
        symlink(dir.path().join("victim"), &note).expect("linked");
        pending.note(Path::new("/d")).expect_err("a link");
        assert!(!dir.path().join("victim").exists());
    }
}
