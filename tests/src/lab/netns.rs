//! One network namespace: made with `ip netns`, entered by threads of ours, emptied and removed on drop.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait;

/// A named network namespace that this process made.
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes the namespace `name`, with its loopback up and IPv6 addresses usable at once.
    pub fn new(name: &str) -> Result<Namespace> {
        let made = ip_command(&["netns", "add", name]).output();
        let made = made.context("cannot run ip (package iproute2)")?;
        if !made.status.success() {
            bail!("ip netns add {name}: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        let path = PathBuf::from("/run/netns").join(name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let namespace = Namespace { name: name.to_owned(), file };
        // Duplicate address detection would hold every IPv6 address back for a second or two.
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        namespace.sysctl("net/ipv6/conf/default/dad_transmits", "0")?;
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// Its name, as in `ip netns exec NAME`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread that is in the namespace. Sockets and processes made there stay in it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let entered = scope.spawn(|| setns(&self.file, CloneFlags::CLONE_NEWNET).map(|()| work()));
            match entered.join() {
                Ok(result) => result.with_context(|| format!("cannot enter the namespace {}", self.name)),
                Err(_) => Err(anyhow!("a thread in the namespace {} panicked", self.name)),
            }
        })
    }

    /// Starts a thread that is in the namespace for all its life.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<thread::JoinHandle<Result<T>>> {
        let file = self.file.try_clone().context("cannot duplicate a namespace's descriptor")?;
        let name = self.name.clone();
        Ok(thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET)
                .with_context(|| format!("cannot enter the namespace {name}"))?;
            Ok(work())
        }))
    }

    /// Runs the lines of `batch`, each an `ip` command without the word `ip`, in the namespace.
    pub fn ip(&self, batch: &str) -> Result<()> {
        let mut ip = ip_command(&["-n", &self.name, "-batch", "-"]);
        ip.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = ip.spawn().context("cannot run ip (package iproute2)")?;
        if let Some(mut input) = child.stdin.take() {
            // If ip ends early its complaint on stderr says more than our broken pipe.
            let _ = input.write_all(batch.as_bytes());
        }
        let output = child.wait_with_output().context("cannot wait for ip")?;
        if !output.status.success() {
            bail!(
                "in {}: ip {}: {}",
                self.name,
                batch.trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// Writes a setting below `/proc/sys`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = PathBuf::from("/proc/sys").join(key);
        self.enter(|| fs::write(&path, value))?
            .with_context(|| format!("in {}: cannot set {key} to {value}", self.name))
    }

    /// Index of an interface of the namespace.
    pub fn interface_index(&self, interface: &str) -> Result<u32> {
        self.enter(|| nix::net::if_::if_nametoindex(interface))?
            .with_context(|| format!("in {}: no interface {interface}", self.name))
    }

    /// Processes in the namespace: scripts and their children too, whoever started them.
    pub fn processes(&self) -> Vec<Pid> {
        let Ok(own) = self.file.metadata() else { return Vec::new() };
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let inside = |pid: &i32| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|ns| ns.ino() == own.ino() && ns.dev() == own.dev())
        };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(inside).map(Pid::from_raw).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A process that forks while we look is found in the next round.
        let emptied = wait::until("the namespace to be empty", Duration::from_secs(5), || {
            let left = self.processes();
            for pid in &left {
                let _ = kill(*pid, Signal::SIGKILL);
            }
            left.is_empty()
        });
        let removed = ip_command(&["netns", "del", &self.name]).output();
        if emptied.is_err() || !removed.is_ok_and(|output| output.status.success()) {
            eprintln!("lab: the namespace {} could not be removed", self.name);
        }
    }
}

/// `ip` in a process group of its own: Ctrl-C is for us, who clean up with it.
fn ip_command(words: &[&str]) -> Command {
    let mut ip = Command::new("ip");
    ip.args(words).stdin(Stdio::null()).process_group(0);
    ip
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::guardian;

    #[test]
    fn exists_while_it_lives_and_is_emptied_when_dropped() {
        let name = format!("{}netns-test", guardian::prefix());
        let path = PathBuf::from("/run/netns").join(&name);
        let namespace = Namespace::new(&name).unwrap();
        assert!(path.exists());
        let mut sleeper = namespace.enter(|| Command::new("sleep").arg("60").spawn()).unwrap().unwrap();
        let pid = Pid::from_raw(sleeper.id().cast_signed());
        assert_eq!(namespace.processes(), [pid]);
        let reaper = thread::spawn(move || sleeper.wait().unwrap());
        drop(namespace);
        assert!(!path.exists());
        assert!(!reaper.join().unwrap().success(), "the process was killed");
    }

    #[test]
    fn errors_carry_what_ip_said() {
        let namespace = Namespace::new(&format!("{}netns-error", guardian::prefix())).unwrap();
        let error = namespace.ip("link set nowhere up\n").unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
