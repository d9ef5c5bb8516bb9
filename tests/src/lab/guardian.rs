//! Removes a lab whose process could not: after a signal, an abort or `kill -9`.
//!
//! A small shell waits on a pipe whose other end only the lab's process holds. When that process is gone, for
//! whatever reason, the read ends and the shell kills what is left in the namespaces and removes them. It ignores
//! the terminal's signals, so Ctrl-C ends the lab and not its guardian. Should the guardian be killed too, the
//! next lab removes what carries the id of a process that no longer exists.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// What every name of ours begins with; the owner's process id follows.
const MARK: &str = "vw";

/// `$1` is the prefix of the names. Processes first: a namespace lives as long as one of them is in it.
const CLEAN: &str = r#"
clean() {
    for ns in /run/netns/"$1"*; do
        [ -e "$ns" ] || continue
        ip netns pids "${ns##*/}" | xargs -r kill -KILL
    done
    for ns in /run/netns/"$1"*; do
        [ -e "$ns" ] && ip netns del "${ns##*/}"
    done
    for dir in /run/"$1"*; do
        [ -d "$dir" ] || continue
        while read -r _ at _; do
            case $at in "$dir"/*) umount -l "$at" ;; esac
        done </proc/mounts
        rm -rf "$dir"
    done
} 2>/dev/null
"#;

const GUARD: &str = r#"
trap '' HUP INT TERM
read -r _
clean "$1"
"#;

/// The pipe's end; it closes when this process ends. Locked while a guardian is started: a second one that found
/// itself superfluous would see its pipe close, and clean what the first guards.
static LIFELINE: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Prefix of all names that this process makes.
pub fn prefix() -> String {
    prefix_of(std::process::id())
}

fn prefix_of(pid: u32) -> String {
    format!("{MARK}{pid}-")
}

/// Starts this process's guardian, once.
pub fn watch_over_this_process() -> Result<()> {
    let mut lifeline = LIFELINE.lock().unwrap_or_else(PoisonError::into_inner);
    if lifeline.is_some() {
        return Ok(());
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{CLEAN}{GUARD}"), "vipward-lab-guardian", &prefix()]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Out of the terminal's foreground group, and of every group that anybody kills.
    *lifeline = shell.process_group(0).spawn().context("cannot start the lab's guardian (sh)")?.stdin;
    Ok(())
}

/// Removes what processes that no longer exist left behind. What cannot be removed is left for `ip` to complain.
pub fn remove_leftovers() {
    let names = ["/run/netns", "/run"].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let mut owners: Vec<u32> =
        names.flatten().flatten().filter_map(|entry| owner(entry.file_name().to_str()?)).collect();
    owners.sort_unstable();
    owners.dedup();
    for pid in owners.into_iter().filter(|pid| !exists(*pid)) {
        let _ = Command::new("sh")
            .args(["-c", &format!("{CLEAN}clean \"$1\""), "vipward-lab-clean", &prefix_of(pid)])
            .stdin(Stdio::null())
            .status();
    }
}

/// The process that made `name`.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(MARK)?.split_once('-')?.0.parse().ok()
}

fn exists(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::lab::netns::Namespace;
    use crate::lab::wait;

    /// A process id that was in use a moment ago.
    fn dead_pid() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn names_tell_their_owner() {
        assert_eq!(owner("vw123-0-n1"), Some(123));
        assert_eq!(owner(&prefix()), Some(std::process::id()));
        assert_eq!(owner("vwx-0"), None);
        assert_eq!(owner("eth0"), None);
    }

    #[test]
    fn what_the_dead_left_is_removed_and_what_the_living_use_is_not() {
        let dead = format!("{}0-left", prefix_of(dead_pid()));
        let alive = Namespace::new(&format!("{}guardian-alive", prefix())).unwrap();
        let mut inside = alive.enter(|| Command::new("sleep").arg("60").spawn()).unwrap().unwrap();
        fs::create_dir_all(format!("/run/{dead}")).unwrap();
        // From this moment on any lab may remove it, other tests' as well as ours.
        let attached = Command::new("ip").args(["netns", "attach", &dead, &inside.id().to_string()]).status();
        assert!(attached.unwrap().success());
        remove_leftovers();
        assert!(!PathBuf::from("/run/netns").join(&dead).exists());
        assert!(!PathBuf::from("/run").join(&dead).exists());
        assert!(PathBuf::from("/run/netns").join(alive.name()).exists());
        assert!(!inside.wait().unwrap().success(), "what ran inside was killed");
    }

    #[test]
    fn a_guardian_cleans_when_its_pipe_closes() {
        let prefix = prefix_of(dead_pid());
        let name = format!("{prefix}0-orphan");
        assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{CLEAN}{GUARD}"), "guardian", &prefix]).stdin(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let path = PathBuf::from("/run/netns").join(&name);
        assert!(path.exists());
        drop(child.stdin.take());
        wait::until("the guardian to clean", Duration::from_secs(10), || !path.exists()).unwrap();
        child.wait().unwrap();
    }
}
