//! The health scripts: schedule, verdicts, reload, shutdown.

use std::os::unix::fs::PermissionsExt;

use tokio::sync::mpsc;

use super::super::process::Exit;
use super::super::runner::{Runner, ScriptResult, ScriptSpec};
use super::*;

fn spec(launch: Launch) -> ScriptSpec {
    ScriptSpec {
        name: "chk".into(),
        launch,
        interval: Duration::from_millis(20),
        timeout: DEADLINE,
        rise: 1,
        fall: 1,
        init_fail: false,
    }
}

fn start(specs: Vec<ScriptSpec>) -> (Runner, mpsc::Receiver<ScriptResult>) {
    let (sender, receiver) = mpsc::channel(8);
    let mut runner = Runner::new(sender);
    runner.apply(specs);
    (runner, receiver)
}

async fn next(results: &mut mpsc::Receiver<ScriptResult>) -> ScriptResult {
    within(results.recv()).await.expect("the runner lives")
}

#[tokio::test]
async fn only_changes_are_reported() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (runs, broken) = (dir.path().join("runs"), dir.path().join("broken"));
    let line =
        format!("echo x >>{}; [ ! -e {} ] || {{ echo it broke; exit 4; }}", runs.display(), broken.display());
    let (runner, mut results) = start(vec![spec(shell(&line))]);
    assert!(next(&mut results).await.up);
    until("it ran some more", || lines(&runs).len() >= 4).await;
    assert!(results.try_recv().is_err(), "nothing changed");

    std::fs::write(&broken, "").expect("written");
    let down = next(&mut results).await;
    assert!(!down.up);
    assert_eq!((down.name.as_str(), down.output.as_str()), ("chk", "it broke"));
    assert!(matches!(down.exit, Exit::Status(4)));
    std::fs::remove_file(&broken).expect("removed");
    assert!(next(&mut results).await.up);
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn rise_and_fall_count_runs() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let runs = dir.path().join("runs");
    // Runs 1 up; 2 fails; 3 up; 4, 5, 6 fail.
    let line = format!("echo x >>{0}; n=$(wc -l <{0}); [ $n -ne 2 ] && [ $n -lt 4 ]", runs.display());
    let (runner, mut results) = start(vec![ScriptSpec { fall: 3, ..spec(shell(&line)) }]);
    assert!(next(&mut results).await.up);
    assert!(!next(&mut results).await.up);
    assert!(lines(&runs).len() >= 6, "down after the sixth run: {}", lines(&runs).len());
    within(runner.shutdown()).await;

    let counted = dir.path().join("counted");
    let line = format!("echo x >>{}", counted.display());
    let slow_start = ScriptSpec { rise: 3, init_fail: true, ..spec(shell(&line)) };
    let (runner, mut results) = start(vec![slow_start]);
    assert!(next(&mut results).await.up);
    assert!(lines(&counted).len() >= 3, "up after three runs: {}", lines(&counted).len());
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn a_run_is_skipped_while_the_previous_one_lasts() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (log, gate) = (dir.path().join("log"), dir.path().join("gate"));
    // Each run fails if another one is under way.
    let line = format!(
        "mkdir {0}.d || {{ echo overlap >>{0}; exit 1; }}; echo start >>{0}; \
         while [ ! -e {1} ]; do sleep 0.01; done; rmdir {0}.d; echo end >>{0}",
        log.display(),
        gate.display()
    );
    let (runner, mut results) = start(vec![spec(shell(&line))]);
    until("it runs", || lines(&log) == ["start"]).await;
    // Many intervals pass meanwhile, by another script's count.
    let ticks = dir.path().join("ticks");
    let (other, mut ticked) = start(vec![spec(shell(&format!("echo x >>{}", ticks.display())))]);
    assert!(next(&mut ticked).await.up);
    until("intervals passed", || lines(&ticks).len() >= 5).await;
    assert_eq!(lines(&log), ["start"], "one run only");
    std::fs::write(&gate, "").expect("written");
    assert!(next(&mut results).await.up);
    until("the schedule goes on", || lines(&log).len() >= 4).await;
    assert!(!lines(&log).contains(&"overlap".to_owned()));
    within(other.shutdown()).await;
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn timeouts_and_missing_programs_are_failures() {
    let slow = ScriptSpec { timeout: Duration::from_millis(50), ..spec(exec(&["sleep", "60"])) };
    let missing = ScriptSpec { name: "missing".into(), ..spec(exec(&["/no/such/script"])) };
    let (runner, mut results) = start(vec![slow, missing]);
    let mut seen = [next(&mut results).await, next(&mut results).await];
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    let [slow, missing] = seen;
    assert!(!slow.up && matches!(slow.exit, Exit::TimedOut(_)), "{slow:?}");
    assert!(!missing.up && matches!(missing.exit, Exit::NotStarted(..)), "{missing:?}");
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn a_reload_leaves_unchanged_scripts_alone_and_ends_removed_ones() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pid_file = |name: &str| dir.path().join(name);
    let lasting = |name: &str| {
        let line = format!("echo $$ >>{}; exec sleep 60", pid_file(name).display());
        ScriptSpec { name: name.into(), ..spec(shell(&line)) }
    };
    let (mut runner, mut results) = start(vec![lasting("kept"), lasting("gone"), lasting("changed")]);
    for name in ["kept", "gone", "changed"] {
        until("all run", || !lines(&pid_file(name)).is_empty()).await;
    }
    runner.apply(vec![lasting("kept"), ScriptSpec { launch: exec(&["true"]), ..lasting("changed") }]);
    let changed = next(&mut results).await;
    assert!(changed.up && changed.name == "changed", "{changed:?}");
    for name in ["gone", "changed"] {
        until("its child ended", || !is_alive(&lines(&pid_file(name)).concat())).await;
    }
    let kept = lines(&pid_file("kept"));
    assert_eq!(kept.len(), 1, "not started again");
    assert!(is_alive(&kept.concat()), "not disturbed");
    within(runner.shutdown()).await;
    assert!(!Path::new(&format!("/proc/{}", kept.concat())).exists(), "ended and reaped by the shutdown");
}

