//! A lab whose process is ended from outside leaves nothing behind, whichever way it ends.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vipward_tests::lab::{Lab, wait};

/// Set for the process that makes a lab only to be ended in the middle of it.
const VICTIM: &str = "VIPWARD_TESTS_LAB_VICTIM";
const LIMIT: Duration = Duration::from_secs(20);

/// Not a test of its own: what [`leaves_nothing_after`] runs in another process.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let lab = Lab::new().unwrap();
    let host = lab.host("host").unwrap();
    // What an agent leaves: a file system mounted in the run dir, and a child in a group of its own.
    fs::create_dir(lab.dir().join("bpf")).unwrap();
    let mut mount = Command::new("mount");
    assert!(mount.args(["-t", "bpf", "bpf"]).arg(lab.dir().join("bpf")).status().unwrap().success());
    let mut stray = Command::new("sh");
    let _process = host.spawn("stray", stray.args(["-c", "setsid sleep 300 & wait"])).unwrap();
    wait::until("the stray child", LIMIT, || host.namespace().processes().len() == 2).unwrap();
    println!("\nready {}", host.namespace().processes()[1]);
    std::thread::park();
}

/// Everything on this machine whose name carries the process id `pid`.
fn left_by(pid: u32) -> Vec<String> {
    let prefix = format!("vw{pid}-");
    let named = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path().display().to_string())
            .filter(|path| path.contains(&prefix))
            .collect()
    };
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mounts = mounts.lines().filter(|line| line.contains(&prefix)).map(str::to_owned);
    [named("/run/netns"), named("/run")].concat().into_iter().chain(mounts).collect()
}

/// A process that would wait for ever; it ends with the test, however that ends.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn leaves_nothing_after(signal: Signal) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim", "--nocapture"]).env(VICTIM, "1").stdout(Stdio::piped());
    let mut victim = Victim(command.spawn().unwrap());
    let id = victim.0.id();
    let lines = BufReader::new(victim.0.stdout.take().unwrap()).lines();
    let stray = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ready ").map(str::to_owned));
    let stray = Path::new("/proc").join(stray.unwrap());
    assert!(stray.exists(), "the victim's stray child runs");
    assert!(left_by(id).len() >= 5, "two namespaces, the run dir and its mounts: {:?}", left_by(id));
    kill(Pid::from_raw(id.cast_signed()), signal).unwrap();
    victim.0.wait().unwrap();
    let gone = wait::until("the lab to be gone", LIMIT, || left_by(id).is_empty() && !stray.exists());
    assert!(gone.is_ok(), "left behind: {:?} {}", left_by(id), stray.display());
}

#[test]
fn leaves_nothing_after_sigkill() {
    leaves_nothing_after(Signal::SIGKILL);
}

#[test]
fn leaves_nothing_after_sigint() {
    leaves_nothing_after(Signal::SIGINT);
}
