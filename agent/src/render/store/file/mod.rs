//! Files in YAML, JSON or TOML as a store: `a: {b: 1}` is `/a/b`, an element of a list is a key with its number.
//!
//! A file may be rewritten in place while we look. It is read only when nobody has it open for writing as far as inotify
//! has told, when it did not change while it was read, and it counts only if all of it can be understood. Until then
//! the last good keys stay.

mod notice;
pub(crate) mod parse;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use glob::Pattern;

use super::error::Error;
use super::follow::Feed;
use super::options::{Options, Timeouts};
use super::prefixes::Prefixes;
use crate::render::keys::Keys;
use notice::Notice;

/// Folders within folders that are looked into.
const DEEPEST: usize = 16;
/// Largest file that is read.
const LARGEST: u64 = 256 << 20;
/// A file that was written to within this time may still be being written.
const FRESH: Duration = Duration::from_millis(50);
/// How long a file that cannot be understood is given to become whole.
const PATIENCE: Duration = Duration::from_secs(1);

/// A follower of files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
    filter: Pattern,
    timeouts: Timeouts,
}

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Signature {
    fn new(path: &Path, metadata: &fs::Metadata) -> Signature {
        Signature {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// What one look found.
struct Look {
    keys: Keys,
    files: Vec<Signature>,
    folders: Vec<PathBuf>,
}

impl Files {
    pub(super) fn new(options: &Options) -> Result<Files, Error> {
        let filter = Pattern::new(&options.filter).map_err(|error| Error::Option {
            option: "--filter",
            why: format!("`{}`: {error}", options.filter),
        })?;
        Ok(Files { paths: options.files.clone(), filter, timeouts: options.timeouts })
    }

    /// Reads everything once, when nothing is being written.
    pub(super) async fn read(&self, prefixes: &Prefixes) -> Result<Keys, Error> {
        self.settled(prefixes).await.map(|look| look.keys)
    }

    /// Follows until something cannot be read or understood.
    pub(super) async fn session(&self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        let mut notice = match Notice::new(self.counts()) {
            Ok(notice) => notice,
            Err(error) => return self.error(&error),
        };
        let mut revision = feed.live().revision();
        loop {
            // Watched before they are read, so that nothing falls between.
            notice.watch(&self.folders());
            let look = match self.settled(prefixes).await {
                Ok(look) => look,
                Err(error) => return error,
            };
            notice.watch(&look.folders);
            if notice.writing() {
                // Somebody has begun to write since.
                if let Err(error) = notice.quiet(self.timeouts.check).await {
                    return self.error(&error);
                }
                continue;
            }
            revision += 1;
            feed.all(&self.name(), look.keys, revision);
            loop {
                match tokio::time::timeout(self.timeouts.check, notice.quiet(self.timeouts.check)).await {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => return self.error(&error),
                    // Network file systems tell of nothing, nor does a symlink's far end.
                    Err(_) if !notice.writing() && self.signatures() != look.files => break,
                    Err(_) => {}
                }
            }
        }
    }

    /// Whether a file of this name may be one of ours.
    fn counts(&self) -> impl Fn(&OsStr) -> bool + use<> {
        let named: Vec<OsString> =
            self.paths.iter().filter_map(|path| path.file_name()).map(OsStr::to_owned).collect();
        let folders = self.paths.iter().any(|path| path.is_dir());
        let filter = self.filter.clone();
        move |name| {
            let shown = name.to_string_lossy();
            let listed = || !shown.starts_with('.') && filter.matches(&shown);
            named.iter().any(|known| known == name)
                || folders && listed() && parse::Format::of(Path::new(name)).is_some()
        }
    }

    fn error(&self, error: &std::io::Error) -> Error {
        let path = self.paths.first().cloned().unwrap_or_default();
        Error::File { path, why: format!("it cannot be watched: {error}") }
    }

    fn name(&self) -> String {
        self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Looks until a look can be trusted.
    async fn settled(&self, prefixes: &Prefixes) -> Result<Look, Error> {
        let began = tokio::time::Instant::now();
        loop {
            let outcome = self.look(prefixes);
            let fresh = self.signatures().iter().any(|file| fresh(file, SystemTime::now()));
            match outcome {
                Ok(Some(look)) if !fresh && self.signatures() == look.files => return Ok(look),
                Err(error) if began.elapsed() >= PATIENCE => return Err(error),
                _ => tokio::time::sleep(FRESH / 2).await,
            }
        }
    }

    /// Reads all files; `None` if one of them changed meanwhile.
    fn look(&self, prefixes: &Prefixes) -> Result<Option<Look>, Error> {
        let mut look = Look { keys: Keys::default(), files: Vec::new(), folders: self.folders() };
        for (path, named) in self.list()? {
            if !named && parse::Format::of(&path).is_none() {
                continue;
            }
            let Some((text, signature)) = whole(&path)? else { return Ok(None) };
            parse::enter(&path, &text, prefixes, &mut look.keys)?;
            look.files.push(signature);
        }
        Ok(Some(look))
    }

    fn signatures(&self) -> Vec<Signature> {
        let files = self.list().unwrap_or_default();
        let known = files.iter().filter(|(path, named)| *named || parse::Format::of(path).is_some());
        known.filter_map(|(path, _)| Some(Signature::new(path, &fs::metadata(path).ok()?))).collect()
    }

    /// The files, each with whether it was named itself, in the order in which later ones win.
    fn list(&self) -> Result<Vec<(PathBuf, bool)>, Error> {
        let mut files = Vec::new();
        for path in &self.paths {
            let metadata = fs::metadata(path)
                .map_err(|error| Error::File { path: path.clone(), why: error.to_string() })?;
            if metadata.is_dir() {
                let mut found = Vec::new();
                walk(path, 0, &mut |path, folder| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    if !folder && self.filter.matches(&name) {
                        found.push((path.to_owned(), false));
                    }
                });
                found.sort();
                files.append(&mut found);
            } else {
                files.push((path.clone(), true));
            }
        }
        Ok(files)
    }

    /// All folders in which something may change.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                folders.push(path.clone());
                walk(path, 0, &mut |path, folder| {
                    if folder {
                        folders.push(path.to_owned());
                    }
                });
            } else {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                folders.push(parent.unwrap_or(Path::new(".")).to_owned());
            }
        }
        folders
    }
}

