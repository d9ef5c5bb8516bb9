//! One run: isolation, user, timeout, cancellation.

use nix::errno::Errno;
use nix::libc;
use tokio::sync::watch;

use super::super::process::{Exit, Finished, KILL_DELAY, run};
use super::*;

async fn run_alone(launch: &Launch, timeout: Duration) -> Finished {
    let (_keep, mut cancel) = watch::channel(false);
    within(run(launch, &[], timeout, &mut cancel)).await
}

#[tokio::test]
async fn exits_are_told_apart() {
    let run = async |launch: Launch| run_alone(&launch, DEADLINE).await;
    assert!(run(exec(&["true"])).await.exit.is_success());
    assert!(matches!(run(exec(&["false"])).await.exit, Exit::Status(1)));
    assert!(matches!(run(shell("exit 7")).await.exit, Exit::Status(7)));
    assert!(matches!(run(shell("kill -9 $$")).await.exit, Exit::Signal(9)));
    let missing = run(exec(&["/no/such/script"])).await.exit;
    assert!(matches!(missing, Exit::NotStarted(..)), "{missing}");
    assert!(missing.to_string().contains("cannot start `/no/such/script`: No such file"), "{missing}");
    let mistyped = run(shell("no-such-command")).await;
    assert_eq!(mistyped.exit.to_string(), "exit status 127 (command not found)");
    assert!(mistyped.output.contains("no-such-command"), "{}", mistyped.output);
    assert!(matches!(run(exec(&[])).await.exit, Exit::NotStarted(..)));
}

#[tokio::test]
async fn output_of_both_streams_is_kept_in_order() {
    let finished = run_alone(&shell("echo one; echo two >&2; echo three"), DEADLINE).await;
    assert_eq!(finished.output, "one | two | three");
}

#[tokio::test]
async fn a_child_is_cut_off_from_the_agent() {
    let (mut leaked, _other) = nix::unistd::pipe().expect("pipe");
    // Inheritable on purpose, as something that the agent got from its own parent.
    nix::fcntl::fcntl(&leaked, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).expect("fcntl");
    let finished =
        run_alone(&shell("ls /proc/self/fd; pwd; echo $PATH; readlink /proc/self/fd/0"), DEADLINE).await;
    // `ls` has its directory open as 3.
    let path = super::super::process::PATH;
    assert_eq!(finished.output, format!("0 | 1 | 2 | 3 | / | {path} | /dev/null"));
    leaked = nix::unistd::dup(&leaked).expect("still open here");
    drop(leaked);

    let finished = run_alone(
        &shell("ps -o pgid= -o pid= -o cls= $$; grep -E 'Sig(Blk|Ign)' /proc/self/status"),
        DEADLINE,
    )
    .await;
    let words: Vec<&str> = finished.output.split_whitespace().collect();
    let [group, pid, class, rest @ ..] = words.as_slice() else { panic!("{}", finished.output) };
    assert_eq!(group, pid, "leads its own process group");
    assert_eq!(*class, "TS", "SCHED_OTHER");
    assert_eq!(rest, ["|", "SigBlk:", "0000000000000000", "|", "SigIgn:", "0000000000000000"]);
}

#[tokio::test]
async fn a_script_runs_as_the_user_asked_for_with_that_users_groups_only() {
    let nobody = Identity::resolve("nobody", None).expect("nobody exists");
    let launch = Launch { identity: nobody.clone(), ..shell("id -u; id -g; id -G; echo $USER; exit 3") };
    let finished = run_alone(&launch, DEADLINE).await;
    let (uid, gid) = (nobody.uid, nobody.gid);
    assert_eq!(finished.output, format!("{uid} | {gid} | {gid} | nobody"));
    assert!(matches!(finished.exit, Exit::Status(3)));
    let listed = Identity { groups: vec![gid, nix::unistd::Gid::from_raw(54321)], ..nobody.clone() };
    let finished = run_alone(&Launch { identity: listed, ..exec(&["id", "-G"]) }, DEADLINE).await;
    assert_eq!(finished.output, format!("{gid} 54321"));
    let regained = Launch { identity: nobody, ..exec(&["cat", "/etc/shadow"]) };
    assert!(!run_alone(&regained, DEADLINE).await.exit.is_success(), "no right of root is left");
}

#[tokio::test]
async fn insecure_scripts_are_refused_when_they_would_have_roots_rights() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("temporary directory");
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 0\n").expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let launch = exec(&[&script.display().to_string()]);
    assert!(run_alone(&launch, DEADLINE).await.exit.is_success());
    let refused = run_alone(&Launch { secure: true, ..launch }, DEADLINE).await.exit;
    assert!(matches!(refused, Exit::Insecure(_)), "{refused}");
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group_even_what_ignores_sigterm() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pids = dir.path().join("pids");
    // The leader dies of SIGTERM, its child does not.
    let line = format!(
        "sh -c 'trap \"\" TERM; echo $$ >>{0}; while :; do sleep 60; done' & echo $$ >>{0}; wait",
        pids.display()
    );
    let (_keep, mut cancel) = watch::channel(false);
    let timeout = Duration::from_millis(500);
    let finished = within(run(&shell(&line), &[], timeout, &mut cancel)).await;
    assert!(matches!(finished.exit, Exit::TimedOut(after) if after == timeout), "{}", finished.exit);
    assert!(finished.duration >= timeout);
    let pids = lines(&pids);
    assert_eq!(pids.len(), 2, "both ran");
    until("the group is gone", || !pids.iter().any(|pid| is_alive(pid))).await;
}