#[tokio::test]
async fn shutdown_is_not_held_up_by_a_full_channel() {
    let specs = (0..20).map(|n| ScriptSpec { name: format!("chk{n}"), ..spec(exec(&["true"])) }).collect();
    let (runner, results) = start(specs);
    until("the channel is full", || results.len() == 8).await;
    within(runner.shutdown()).await;
    drop(results);
}

#[tokio::test]
async fn a_changed_script_reports_its_first_run_even_with_init_fail() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let script = |launch| ScriptSpec { init_fail: true, ..spec(launch) };
    let (mut runner, mut results) = start(vec![script(exec(&["true"]))]);
    assert!(next(&mut results).await.up);
    runner.apply(vec![script(exec(&["false"]))]);
    let down = next(&mut results).await;
    assert!(!down.up, "or it would count as up for ever");
    assert!(matches!(down.exit, Exit::Status(1)), "{down:?}");

    let runs = dir.path().join("runs");
    let failing = shell(&format!("echo x >>{}; exit 1", runs.display()));
    runner.apply(vec![ScriptSpec { name: "new".into(), ..script(failing) }]);
    until("it ran some times", || lines(&runs).len() >= 3).await;
    assert!(results.try_recv().is_err(), "a new one is down from the start, which is no news");
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn other_settings_of_the_same_command_keep_its_verdict() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (runs, broken) = (dir.path().join("runs"), dir.path().join("broken"));
    let line =
        format!("echo x >>{0}; echo run $(wc -l <{0}); [ ! -e {1} ]", runs.display(), broken.display());
    let rare = ScriptSpec { interval: Duration::from_hours(1), ..spec(shell(&line)) };
    let (mut runner, mut results) = start(vec![rare.clone()]);
    assert!(next(&mut results).await.up);
    std::fs::write(&broken, "").expect("written");

    runner.apply(vec![ScriptSpec { fall: 3, interval: Duration::from_millis(20), ..rare }]);
    let down = next(&mut results).await;
    assert_eq!((down.up, down.output.as_str()), (false, "run 4"), "after three failures");
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn another_user_of_the_same_command_is_taken_at_the_next_run() {
    let nobody = Identity::resolve("nobody", None).expect("every system has nobody");
    let dir = tempfile::tempdir().expect("temporary directory");
    let users = dir.path().join("users");
    std::fs::write(&users, "").expect("written");
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o666)).expect("chmod");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let launch = shell(&format!("id -u >>{}", users.display()));
    let (mut runner, mut results) = start(vec![spec(launch.clone())]);
    assert!(next(&mut results).await.up);
    let uid = nobody.uid.to_string();
    runner.apply(vec![spec(Launch { identity: nobody, ..launch })]);
    until("it runs as nobody", || lines(&users).contains(&uid)).await;
    assert!(results.try_recv().is_err(), "nothing changed");
    within(runner.shutdown()).await;
}

#[tokio::test]
async fn dropping_the_runner_ends_the_scripts() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pid_file = dir.path().join("pid");
    let line = format!("echo $$ >{}; exec sleep 60", pid_file.display());
    let (runner, results) = start(vec![spec(shell(&line))]);
    until("it runs", || !lines(&pid_file).is_empty()).await;
    drop((runner, results));
    until("it ended", || !is_alive(&lines(&pid_file).concat())).await;
}
