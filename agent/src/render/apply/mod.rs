//! From rendered text to the file: compared, staged beside its destination, checked, put in place by one rename.
//!
//! * [`target`]: where it goes, and what is there;
//! * `stage`: the new file before it counts;
//! * `place`: the rename, or writing in place where none is possible;
//! * [`diff`]: what would change, or has changed;
//! * [`secrecy`]: whether everybody may see that.
//!
//! Whatever fails, the file that was there stays as it was, and no stage is left behind.

pub mod diff;
mod place;
pub mod secrecy;
mod stage;
pub mod target;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::resource::{CommandError, Resource};
use super::shell::{self, Failure};
use stage::Stage;
use target::{Existing, Target};

pub use stage::sweep;

/// What is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Change nothing, and give the difference.
    pub noop: bool,
    /// Run no checks.
    pub sync_only: bool,
    /// Leave staged files where they are.
    pub keep_stage_file: bool,
}

/// What became of a rendered text.
#[derive(Debug)]
pub enum Outcome {
    /// The file is so already.
    Unchanged,
    /// Only its owner or permissions were put right: nothing to reload.
    Attributes,
    /// It has new content.
    Written {
        /// What was there before, to put it back.
        previous: Previous,
        /// What changed, cut short; nothing if not everybody may read it.
        diff: Option<String>,
    },
    /// What would change, as a unified diff; nothing was touched.
    WouldWrite(String),
}

/// What a file was before it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    path: PathBuf,
    was: Option<Existing>,
}

/// Why the file stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The destination could not be looked at.
    #[error("cannot look at {path}: {1}", path = .0.display())]
    Look(PathBuf, #[source] io::Error),
    /// A link that somebody else could point anywhere.
    #[error("{path} is a symbolic link of user {1}: vipward follows those of root and of its own user alone",
        path = .0.display())]
    ForeignLink(PathBuf, u32),
    /// A folder in the way.
    #[error("{} is a folder: dest must name a file", .0.display())]
    Folder(PathBuf),
    /// A pipe or a device in the way.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The folder is not there.
    #[error("the folder {} does not exist: create it, or set create_dest_dirs = true in the resource", .0.display())]
    NoFolder(PathBuf),
    /// The new file could not be prepared.
    #[error("cannot stage {dest}: {1}; the file stays as it was", dest = .0.display())]
    Stage(PathBuf, #[source] io::Error),
    /// Owner or permissions were refused.
    #[error("cannot set owner or permissions of {dest} (uid {uid}, gid {gid}, mode {mode:o}): {3}",
        dest = .0.display(), uid = .1.0, gid = .1.1, mode = .2)]
    Attributes(PathBuf, (u32, u32), u32, #[source] io::Error),
    /// `check_cmd` names something that it cannot.
    #[error("check_cmd: {0}")]
    Command(#[from] CommandError),
    /// `check_cmd` refused the new file.
    #[error("check_cmd `{0}` refuses the new file, the old one stays: {1}")]
    Check(String, Failure),
    /// It was to be noted that a reload follows, and could not be.
    #[error("cannot note that a reload must follow: {0}; the file stays as it was")]
    Note(#[source] io::Error),
    /// The new file could not be put in place.
    #[error("cannot replace {dest}: {1}", dest = .0.display())]
    Place(PathBuf, #[source] io::Error),
    /// The work was cut short.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

/// Makes `content` the content of the resource's destination. `note` is called just before that counts, and stops it by
/// failing.
pub async fn apply(
    resource: &Resource,
    content: String,
    options: Options,
    note: impl FnOnce() -> io::Result<()> + Send + 'static,
    cancel: &mut watch::Receiver<bool>,
) -> Result<Outcome, ApplyError> {
    let owned = resource.clone();
    let (prepared, content) =
        blocking(move || prepare(&owned, &content, options).map(|prepared| (prepared, content))).await?;
    let (target, stage) = match prepared {
        Prepared::Done(outcome) => return Ok(outcome),
        Prepared::Staged(target, stage) => (target, stage),
    };
    if let (Some(check), false) = (&resource.check, options.sync_only) {
        let line = check.with(stage.path(), &resource.dest)?;
        shell::run(&line, resource.check_timeout, cancel)
            .await
            .map_err(|failure| ApplyError::Check(check.line.clone(), failure))?;
    }
    blocking(move || {
        note().map_err(ApplyError::Note)?;
        place::put(&target, stage)?;
        // When it stands, so that nothing waits for it but the reload.
        let diff = secrecy::is_open(&target).then(|| diff::kept(&target, &content));
        Ok(Outcome::Written { previous: Previous { path: target.path, was: target.now }, diff })
    })
    .await
}

/// Puts back what was there.
pub async fn restore(previous: Previous) -> Result<(), ApplyError> {
    blocking(move || place::restore(&previous.path, previous.was.as_ref())).await
}

impl Previous {
    /// The file itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

enum Prepared {
    Done(Outcome),
    Staged(Target, Stage),
}

fn prepare(resource: &Resource, content: &str, options: Options) -> Result<Prepared, ApplyError> {
    let target = Target::look(resource)?;
    if target.holds(content) {
        if target.is_as_wanted() {
            return Ok(Prepared::Done(Outcome::Unchanged));
        }
        if options.noop {
            let wanted = target.wanted;
            let text = format!(
                "{}: owner {}:{} and mode {:o}\n",
                target.path.display(),
                wanted.uid,
                wanted.gid,
                wanted.mode
            );
            return Ok(Prepared::Done(Outcome::WouldWrite(text)));
        }
        place::put_attributes_right(&target)?;
        return Ok(Prepared::Done(Outcome::Attributes));
    }
    if options.noop {
        let old = target.now.as_ref().and_then(|now| now.content.as_deref());
        return Ok(Prepared::Done(Outcome::WouldWrite(diff::unified(&resource.dest, old, content))));
    }
    if resource.create_dest_dirs {
        std::fs::create_dir_all(target.folder())
            .map_err(|error| ApplyError::Stage(target.path.clone(), error))?;
    }
    let stage = Stage::write(&target.path, content.as_bytes(), target.wanted, options.keep_stage_file)?;
    Ok(Prepared::Staged(target, stage))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApplyError> + Send + 'static,
) -> Result<T, ApplyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ApplyError::Interrupted(error.to_string())))
}

#[cfg(test)]
mod tests;
