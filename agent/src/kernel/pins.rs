//! What outlives the agent: the leases, the fenced addresses and the program's links, pinned in a BPF file system of our
//! own in the run directory. While they are there the kernel goes on fencing, whatever becomes of the agent, and the
//! next agent finds them.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{FsType, fstatfs};

use super::error::KernelError;

/// Name of the mount point in the run directory.
const DIR: &str = "bpf";
/// `BPF_FS_MAGIC`.
const BPF_FS: FsType = FsType(0xcafe_4a11);
/// End of every name, for the version of what is pinned: the layout of keys and values, and what the program makes of
/// them. The kernel takes no dots in names.
const VERSION: &str = "-v1";
/// End of the names of the kernel's own files.
const KERNELS: &str = ".debug";
/// Name of a pinned link, before its interface's index and its kind.
const LINK: &str = "link-";

/// Where a program sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// In the driver.
    Xdp,
    /// Behind it.
    XdpGeneric,
    /// Where packets leave.
    Egress,
}

impl Hook {
    const ALL: [Hook; 3] = [Hook::Xdp, Hook::XdpGeneric, Hook::Egress];

    const fn name(self) -> &'static str {
        match self {
            Hook::Xdp => "xdp",
            Hook::XdpGeneric => "xdp-generic",
            Hook::Egress => "egress",
        }
    }
}

/// The folder of pins.
#[derive(Debug)]
pub(super) struct Pins {
    dir: PathBuf,
}

impl Pins {
    /// Mounts the BPF file system in `run_dir`, unless an earlier agent did, and refuses what it does not know there.
    pub(super) fn open(run_dir: &Path) -> Result<Pins, KernelError> {
        let dir = run_dir.join(DIR);
        let failed = |what: &str, error: io::Error| {
            KernelError::Unpinnable(format!("cannot {what} {}: {error}", dir.display()))
        };
        if let Err(error) = DirBuilder::new().mode(0o700).create(&dir)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(failed("create", error));
        }
        let mut open = OpenOptions::new();
        open.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW);
        let mut folder = open.open(&dir).map_err(|error| failed("open", error))?;
        if !is_bpf(&folder).map_err(|error| failed("look at", error))? {
            // By its descriptor: what is mounted upon is what was looked at.
            let target = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(Some("vipward"), &target, Some("bpf"), flags, Some("mode=0700"))
                .map_err(|errno| failed("mount a BPF file system on", errno.into()))?;
            folder = open.open(&dir).map_err(|error| failed("open", error))?;
            if !is_bpf(&folder).map_err(|error| failed("look at", error))? {
                return Err(failed("mount a BPF file system on", Errno::EBUSY.into()));
            }
        }
        let pins = Pins { dir };
        pins.check()?;
        Ok(pins)
    }

    /// What agents of whatever version left, without a look at what it is.
    pub(super) fn find(run_dir: &Path) -> io::Result<Option<Pins>> {
        let dir = run_dir.join(DIR);
        let folder =
            OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(&dir);
        match folder {
            Ok(folder) => Ok(is_bpf(&folder)?.then_some(Pins { dir })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where a map is pinned.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{VERSION}"))
    }

    /// Where the link of an interface is pinned.
    pub(super) fn link(&self, ifindex: u32, hook: Hook) -> PathBuf {
        self.dir.join(format!("{LINK}{ifindex}-{}{VERSION}", hook.name()))
    }

    /// The links that are there: interface, hook and file.
    pub(super) fn links(&self) -> Vec<(u32, Hook, PathBuf)> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                link_name(&entry.file_name()).map(|(ifindex, hook)| (ifindex, hook, entry.path()))
            })
            .collect()
    }

    /// Takes every pin away, and the file system with them: nothing is fenced any more.
    pub(super) fn remove(&self) -> io::Result<()> {
        for name in self.names()? {
            fs::remove_file(self.dir.join(name))?;
        }
        unmount(&self.dir)
    }

    /// What is pinned, in order.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            names.extend(entry?.file_name().into_string());
        }
        // The kernel puts two files of its own there, which cannot be removed.
        names.retain(|name| !name.ends_with(KERNELS));
        names.sort();
        Ok(names)
    }

    /// Refuses what another version pinned.
    pub(super) fn check(&self) -> Result<(), KernelError> {
        let dir = self.dir.display();
        let names = self.names().map_err(|error| KernelError::Pins(format!("cannot read {dir}: {error}")))?;
        match names.iter().find(|name| !name.ends_with(VERSION)) {
            None => Ok(()),
            Some(name) => Err(KernelError::Pins(format!(
                "{dir}/{name} was left by another version of vipward and cannot be taken over: stop that agent if it \
                 still runs, then remove what it left with `vipward unfence`"
            ))),
        }
    }
}

fn unmount(dir: &Path) -> io::Result<()> {
    // Detached, for another process may look at it just now; what was in it is gone already.
    umount2(dir, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    fs::remove_dir(dir)
}

fn is_bpf(folder: &File) -> io::Result<bool> {
    Ok(fstatfs(folder)?.filesystem_type() == BPF_FS)
}

fn link_name(name: &OsStr) -> Option<(u32, Hook)> {
    let (ifindex, hook) = name.to_str()?.strip_prefix(LINK)?.strip_suffix(VERSION)?.split_once('-')?;
    let hook = Hook::ALL.into_iter().find(|known| known.name() == hook)?;
    Some((ifindex.parse().ok()?, hook))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_known_by_their_names() {
        let pins = Pins { dir: PathBuf::from("/nowhere") };
        for (ifindex, hook) in [(2, Hook::Xdp), (1234, Hook::XdpGeneric), (2, Hook::Egress)] {
            let path = pins.link(ifindex, hook);
            assert_eq!(link_name(path.file_name().unwrap()), Some((ifindex, hook)));
        }
        for other in ["LEASES-v1", "link-x-xdp-v1", "link-2-xdp-v0", "link-2-socket-v1", "link-"] {
            assert_eq!(link_name(OsStr::new(other)), None, "{other}");
        }
    }
}