#[tokio::test]
async fn a_script_may_clean_up_at_its_timeout() {
    let line = "trap 'echo cleaned up; exit 0' TERM; while :; do sleep 0.01; done";
    let finished = run_alone(&shell(line), Duration::from_millis(200)).await;
    assert!(matches!(finished.exit, Exit::TimedOut(_)), "a failure all the same: {}", finished.exit);
    // The shell also tells of its `sleep`, which is of the group.
    assert!(finished.output.ends_with("cleaned up"), "{}", finished.output);
    assert!(finished.duration < KILL_DELAY, "{:?}", finished.duration);
}

#[tokio::test]
async fn a_leader_that_ignores_sigterm_is_killed_after_two_seconds() {
    let timeout = Duration::from_millis(200);
    let line = "trap '' TERM; while :; do sleep 60; done";
    let finished = run_alone(&shell(line), timeout).await;
    assert!(matches!(finished.exit, Exit::TimedOut(_)));
    assert!(finished.duration >= timeout + KILL_DELAY, "{:?}", finished.duration);
}

#[tokio::test]
async fn cancelling_ends_and_reaps() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pid_file = dir.path().join("pid");
    let (cancel, mut cancelled) = watch::channel(false);
    let launch = shell(&format!("echo $$ >{}; exec sleep 60", pid_file.display()));
    let task = tokio::spawn(async move { run(&launch, &[], DEADLINE, &mut cancelled).await });
    until("it runs", || !lines(&pid_file).is_empty()).await;
    cancel.send(true).expect("it listens");
    let finished = within(task).await.expect("no panic");
    assert!(matches!(finished.exit, Exit::Cancelled));
    let pid = lines(&pid_file).concat();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "reaped, not a zombie");
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing_alive() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pid_file = dir.path().join("pids");
    let (_keep, mut cancel) = watch::channel(false);
    let launch = shell(&format!(
        "sleep 60 & echo $! >{0}.tmp; echo $$ >>{0}.tmp; mv {0}.tmp {0}; wait",
        pid_file.display()
    ));
    let task = tokio::spawn(async move { run(&launch, &[], DEADLINE, &mut cancel).await });
    until("both run", || lines(&pid_file).len() == 2).await;
    task.abort();
    let pids = lines(&pid_file);
    until("the group is gone", || !pids.iter().any(|pid| is_alive(pid))).await;
}

#[tokio::test]
async fn what_a_script_leaves_behind_lives_on_and_delays_nothing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (gate, done) = (dir.path().join("gate"), dir.path().join("done"));
    let line = format!(
        "(while [ ! -e {} ]; do sleep 0.01; done; echo still here && echo ok >{}) & echo started",
        gate.display(),
        done.display()
    );
    let finished = run_alone(&shell(&line), DEADLINE).await;
    assert!(finished.exit.is_success());
    assert_eq!(finished.output, "started");
    std::fs::write(&gate, "").expect("written");
    until("the daemon printed without dying of it", || lines(&done) == ["ok"]).await;
}

#[tokio::test]
async fn a_script_is_not_protected_when_memory_is_short() {
    let own = "/proc/self/oom_score_adj";
    let script = shell("cat /proc/self/oom_score_adj");
    std::fs::write(own, "7").expect("whoever wants to go first may");
    assert_eq!(run_alone(&script, DEADLINE).await.output, "7", "not the agent's business");
    // Only CAP_SYS_RESOURCE lets a process go last; containers often lack it.
    if std::fs::write(own, "-1").is_ok() {
        assert_eq!(run_alone(&script, DEADLINE).await.output, "0");
    }
    std::fs::write(own, "0").expect("back to where it was");
}

/// The agent may hold capabilities as another user than root.
#[tokio::test]
async fn a_script_gets_no_ambient_capability() {
    const NET_RAW: libc::c_ulong = 13;
    // In a thread of its own, which has the capability as with AmbientCapabilities=.
    let script = std::thread::spawn(|| {
        assert!(make_ambient(NET_RAW), "{}", Errno::last());
        let script = shell("grep CapAmb /proc/self/status");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(run_alone(&script, DEADLINE))
    });
    let output = script.join().expect("the thread ends well").output;
    assert_eq!(output.split_whitespace().collect::<Vec<_>>(), ["CapAmb:", "0000000000000000"]);
}

/// Makes a capability of this thread inheritable, then ambient (capabilities(7)).
fn make_ambient(capability: libc::c_ulong) -> bool {
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = [VERSION_3, 0];
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: version 3 has a header of two words and twice three words of sets; both outlive the calls.
    unsafe {
        let got = libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr());
        sets[0][2] |= 1 << capability;
        let set = libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr());
        let raised = libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0);
        got == 0 && set == 0 && raised == 0
    }
}
