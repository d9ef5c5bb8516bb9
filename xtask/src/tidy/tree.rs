//! The files that tidy looks at: what git tracks or would track.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The workspace's files.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// One file.
pub(super) struct File {
    /// Relative to the workspace's root, with `/`.
    pub(super) path: String,
    /// Contents; empty when they are not UTF-8.
    pub(super) text: String,
    /// Size in bytes.
    pub(super) size: u64,
    /// Whether its owner may execute it.
    pub(super) executable: bool,
}

/// A violated rule.
pub(super) struct Finding {
    path: String,
    /// From 1; 0 when it is about the whole file.
    line: usize,
    message: String,
}

impl Tree {
    /// Reads the workspace as it is on disk.
    pub(super) fn read() -> Result<Tree> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace::root());
        let listed = git.output().context("cannot run git to list the files")?;
        ensure!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
        let names = String::from_utf8(listed.stdout).context("a file's name is not UTF-8")?;
        let files = names.split_terminator('\0').filter_map(|name| File::read(name).transpose());
        Ok(Tree { files: files.collect::<Result<_>>()? })
    }

    /// Rust sources, build scripts included.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_extension("rs"))
    }

    /// The file at `path`.
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    /// Nothing for what is no regular file any more: deleted and not yet committed, or a symbolic link.
    fn read(name: &str) -> Result<Option<File>> {
        let path = workspace::root().join(name);
        let Ok(meta) = path.symlink_metadata() else { return Ok(None) };
        if !meta.is_file() {
            return Ok(None);
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {name}"))?;
        Ok(Some(File {
            path: name.to_owned(),
            text: String::from_utf8(bytes).unwrap_or_default(),
            size: meta.len(),
            executable: meta.permissions().mode() & 0o100 != 0,
        }))
    }

    pub(super) fn has_extension(&self, extension: &str) -> bool {
        std::path::Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// A finding in `line` (from 1; 0 for the whole file).
    pub(super) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

impl Finding {
    /// A finding about a whole file, which need not be there.
    pub(super) fn about(path: &str, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line: 0, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Trees for the rules' tests.
#[cfg(test)]
pub(super) mod sample {
    use super::*;

    /// A tree of plain files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
            size: text.len() as u64,
            executable: false,
        };
        Tree { files: files.iter().map(file).collect() }
    }

    /// Findings as tidy prints them.
    pub(crate) fn shown(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }
}
