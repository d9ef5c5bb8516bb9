//! Putting the new file in place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;

use super::ApplyError;
use super::stage::{Stage, set};
use super::target::{Existing, Target};

/// By one rename, which readers see whole or not at all. A file that is a mount point of its own, as containers have
/// them, cannot be renamed to: it is written in place.
pub(super) fn put(target: &Target, stage: Stage) -> Result<(), ApplyError> {
    match stage.rename(&target.path) {
        Ok(()) => {
            sync_folder(target.folder());
            Ok(())
        }
        Err((stage, error)) if Errno::from_raw(error.raw_os_error().unwrap_or(0)) == Errno::EBUSY => {
            let failed = |error| ApplyError::Place(target.path.clone(), error);
            let mut content = Vec::new();
            File::open(stage.path()).and_then(|mut file| file.read_to_end(&mut content)).map_err(failed)?;
            let file = open_to_write(&target.path).map_err(failed)?;
            if !target.is_as_wanted() {
                set(&file, &target.path, target.wanted)?;
            }
            let old = target.now.as_ref().and_then(|now| now.content.as_deref());
            in_place(file, &content, old).map_err(failed)
        }
        Err((_, error)) => Err(ApplyError::Place(target.path.clone(), error)),
    }
}

/// Puts back what was there before: by a stage again, so that this is as whole as the first time.
pub(super) fn restore(path: &Path, was: Option<&Existing>) -> Result<(), ApplyError> {
    let failed = |error| ApplyError::Place(path.to_owned(), error);
    let Some(was) = was else {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        };
    };
    let Some(content) = &was.content else {
        return Err(failed(io::Error::other("what was there was too large to be kept")));
    };
    let target = Target { path: path.to_owned(), now: None, wanted: was.attributes };
    let stage = Stage::write(path, content, was.attributes, false)?;
    put(&target, stage)
}

/// The content is right already.
pub(super) fn put_attributes_right(target: &Target) -> Result<(), ApplyError> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&target.path);
    let file = file.map_err(|error| ApplyError::Place(target.path.clone(), error))?;
    set(&file, &target.path, target.wanted)
}

fn open_to_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Writes over a file. Room for the new content is made first, so that a full disk is noticed while the old content is
/// still whole; if writing fails all the same, the old content is put back.
fn in_place(mut file: File, content: &[u8], old: Option<&[u8]>) -> io::Result<()> {
    let length = i64::try_from(content.len()).map_err(io::Error::other)?;
    if length > 0 {
        match fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
            // Not every file system can.
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let written = overwrite(&mut file, content);
    if let (Err(_), Some(old)) = (&written, old)
        && let Err(error) = overwrite(&mut file, old)
    {
        tracing::error!(%error, "cannot put back the old content after a failed write");
    }
    written
}

fn overwrite(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// So that a power cut cannot bring the old name back. Some file systems refuse it, and lose nothing that we could save.
fn sync_folder(folder: &Path) {
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!(%error, "cannot sync the folder {}", folder.display());
    }
}
