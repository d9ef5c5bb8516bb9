//! The other files of a templates folder that a template may take in, and nothing outside of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Fault;
use super::go::{self, Program};
use super::limits::{Exceeded, Limits};

/// A folder of templates.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// As given, for messages.
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned() }
    }

    /// Where a file of this name would be.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file of the folder. A link may lead to another one of its files, and nowhere else.
    pub(super) fn read(&self, name: &str, limits: &Limits) -> Result<String, Fault> {
        let shown = super::quoted(name);
        let fail = |why: &dyn std::fmt::Display| Fault::Read(format!("{shown} cannot be read: {why}"));
        let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !plain {
            return Err(fail(&"a template is named by its path within the templates folder, without `..`"));
        }
        let folder = self.path.canonicalize().map_err(|error| fail(&error))?;
        let file = folder.join(name).canonicalize().map_err(|error| fail(&error))?;
        if !file.starts_with(&folder) {
            return Err(fail(&"it is a link that leads out of the templates folder"));
        }
        // Without links by now, and without waiting for the other end of a pipe.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
        let open =
            File::options().read(true).custom_flags(flags).open(&file).map_err(|error| fail(&error))?;
        if !open.metadata().map_err(|error| fail(&error))?.is_file() {
            return Err(fail(&"it is no file"));
        }
        let mut bytes = Vec::new();
        let most = limits.source as u64;
        open.take(most + 1).read_to_end(&mut bytes).map_err(|error| fail(&error))?;
        if bytes.len() > limits.source {
            return Err(Exceeded::Source(limits.source).into());
        }
        String::from_utf8(bytes).map_err(|_| fail(&"it is not UTF-8"))
    }
}

/// What a template takes in: read and parsed once, however often it is rendered.
#[derive(Debug, Default)]
pub(super) struct Includes {
    folder: Option<Folder>,
    programs: Mutex<BTreeMap<Arc<str>, Arc<Program>>>,
}

impl Includes {
    pub(super) fn new(folder: Option<Folder>) -> Includes {
        Includes { folder, programs: Mutex::default() }
    }

    /// The folder, if the template is in one.
    pub(super) fn folder(&self) -> Result<&Folder, Fault> {
        self.folder
            .as_ref()
            .ok_or_else(|| Fault::Read("there is no templates folder to include from".to_owned()))
    }

    /// A file in Go's syntax.
    pub(super) fn program(&self, name: &Arc<str>, limits: &Limits) -> Result<Arc<Program>, Fault> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = programs.get(name) {
            return Ok(known.clone());
        }
        let folder = self.folder()?;
        let text = folder.read(name, limits)?;
        let program = go::parse(&folder.file(name), &text, limits).map_err(Fault::from)?;
        let program = Arc::new(program);
        programs.insert(name.clone(), program.clone());
        Ok(program)
    }

    /// The files that were taken in so far.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.values().map(|program| program.file().to_owned()).collect()
    }
}
