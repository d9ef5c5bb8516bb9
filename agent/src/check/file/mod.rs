//! Tracked files: the number in each, told whenever it changes.
//!
//! The folders are watched and not the files, so that one which is replaced, removed or made anew stays tracked. What
//! is not there counts as 0, as in keepalived, and so does what holds no number, which is said once. A folder that is
//! not there, or went, is looked for every [`LOOK`].

mod content;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use self::content::{Content, read};
use super::tracking::{Kind, Reading, Report};

/// From one look for missing folders to the next.
const LOOK: Duration = Duration::from_secs(1);

/// A file to track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Unique name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What is written to it at the start of the agent.
    pub init: Option<Init>,
}

/// What a file holds at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    /// The number.
    pub value: i32,
    /// Even if the file is there.
    pub overwrite: bool,
}

/// Watches files. Dropping it ends that.
#[derive(Debug)]
pub struct Files {
    specs: watch::Sender<Vec<FileSpec>>,
    task: Option<JoinHandle<()>>,
    reports: mpsc::Sender<Report>,
    started: bool,
}

impl Files {
    /// Watches nothing yet, and will report to `reports`.
    pub fn new(reports: mpsc::Sender<Report>) -> Files {
        Files { specs: watch::Sender::new(Vec::new()), task: None, reports, started: false }
    }

