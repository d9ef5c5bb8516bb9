//! The new file before it counts: beside its destination and so on the same file system, hidden from `include *`, and
//! with its final owner and permissions before the first byte is in it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;
use nix::unistd::geteuid;

use super::ApplyError;
use super::target::{Attributes, attributes};

/// Marks our stages, so that a later start knows them from anybody else's files.
const MARK: &[u8] = b".vipward-";
/// Digits of the process and of the stage within it.
const DIGITS: usize = 16;
/// Longest name of a file.
const NAME_MAX: usize = 255;
/// Names that are tried; the only ones taken can be those of a dead process of the same number.
const ATTEMPTS: usize = 16;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A staged file. It goes with this value, unless it was put in place or is to be kept.
#[derive(Debug)]
pub(super) struct Stage {
    path: PathBuf,
    keep: bool,
}

impl Stage {
    /// Stages `content` for `dest`, and has it on the disk.
    pub(super) fn write(
        dest: &Path,
        content: &[u8],
        wanted: Attributes,
        keep: bool,
    ) -> Result<Stage, ApplyError> {
        let failed = |error| ApplyError::Stage(dest.to_owned(), error);
        let (mut file, mut stage) = Stage::create(dest).map_err(|error| {
            let folder = dest.parent().unwrap_or(Path::new("/"));
            if error.kind() == io::ErrorKind::NotFound {
                ApplyError::NoFolder(folder.to_owned())
            } else {
                failed(error)
            }
        })?;
        set(&file, dest, wanted)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
        stage.keep = keep;
        Ok(stage)
    }

    fn create(dest: &Path) -> io::Result<(File, Stage)> {
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for _ in 0..ATTEMPTS {
            let path = dest.with_file_name(std::ffi::OsString::from_vec(name(dest)));
            // Nobody but us may read it until its owner and permissions are what they shall be.
            let opened = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path);
            result = opened.map(|file| (file, Stage { path, keep: false }));
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        result
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it the name of `dest`.
    pub(super) fn rename(mut self, dest: &Path) -> Result<(), (Stage, io::Error)> {
        if let Err(error) = std::fs::rename(&self.path, dest) {
            return Err((self, error));
        }
        // There is nothing left under its old name.
        self.keep = true;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "cannot remove the staged file {}", self.path.display());
        }
    }
}

/// Owner first: changing it takes special bits away from the mode.
pub(super) fn set(file: &File, dest: &Path, wanted: Attributes) -> Result<(), ApplyError> {
    let failed =
        |error| ApplyError::Attributes(dest.to_owned(), (wanted.uid, wanted.gid), wanted.mode, error);
    let now = attributes(&file.metadata().map_err(failed)?);
    if (now.uid, now.gid) != (wanted.uid, wanted.gid) {
        let uid = (now.uid != wanted.uid).then_some(wanted.uid);
        let gid = (now.gid != wanted.gid).then_some(wanted.gid);
        fchown(file, uid, gid).map_err(failed)?;
    }
    file.set_permissions(Permissions::from_mode(wanted.mode)).map_err(failed)
}

fn base(dest: &Path) -> Vec<u8> {
    let mut base = b".".to_vec();
    base.extend_from_slice(dest.file_name().unwrap_or_default().as_bytes());
    base.truncate(NAME_MAX - MARK.len() - DIGITS);
    base.extend_from_slice(MARK);
    base
}

fn name(dest: &Path) -> Vec<u8> {
    let mut name = base(dest);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    // Decimal, so that messages with this name in them differ in digits alone: they are logged once.
    let number = number % 100_000_000;
    name.extend_from_slice(format!("{:08x}{number:08}", std::process::id()).as_bytes());
    name
}

/// Removes what a crash left of stages for `dest`; gives how many there were. Stages of a process that lives are left.
pub fn sweep(dest: &Path) -> usize {
    let (base, folder) = (base(dest), dest.parent().unwrap_or(Path::new("/")));
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let mut removed = 0;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(digits) = name.as_bytes().strip_prefix(base.as_slice()) else { continue };
        let ours = digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit);
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        let by_us = metadata.is_file() && (metadata.uid() == geteuid().as_raw() || geteuid().is_root());
        if ours && by_us && !lives(digits) && std::fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    removed
}

/// Whether the process that made a stage with these digits is another one that lives.
fn lives(digits: &[u8]) -> bool {
    let pid =
        std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits.get(..8)?, 16).ok());
    pid.is_some_and(|pid| pid != std::process::id() && Path::new(&format!("/proc/{pid}")).exists())
}
