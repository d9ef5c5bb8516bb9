//! A confd directory with one resource that reads all keys, and a look at the file that comes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::json;
use std::os::fd::AsFd;
use tempfile::TempDir;

use crate::bench::stats::ms;
use crate::lab::wait;
use crate::servers::{Connection, Daemon, Etcd, base64};

/// How long an update may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Keys that are put at once.
const BATCH: usize = 1_000;

/// A store with keys, and what is rendered from them.
pub(super) struct Site {
    dir: TempDir,
    etcd: Connection,
    keys: usize,
    /// Tells of everything that is renamed in the folder of the file.
    renamed: Inotify,
    count: usize,
}

impl Site {
    pub(super) fn new(etcd: &Etcd, keys: usize) -> Result<Site> {
        let dir = tempfile::Builder::new().prefix("vipward-bench-").tempdir()?;
        for folder in ["conf.d", "templates", "out"] {
            fs::create_dir(dir.path().join(folder))?;
        }
        let template = "{{range gets \"/k/*\"}}{{.Key}} = {{.Value}}\n{{end}}";
        fs::write(dir.path().join("templates/a.tmpl"), template)?;
        let dest = dir.path().join("out/a");
        let resource = format!("[template]\nsrc = 'a.tmpl'\ndest = '{}'\nkeys = ['/k']\n", dest.display());
        fs::write(dir.path().join("conf.d/a.toml"), resource)?;
        let numbers: Vec<usize> = (0..keys).collect();
        for batch in numbers.chunks(BATCH) {
            let put =
                |number: &usize| json!({"requestPut": {"key": base64(key(*number).as_bytes()), "value": ""}});
            etcd.v3("kv/txn", &json!({"success": batch.iter().map(put).collect::<Vec<_>>()}))?;
        }
        let renamed = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        renamed.add_watch(&dir.path().join("out"), AddWatchFlags::IN_MOVED_TO)?;
        Ok(Site { dir, etcd: etcd.connection()?, keys, renamed, count: 0 })
    }

    pub(super) fn confdir(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("out/a")
    }

    /// Waits for the first file.
    pub(super) fn settles(&mut self, process: &Daemon) -> Result<()> {
        wait::until("the first file", LIMIT, || self.file().exists()).with_context(|| process.log())?;
        // From the first file to a watch of the store, a confd takes a moment of which nothing tells.
        std::thread::sleep(Duration::from_secs(1));
        self.drain();
        Ok(())
    }

    /// Puts a value that was never there, and waits for the file that has it. Milliseconds to etcd's answer, and to the
    /// file.
    pub(super) fn update(&mut self, round: usize, process: &Daemon) -> Result<(f64, f64)> {
        self.count += 1;
        let key = key(round * 7 % self.keys);
        let value = format!("value-{}", self.count);
        let body = json!({"key": base64(key.as_bytes()), "value": base64(value.as_bytes())}).to_string();
        let wanted = format!("{key} = {value}\n");
        self.drain();
        let begun = Instant::now();
        self.etcd.request("POST", "/v3/kv/put", "", body.as_bytes())?.good()?;
        let put = begun.elapsed();
        loop {
            let left = LIMIT.checked_sub(begun.elapsed()).unwrap_or_default();
            let mut files = [PollFd::new(self.renamed.as_fd(), PollFlags::POLLIN)];
            let some = poll(&mut files, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
            let seen = begun.elapsed();
            if some == 0 {
                bail!("no file with {wanted:?} within {LIMIT:?}: {}", process.log());
            }
            self.drain();
            if fs::read_to_string(self.file())?.contains(&wanted) {
                return Ok((ms(put), ms(seen)));
            }
        }
    }

    fn drain(&self) {
        while self.renamed.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

fn key(number: usize) -> String {
    format!("/k/{number:05}")
}
