//! The whole configuration of nginx in memory: the main file and all that it includes, with the directives that name
//! files of a running nginx, which a check must leave alone.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use nix::libc;

use super::conf::{self, Statement, Word};
use crate::render::apply::target;

/// Includes within includes; one that includes itself ends here.
const MAX_DEPTH: usize = 32;
/// Files of one configuration.
const MAX_FILES: usize = 20_000;
/// Bytes of all of them.
const MAX_BYTES: usize = 256 << 20;
/// Blocks whose lines are data, in which `include` alone is a directive.
const DATA_BLOCKS: [&str; 6] = ["map", "geo", "types", "split_clients", "charset_map", "match"];

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file is not to be had.
    #[error("cannot read {file}: {1}", file = .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Includes go round in a circle, or nearly so.
    #[error("{} is included more than {MAX_DEPTH} levels deep: does it include itself?", .0.display())]
    TooDeep(PathBuf),
    /// More than anybody has.
    #[error("the configuration is larger than {MAX_FILES} files or {MAX_BYTES} bytes")]
    TooLarge,
}

/// A file and what is to be replaced in it.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it is.
    pub(super) path: PathBuf,
    pub(super) text: Vec<u8>,
    pub(super) edits: Vec<(Range<usize>, Edit)>,
}

/// What stands at a place in a file.
#[derive(Debug)]
pub(super) enum Edit {
    /// An `include` of these files.
    Include(Vec<usize>),
    /// The `pid` directive.
    Pid,
    /// The file of an `error_log` or `access_log`: the word alone.
    Log(PathBuf),
}

/// All files; the first is the main one.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Whether the file that was to be replaced is among them.
    pub(super) reached: bool,
    /// The main context's `pid`, as it is written.
    pub(super) pid: Option<PathBuf>,
    /// The main context's first `error_log`, as it is written.
    pub(super) error_log: Option<PathBuf>,
}

/// A file that is to be seen as if it had other content.
#[derive(Debug)]
pub(super) struct Substitute {
    pub(super) dest: PathBuf,
    pub(super) content: Vec<u8>,
}

/// Reads the configuration whose main file is `main`, with one file replaced.
pub(super) fn read(main: &Path, substitute: Option<&Substitute>) -> Result<Tree, TreeError> {
    let folder = main.parent().unwrap_or(Path::new("/")).to_owned();
    let mut walk = Walk { tree: Tree::default(), folder, bytes: 0, place: None, substitute };
    walk.place = substitute.map(|substitute| place(&substitute.dest));
    walk.file(main, &mut Vec::new(), 0)?;
    Ok(walk.tree)
}

/// A path with all links followed, whether the file at its end exists or not.
fn place(path: &Path) -> PathBuf {
    target::follow(path).ok().or_else(|| path.canonicalize().ok()).unwrap_or_else(|| path.to_owned())
}

struct Walk<'s> {
    tree: Tree,
    /// The main file's, to which includes are relative.
    folder: PathBuf,
    bytes: usize,
    place: Option<PathBuf>,
    substitute: Option<&'s Substitute>,
}

impl Walk<'_> {
    /// Reads one file in the context of `blocks`; gives its number.
    fn file(&mut self, path: &Path, blocks: &mut Vec<String>, depth: usize) -> Result<usize, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep(path.to_owned()));
        }
        let text = match self.substitute {
            Some(substitute) if self.place.as_ref() == Some(&place(path)) => {
                self.tree.reached = true;
                substitute.content.clone()
            }
            _ => contents(path).map_err(|error| TreeError::Read(path.to_owned(), error))?,
        };
        self.bytes = self.bytes.saturating_add(text.len());
        if self.tree.nodes.len() >= MAX_FILES || self.bytes > MAX_BYTES {
            return Err(TreeError::TooLarge);
        }
        let statements = conf::parse(&text);
        let number = self.tree.nodes.len();
        self.tree.nodes.push(Node { path: path.to_owned(), text, edits: Vec::new() });
        let outer = blocks.len();
        for statement in statements {
            match statement {
                Statement::Open(words) => blocks.push(words.first().map(Word::text).unwrap_or_default()),
                // What a file closes that it has not opened is a mistake for nginx to name.
                Statement::Close if blocks.len() > outer => {
                    blocks.pop();
                }
                Statement::Close => {}
                Statement::Directive(words, span) => {
                    if let Some((span, edit)) = self.directive(&words, span, blocks, depth)?
                        && let Some(node) = self.tree.nodes.get_mut(number)
                    {
                        node.edits.push((span, edit));
                    }
                }
            }
        }
        blocks.truncate(outer);
        Ok(number)
    }

    fn directive(
        &mut self,
        words: &[Word],
        span: Range<usize>,
        blocks: &mut Vec<String>,
        depth: usize,
    ) -> Result<Option<(Range<usize>, Edit)>, TreeError> {
        let [name, value, ..] = words else { return Ok(None) };
        if name.is("include") {
            let mut numbers = Vec::new();
            let Some(files) = self.included(value) else { return Ok(None) };
            for file in files {
                numbers.push(self.file(&file, blocks, depth + 1)?);
            }
            return Ok(Some((span, Edit::Include(numbers))));
        }
        if blocks.last().is_some_and(|block| DATA_BLOCKS.contains(&block.as_str())) {
            return Ok(None);
        }
        let path = PathBuf::from(OsString::from_vec(value.bytes.clone()));
        if blocks.is_empty() && name.is("pid") {
            self.tree.pid.get_or_insert(path);
            return Ok(Some((span, Edit::Pid)));
        }
        let error_log = name.is("error_log");
        if !error_log && !name.is("access_log") {
            return Ok(None);
        }
        let text = value.text();
        let no_file =
            text == "off" || text == "stderr" || text.starts_with("syslog:") || text.starts_with("memory:");
        if error_log && blocks.is_empty() && !no_file {
            self.tree.error_log.get_or_insert_with(|| path.clone());
        }
        // A name with variables is opened while serving, not while reading.
        let edit = (!no_file && !text.contains('$')).then_some(Edit::Log(path));
        Ok(edit.map(|edit| (value.span.clone(), edit)))
    }

    /// The files that an `include` means, in nginx's order; `None` for a missing one, which nginx is to name.
    fn included(&self, value: &Word) -> Option<Vec<PathBuf>> {
        let path = self.folder.join(PathBuf::from(OsString::from_vec(value.bytes.clone())));
        if !value.bytes.iter().any(|c| b"*?[".contains(c)) {
            let replaced = self.place.as_ref() == Some(&place(&path));
            return (replaced || path.exists()).then(|| vec![path]);
        }
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let pattern = path.to_str()?;
        let mut files: Vec<PathBuf> =
            glob::glob_with(pattern, options).ok()?.filter_map(Result::ok).collect();
        // The new file, if it is not there yet and would be found.
        if let (Some(substitute), Some(own)) = (self.substitute, &self.place)
            && !files.iter().any(|file| place(file) == *own)
        {
            let matches = |pattern: &str, path: &Path| {
                Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_path_with(path, options))
            };
            if matches(pattern, &substitute.dest) {
                files.push(substitute.dest.clone());
            } else if let (Some(folder), Some(name)) = (path.parent().map(place), path.file_name())
                && folder.join(name).to_str().is_some_and(|pattern| matches(pattern, own))
            {
                files.push(own.clone());
            }
        }
        files.sort();
        Some(files)
    }
}

/// The content of a regular file, with bounds.
pub(super) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text)?;
    if text.len() > MAX_BYTES {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(text)
}
