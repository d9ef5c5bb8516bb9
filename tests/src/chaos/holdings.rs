//! What the kernel keeps for the agents under test: their BPF programs, maps and links, by their ids. What is still
//! there when everything was stopped has leaked. Other agents on this machine have ids of their own, so runs do not
//! disturb each other.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::libc;
use nix::unistd::Pid;

use crate::lab::wait;

/// The kernel frees maps and programs a little after their last use.
const LIMIT: Duration = Duration::from_secs(10);

/// A kind of object: its line in fdinfo (proc_pid_fdinfo(5)), and the command of bpf(2) that finds the next id.
const KINDS: [(&str, &str, libc::c_long); 3] =
    [("program", "prog_id", 11), ("map", "map_id", 12), ("link", "link_id", 31)];

/// Objects by kind and id.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings(BTreeSet<(usize, u32)>);

impl Holdings {
    /// Adds what these processes hold now.
    pub(super) fn note(&mut self, processes: &[Pid]) {
        for process in processes {
            let entries = fs::read_dir(format!("/proc/{process}/fdinfo")).into_iter().flatten().flatten();
            // A descriptor may be closed before it is read.
            let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
            self.0.extend(texts.filter_map(|text| held(&text)));
        }
    }

    /// How many were seen.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Those that are still there after a while, in words.
    pub(super) fn leaked(&self) -> Vec<String> {
        let left = || -> Vec<String> {
            let alive = KINDS.map(|(.., command)| ids(command));
            let is_alive =
                |&&(kind, id): &&(usize, u32)| alive.get(kind).is_some_and(|ids| ids.contains(&id));
            let name = |kind: usize| KINDS.get(kind).map_or("object", |(name, ..)| name);
            self.0.iter().filter(is_alive).map(|(kind, id)| format!("{} {id}", name(*kind))).collect()
        };
        // What is left after the time is the answer, and no error.
        let _ = wait::until("the kernel to free everything", LIMIT, || left().is_empty());
        left()
    }
}

/// The object behind a descriptor. A link names its program too, so links come first.
fn held(fdinfo: &str) -> Option<(usize, u32)> {
    let field = |name: &str| {
        let value = fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok())
    };
    KINDS.iter().enumerate().rev().find_map(|(kind, (_, name, _))| Some((kind, field(name)?)))
}

/// The ids that exist. Empty without the privilege to see them.
fn ids(command: libc::c_long) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut last = 0;
    while let Some(id) = next(command, last) {
        found.insert(id);
        last = id;
    }
    found
}

/// The id after `last`.
fn next(command: libc::c_long, last: u32) -> Option<u32> {
    // The head of `union bpf_attr` as BPF_*_GET_NEXT_ID knows it: start_id, next_id, open_flags.
    let mut attr = [last, 0, 0];
    let size: libc::c_ulong = 12;
    // SAFETY: the kernel reads and writes no more than `size` bytes of `attr`, which lives until it returns.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size) };
    let [_, id, _] = attr;
    (done == 0).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_tell_what_they_are() {
        let link = "pos:\t0\nflags:\t02000000\nlink_type:\txdp\nlink_id:\t9\nprog_tag:\tab\nprog_id:\t7\nifindex:\t2\n";
        assert_eq!(held(link), Some((2, 9)));
        assert_eq!(held("map_type:\t1\nmap_id:\t12\nfrozen:\t0\n"), Some((1, 12)));
        assert_eq!(held("prog_type:\t6\nprog_id:\t5\n"), Some((0, 5)));
        assert_eq!(held("pos:\t0\nflags:\t02\n"), None);
    }

    /// It can find a leak: what another process holds is there as long as it is.
    #[test]
    fn what_is_there_counts_as_leaked() {
        let Some(program) = ids(11).first().copied() else { return };
        let mut holdings = Holdings::default();
        holdings.0.insert((0, u32::MAX));
        assert_eq!(holdings.leaked(), [""; 0], "there is no such program");
        holdings.0.insert((0, program));
        let left = holdings.leaked();
        // The program of somebody else may end meanwhile.
        assert!(left == [format!("program {program}")] || !ids(11).contains(&program));
        assert_eq!(holdings.count(), 2);
    }
}
