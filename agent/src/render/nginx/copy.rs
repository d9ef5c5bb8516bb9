//! A configuration written out into a private folder, so that `nginx -t` can read it without touching what a running
//! nginx uses.
//!
//! ```text
//! FOLDER/conf/        links to all that stands beside the main file, for certificates and the like
//! FOLDER/conf/MAIN    the main file, which includes
//! FOLDER/files/N      the other files by number, one per place that includes them
//! FOLDER/logs/N       what is logged while checking
//! ```
//! Lines stay where they are, so the line numbers of nginx's messages are those of the originals.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::tree::{Edit, Node, Tree};

/// Entries beside a main file that are linked; a main file in a crowd gets only some neighbours.
const MAX_LINKED: usize = 50_000;

/// A private folder, which goes with this value.
#[derive(Debug)]
pub(super) struct Copy {
    folder: PathBuf,
    /// The main file in it.
    pub(super) main: PathBuf,
    /// Copies and what they are copies of, the longest names first.
    names: Vec<(String, String)>,
}

impl Copy {
    /// Writes `tree` into a new folder.
    pub(super) fn of(tree: &Tree) -> io::Result<Copy> {
        let folder = nix::unistd::mkdtemp(&std::env::temp_dir().join("vipward-nginx-XXXXXX"))?;
        let mut copy = Copy { main: folder.join("conf/nginx.conf"), folder, names: Vec::new() };
        copy.write(tree)?;
        Ok(copy)
    }

    fn write(&mut self, tree: &Tree) -> io::Result<()> {
        let Some(main) = tree.nodes.first() else { return Ok(()) };
        let folder = self.folder.clone();
        let real = main.path.parent().unwrap_or(Path::new("/"));
        for part in ["conf", "files", "logs"] {
            DirBuilder::new().mode(0o700).create(folder.join(part))?;
        }
        if tree.nodes.iter().any(|node| node.text.windows(3).any(|bytes| bytes == b"../")) {
            // For names that climb out of the folder by one step, as `../ssl/key.pem`.
            link_all(real.parent().unwrap_or(Path::new("/")), &folder)?;
        }
        if let Some(name) = main.path.file_name() {
            self.main = folder.join("conf").join(name);
        }
        for (number, node) in tree.nodes.iter().enumerate() {
            let to = if number == 0 { self.main.clone() } else { self.place(number) };
            let mut text = self.edited(node);
            if number == 0 && tree.pid.is_none() {
                // Behind the last line, or the lines would move; the built-in pid file is a running nginx's.
                text.push(b'\n');
                statement(&mut text, b"pid ", &folder.join("pid"));
            }
            fs::write(&to, text)?;
            self.names.push((to.display().to_string(), node.path.display().to_string()));
        }
        self.names.reverse();
        link_all(real, &folder.join("conf"))?;
        // Also a name that is not text is then shown as the original's.
        self.names.push((folder.join("conf").display().to_string(), real.display().to_string()));
        Ok(())
    }

    fn place(&self, number: usize) -> PathBuf {
        self.folder.join("files").join(format!("{number:06}"))
    }

    fn edited(&self, node: &Node) -> Vec<u8> {
        let mut out = Vec::with_capacity(node.text.len() + 256);
        let mut at = 0;
        for (span, edit) in &node.edits {
            let replaced = node.text.get(span.clone()).unwrap_or_default();
            out.extend_from_slice(node.text.get(at..span.start).unwrap_or_default());
            match edit {
                Edit::Include(numbers) => {
                    for number in numbers {
                        statement(&mut out, b"include ", &self.place(*number));
                    }
                }
                Edit::Pid => statement(&mut out, b"pid ", &self.folder.join("pid")),
                Edit::Log(path) => match self.log(path) {
                    Some(log) => quote(&mut out, &log),
                    None => out.extend_from_slice(replaced),
                },
            }
            // A directive over several lines leaves as many behind.
            out.extend(
                replaced.iter().filter(|c| matches!(edit, Edit::Include(_) | Edit::Pid) && **c == b'\n'),
            );
            at = span.end;
        }
        out.extend_from_slice(node.text.get(at..).unwrap_or_default());
        out
    }

    /// Where to log instead: all to one file that is thrown away. A log in a folder that does not exist stays as it is,
    /// for nginx to complain of.
    fn log(&self, path: &Path) -> Option<PathBuf> {
        let missing = path.is_absolute() && !path.parent().is_some_and(Path::is_dir);
        (!missing).then(|| self.folder.join("logs/log"))
    }

    /// `text` with the names of the originals.
    pub(super) fn translate(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (copy, original)| text.replace(copy, original))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "cannot remove {}", self.folder.display());
        }
    }
}

fn statement(out: &mut Vec<u8>, name: &[u8], path: &Path) {
    out.extend_from_slice(name);
    quote(out, path);
    out.extend_from_slice(b"; ");
}

fn quote(out: &mut Vec<u8>, path: &Path) {
    out.push(b'"');
    for c in path.as_os_str().to_owned().into_vec() {
        if matches!(c, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(c);
    }
    out.push(b'"');
}

/// Links every entry of `from` into `to`, but those whose names are taken there.
fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)?.take(MAX_LINKED) {
        let entry = entry?;
        // Only what is hidden by the dot of a stage cannot be meant.
        if entry.file_name().as_bytes().windows(9).any(|bytes| bytes == b".vipward-") {
            continue;
        }
        match symlink(entry.path(), to.join(entry.file_name())) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