fn fresh(file: &Signature, now: SystemTime) -> bool {
    let (seconds, nanoseconds) = file.modified;
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0));
    now.duration_since(SystemTime::UNIX_EPOCH + since).is_ok_and(|age| age < FRESH)
}

/// Calls `found` for everything below `folder` but hidden files, which are editors' and Kubernetes's own.
fn walk(folder: &Path, depth: usize, found: &mut impl FnMut(&Path, bool)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let folder = path.is_dir();
        found(&path, folder);
        if folder && depth < DEEPEST {
            walk(&path, depth + 1, found);
        }
    }
}

/// A file's text, unless it changed while it was read.
fn whole(path: &Path) -> Result<Option<(String, Signature)>, Error> {
    let wrong = |why: String| Error::File { path: path.to_owned(), why };
    let told = |error: std::io::Error| wrong(error.to_string());
    let mut file = File::open(path).map_err(told)?;
    let before = Signature::new(path, &file.metadata().map_err(told)?);
    if before.size > LARGEST {
        return Err(wrong(format!("it has {} bytes; {LARGEST} are the most", before.size)));
    }
    let mut bytes = Vec::new();
    (&mut file).take(LARGEST + 1).read_to_end(&mut bytes).map_err(told)?;
    let after = Signature::new(path, &file.metadata().map_err(told)?);
    let named = Signature::new(path, &fs::metadata(path).map_err(told)?);
    if before != after || before != named || u64::try_from(bytes.len()).ok() != Some(before.size) {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        wrong(format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
    })?;
    Ok(Some((text, before)))
}
