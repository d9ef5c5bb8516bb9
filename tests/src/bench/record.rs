//! Raw numbers as JSON files, one for each run of a bench.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::sys::utsname::uname;
use serde::Serialize;

/// One run: what its file begins with, before what it measured.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Seconds since 1970; the file's name carries it too.
    begun: u64,
    kernel: String,
    cpus: usize,
}

/// The contents of a file.
#[derive(Serialize)]
struct Record<'a, T> {
    #[serde(flatten)]
    run: &'a Run,
    #[serde(flatten)]
    results: &'a T,
}

impl Run {
    /// A run on this machine that begins now.
    pub fn begin() -> Run {
        let kernel = uname().map(|names| names.release().to_string_lossy().into_owned());
        Run {
            begun: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            kernel: kernel.unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
        }
    }

    /// Its file in `folder`.
    pub fn path(&self, folder: &Path, bench: &str) -> PathBuf {
        folder.join(format!("{bench}-{}.json", self.begun))
    }

    /// Writes its file anew. One that is there stays whole should this be interrupted.
    pub fn write(&self, folder: &Path, bench: &str, results: &impl Serialize) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = self.path(folder, bench);
        let record = Record { run: self, results };
        let text = serde_json::to_string_pretty(&record).context("cannot write the results as JSON")?;
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, text + "\n")
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
