//! A lab's folder for configs, sockets, pid files and logs: under /run, where only root can write, because
//! keepalived and vipward refuse scripts in folders that others could change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};
use nix::unistd::mkdtemp;

/// Set to keep the folder, for looking at logs after a failure.
const KEEP: &str = "VIPWARD_LAB_KEEP";

/// A new folder, removed on drop together with what is mounted in it.
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn new(prefix: &str) -> Result<RunDir> {
        let template = PathBuf::from("/run").join(format!("{prefix}-XXXXXX"));
        Ok(RunDir(mkdtemp(&template).with_context(|| format!("cannot make {}", template.display()))?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if std::env::var_os(KEEP).is_some() {
            // Under another name, or the guardian would remove it.
            let kept = PathBuf::from("/run")
                .join(format!("kept-{}", self.0.file_name().unwrap_or_default().to_string_lossy()));
            let _ = fs::rename(&self.0, &kept);
            eprintln!("lab: kept {}", kept.display());
            return;
        }
        // An agent that was killed leaves its bpffs mounted.
        for mounted in mounts_below(&self.0, &fs::read_to_string("/proc/mounts").unwrap_or_default()) {
            let _ = umount2(&mounted, MntFlags::MNT_DETACH);
        }
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("lab: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Mount points below `folder`, the innermost first.
fn mounts_below(folder: &Path, mounts: &str) -> Vec<PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(folder)).collect();
    below.reverse();
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_mounts_in_the_folder_only() {
        let mounts = "tmpfs /run tmpfs rw 0 0\nbpf /run/vw1-0-a/n1/bpf bpf rw 0 0\ntmpfs /run/vw1-0-a/n1/bpf/x tmpfs rw 0 0\n\
                      bpf /run/vw1-0-ab/bpf bpf rw 0 0\n";
        let found = mounts_below(Path::new("/run/vw1-0-a"), mounts);
        assert_eq!(found, [Path::new("/run/vw1-0-a/n1/bpf/x"), Path::new("/run/vw1-0-a/n1/bpf")]);
    }
}