    /// Makes `specs` the files that are watched, and reports the number in each that is new or has another path. Must be
    /// called within a tokio runtime.
    pub fn apply(&mut self, specs: Vec<FileSpec>) {
        let before = self.specs.borrow().clone();
        for spec in specs.iter().filter(|spec| !before.contains(spec)) {
            initialise(spec, !self.started);
        }
        self.started = true;
        if self.task.is_none() && !specs.is_empty() {
            let watcher = Watcher::new(self.specs.subscribe(), self.reports.clone());
            self.task = watcher
                .map(|watcher| tokio::spawn(watcher.run()))
                .inspect_err(|error| warn!("tracked files cannot be watched: {error}"))
                .ok();
        }
        self.specs.send_replace(specs);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Writes what a file is to hold at first. What is there is overwritten at the start of the agent only, and never
/// anything but a regular file.
fn initialise(spec: &FileSpec, starting: bool) {
    let Some(init) = spec.init else { return };
    let present = match spec.path.metadata() {
        Ok(found) if !found.is_file() => {
            warn!(
                "{} is no regular file and is not written to (track_file {})",
                spec.path.display(),
                spec.name
            );
            return;
        }
        Ok(_) => true,
        Err(_) => false,
    };
    if present && !(init.overwrite && starting) {
        return;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NONBLOCK);
    if let Err(error) = options.open(&spec.path).and_then(|mut file| writeln!(file, "{}", init.value)) {
        warn!("{} cannot be written to: {error} (track_file {})", spec.path.display(), spec.name);
    }
}

struct Watcher {
    wanted: watch::Receiver<Vec<FileSpec>>,
    specs: Vec<FileSpec>,
    reports: mpsc::Sender<Report>,
    inotify: Inotify,
    ready: AsyncFd<OwnedFd>,
    folders: HashMap<PathBuf, WatchDescriptor>,
    /// What was told of each file, by its name.
    told: HashMap<String, i64>,
    /// What was complained of, so that it is said once.
    complaints: HashMap<String, String>,
}

impl Watcher {
    fn new(wanted: watch::Receiver<Vec<FileSpec>>, reports: mpsc::Sender<Report>) -> io::Result<Watcher> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let descriptor = inotify.as_fd().try_clone_to_owned()?;
        // SAFETY: the AsyncFd owns the descriptor, which thus stays open for as long as it is registered.
        let ready = unsafe { AsyncFd::register(descriptor)? };
        Ok(Watcher {
            wanted,
            specs: Vec::new(),
            reports,
            inotify,
            ready,
            folders: HashMap::new(),
            told: HashMap::new(),
            complaints: HashMap::new(),
        })
    }

    async fn run(mut self) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            let missing = self.specs.iter().any(|spec| !self.folders.contains_key(folder(&spec.path)));
            let changed = tokio::select! {
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.adopt();
                    self.everything()
                }
                ready = self.ready.readable() => {
                    let Ok(mut ready) = ready else { return };
                    // Read after this, so that what comes in between wakes us again.
                    ready.clear_ready();
                    drop(ready);
                    self.take_events()
                }
                _ = looks.tick(), if missing => if self.watch_folders() { self.everything() } else { Vec::new() },
            };
            for spec in changed {
                if !self.look(&spec).await {
                    return;
                }
            }
        }
    }

    fn everything(&self) -> Vec<FileSpec> {
        self.specs.clone()
    }

    /// Takes the newest specs. What is still tracked at the same path is not told again unless it changes.
    fn adopt(&mut self) {
        let specs = self.wanted.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.specs, specs);
        let same = |name: &String| {
            let path = |specs: &[FileSpec]| {
                specs.iter().find(|spec| spec.name == *name).map(|spec| spec.path.clone())
            };
            path(&before) == path(&self.specs)
        };
        self.told.retain(|name, _| same(name));
        self.complaints.retain(|name, _| same(name));
        let inotify = &self.inotify;
        let wanted: Vec<&Path> = self.specs.iter().map(|spec| folder(&spec.path)).collect();
        self.folders.retain(|path, watch| {
            let keep = wanted.contains(&path.as_path());
            if !keep {
                // A folder that is gone took its watch along.
                let _ = inotify.rm_watch(*watch);
            }
            keep
        });
        self.watch_folders();
    }

    /// Watches folders that are not watched; returns whether there are any that could be.
    fn watch_folders(&mut self) -> bool {
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let mut found = false;
        for spec in &self.specs {
            let folder = folder(&spec.path);
            if self.folders.contains_key(folder) {
                continue;
            }
            match self.inotify.add_watch(folder, events) {
                Ok(watch) => {
                    self.folders.insert(folder.to_owned(), watch);
                    self.complaints.remove(&spec.name);
                    found = true;
                }
                Err(error) => {
                    let complaint =
                        format!("{} cannot be watched, and counts as 0: {error}", folder.display());
                    complain(&mut self.complaints, &spec.name, complaint);
                }
            }
        }
        found
    }

    /// The files that events are about.
    fn take_events(&mut self) -> Vec<FileSpec> {
        let mut changed: Vec<FileSpec> = Vec::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) if !events.is_empty() => events,
                Ok(_) | Err(Errno::EAGAIN) => return changed,
                Err(error) => {
                    debug!(%error, "tracked files are all read again");
                    return self.everything();
                }
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    changed = self.everything();
                    continue;
                }
                let gone =
                    AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_IGNORED;
                let name = event.name.unwrap_or_default();
                let concerned = self.concerned(event.wd, &name, event.mask.intersects(gone));
                for spec in concerned {
                    if !changed.contains(&spec) {
                        changed.push(spec);
                    }
                }
                if event.mask.intersects(gone) {
                    if !event.mask.contains(AddWatchFlags::IN_IGNORED) {
                        let _ = self.inotify.rm_watch(event.wd);
                    }
                    self.folders.retain(|_, watch| *watch != event.wd);
                    self.watch_folders();
                }
            }
        }
    }

    /// The files of this name in the folder of this watch, or all there.
    fn concerned(&self, watch: WatchDescriptor, name: &OsStr, all: bool) -> Vec<FileSpec> {
        let here = |spec: &&FileSpec| {
            self.folders.get(folder(&spec.path)) == Some(&watch)
                && (all || spec.path.file_name() == Some(name))
        };
        self.specs.iter().filter(here).cloned().collect()
    }

    /// Reads a file and tells what changed; returns whether anybody listens.
    async fn look(&mut self, spec: &FileSpec) -> bool {
        let value = match read(&spec.path) {
            Ok(Content::Number(value)) => {
                self.complaints.remove(&spec.name);
                value
            }
            Ok(Content::OutOfRange) => {
                let complaint =
                    format!("{} holds a number out of range, which is ignored", spec.path.display());
                complain(&mut self.complaints, &spec.name, complaint);
                if self.told.contains_key(&spec.name) {
                    return true;
                }
                0
            }
            Ok(Content::NoNumber) => {
                let complaint = format!("{} holds no number, and counts as 0", spec.path.display());
                complain(&mut self.complaints, &spec.name, complaint);
                0
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                let complaint = format!("{} cannot be read, and counts as 0: {error}", spec.path.display());
                complain(&mut self.complaints, &spec.name, complaint);
                0
            }
        };
        if self.told.insert(spec.name.clone(), value) == Some(value) {
            return true;
        }
        info!("track_file {}: {} holds {value}", spec.name, spec.path.display());
        let report = Report { kind: Kind::File, name: spec.name.clone(), reading: Reading::Number(value) };
        self.reports.send(report).await.is_ok()
    }
}

fn complain(complaints: &mut HashMap<String, String>, name: &str, complaint: String) {
    if complaints.get(name) != Some(&complaint) {
        warn!("track_file {name}: {complaint}");
        complaints.insert(name.to_owned(), complaint);
    }
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
