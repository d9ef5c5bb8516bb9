//! Where a file is really written, and what is there now.
//!
//! A symbolic link stays what it is: what it points to is replaced. Only links that belong to root or to our own user
//! are followed, for whoever owns a link chooses which file of ours is overwritten.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::geteuid;

use super::ApplyError;
use crate::render::resource::Resource;

/// As many links in a row as the kernel follows.
const MAX_LINKS: usize = 40;
/// Permissions of a file that nobody has said anything about.
const DEFAULT_MODE: u32 = 0o644;
/// A file that is larger than this is taken for another one than what is rendered.
const MAX_COMPARED: u64 = 256 << 20;

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The place of a destination.
#[derive(Debug)]
pub struct Target {
    /// With links followed.
    pub path: PathBuf,
    /// What stands there.
    pub now: Option<Existing>,
    /// What the file shall have.
    pub wanted: Attributes,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its content; `None` if it is too large to be ours.
    pub content: Option<Vec<u8>>,
    /// What it has.
    pub attributes: Attributes,
}

impl Target {
    /// Looks at the destination of `resource`.
    pub fn look(resource: &Resource) -> Result<Target, ApplyError> {
        let path = follow(&resource.dest)?;
        let now = existing(&path)?;
        let kept = now.as_ref().map(|now| now.attributes);
        let own = || Attributes {
            mode: DEFAULT_MODE,
            uid: geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
        };
        let kept = kept.unwrap_or_else(own);
        let wanted = Attributes {
            mode: resource.mode.unwrap_or(kept.mode),
            uid: resource.uid.unwrap_or(kept.uid),
            gid: resource.gid.unwrap_or(kept.gid),
        };
        Ok(Target { path, now, wanted })
    }

    /// Whether it has `content` already.
    pub fn holds(&self, content: &str) -> bool {
        let now = self.now.as_ref().and_then(|now| now.content.as_deref());
        now == Some(content.as_bytes())
    }

    /// Whether it has the attributes that it shall have.
    pub fn is_as_wanted(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.attributes == self.wanted)
    }

    /// The folder, in which the new file is staged.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// `dest` with the links at its end followed; what is there need not exist.
pub fn follow(dest: &Path) -> Result<PathBuf, ApplyError> {
    let failed = |path: &Path, error| ApplyError::Look(path.to_owned(), error);
    let mut path = dest.to_owned();
    for _ in 0..MAX_LINKS {
        // The folder by its real name, so that `..` in a link means what the kernel takes it for.
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name())
            && let Ok(real) = folder.canonicalize()
        {
            path = real.join(name);
        }
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
                    return Err(ApplyError::ForeignLink(path, metadata.uid()));
                }
                let to = std::fs::read_link(&path).map_err(|error| failed(&path, error))?;
                path = path.parent().unwrap_or(Path::new("/")).join(to);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path, error)),
            _ => return Ok(path),
        }
    }
    Err(failed(dest, io::Error::from_raw_os_error(libc::ELOOP)))
}

fn existing(path: &Path) -> Result<Option<Existing>, ApplyError> {
    let failed = |error| ApplyError::Look(path.to_owned(), error);
    // A pipe in the way must not make us wait for its other end.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(ApplyError::Folder(path.to_owned()));
    }
    if !metadata.is_file() {
        return Err(ApplyError::NotAFile(path.to_owned()));
    }
    let content = read(file, &metadata).map_err(failed)?;
    Ok(Some(Existing { content, attributes: attributes(&metadata) }))
}

fn read(file: File, metadata: &Metadata) -> io::Result<Option<Vec<u8>>> {
    if metadata.len() > MAX_COMPARED {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(MAX_COMPARED + 1).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// What a file has.
pub fn attributes(metadata: &Metadata) -> Attributes {
    Attributes { mode: metadata.permissions().mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() }
}
