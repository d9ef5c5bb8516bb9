//! The whole engine, with keys from memory and templates that print them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::render::resource::{self, Defaults};

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// Prints every key with its value; a key `/fail` makes it fail.
struct Printer;

impl Render for Printer {
    fn render(&self, keys: &Keys) -> Result<String, RenderError> {
        if let Some(why) = keys.get("/fail") {
            return Err(RenderError::Failed(format!("a.tmpl:1: {why}")));
        }
        if keys.get("/needs").is_some_and(|key| keys.get(key).is_none()) {
            return Err(RenderError::Waiting { key: "/name".into(), place: "a.tmpl:1".into() });
        }
        Ok(keys.iter().flat_map(|(path, value)| [path, "=", value, "\n"]).collect())
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

struct Printers;

impl Templates for Printers {
    fn load(&self, src: &Path) -> Result<Arc<dyn Render>, String> {
        if src.exists() { Ok(Arc::new(Printer)) } else { Err(format!("{} is gone", src.display())) }
    }
}

struct World {
    dir: tempfile::TempDir,
    live: Live,
    options: Options,
}

struct Running {
    stop: watch::Sender<bool>,
    reports: watch::Receiver<Vec<ResourceReport>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.send(true).expect("it runs");
        self.task.await.expect("ends well");
    }

    fn report(&self, name: &str) -> ResourceReport {
        self.reports.borrow().iter().find(|report| report.name == name).cloned().expect("listed")
    }
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().expect("temporary directory");
        for folder in ["conf.d", "templates", "out"] {
            fs::create_dir(dir.path().join(folder)).expect("created");
        }
        fs::write(dir.path().join("templates/a.tmpl"), "").expect("written");
        let options = Options {
            apply: apply::Options::default(),
            wait: Wait { min: Duration::from_millis(20), max: Duration::from_millis(200) },
            schedule: Schedule::Watch,
            back_off: BackOff { first: Duration::from_millis(20), most: Duration::from_millis(100) },
            colour: false,
        };
        World { dir, live: Live::default(), options }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn resource(&self, name: &str, lines: &str) {
        let dest = self.path("out").join(name);
        let text = format!(
            "[template]\nsrc=\"a.tmpl\"\ndest=\"{}\"\nkeys=[\"/\"]\nprefix=\"/{name}\"\n{lines}\n",
            dest.display()
        );
        fs::write(self.path("conf.d").join(format!("{name}.toml")), text).expect("written");
    }

    fn engine(&self) -> (Engine, watch::Receiver<Vec<ResourceReport>>, watch::Sender<bool>) {
        let loaded = resource::load(self.dir.path(), &Defaults::default());
        let pending = Pending::open(&self.path("run")).expect("run dir");
        let (stop, stopped) = watch::channel(false);
        let (shown, reports) = watch::channel(Vec::new());
        let templates = Arc::new(Printers);
        let engine = Engine::new(loaded, self.options, self.live.clone(), templates, pending, shown, stopped);
        (engine, reports, stop)
    }

    fn start(&self) -> Running {
        let (engine, reports, stop) = self.engine();
        Running { stop, reports, task: tokio::spawn(engine.run()) }
    }

    fn keys(&self, pairs: &[(&str, &str)]) {
        let mut keys = Keys::default();
        for (path, value) in pairs {
            keys.set(path, value);
        }
        self.live.replace(keys, self.live.revision() + 1);
        self.live.set_health(Health::Connected { since: std::time::Instant::now(), node: "memory".into() });
    }

    fn set(&self, path: &str, value: &str) {
        self.change(&[(path, Some(value))]);
    }

    fn change(&self, changes: &[(&str, Option<&str>)]) {
        self.live.update(self.live.revision() + 1, |batch| {
            for (path, value) in changes {
                match value {
                    Some(value) => batch.put(path, value.as_bytes()),
                    None => batch.delete(path),
                }
            }
        });
    }

    fn unreachable(&self, why: &str) {
        self.live.set_health(Health::Never { why: why.into(), since: std::time::Instant::now() });
    }

    fn out(&self, name: &str) -> String {
        fs::read_to_string(self.path("out").join(name)).unwrap_or_default()
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().count()
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn files_follow_the_store_and_only_those_concerned() {
    let world = World::new();
    world.resource("a", "");
    world.resource("b", "");
    let running = world.start();
    assert_eq!(running.report("a.toml").state, State::Waiting);
    world.keys(&[("/a/x", "1"), ("/b/x", "1")]);
    until("both", || world.out("a") == "/x=1\n" && world.out("b") == "/x=1\n").await;
    world.set("/a/x", "2");
    world.set("/c", "nobody's");
    until("the change", || world.out("a") == "/x=2\n").await;
    world.change(&[("/a/x", None), ("/a/y", Some("3"))]);
    until("the removal", || world.out("a") == "/y=3\n").await;
    until("the report", || running.report("a.toml").changes == 3).await;
    let (a, b) = (running.report("a.toml"), running.report("b.toml"));
    assert_eq!((a.renders, b.renders, b.changes), (3, 1, 1));
    assert_eq!((a.state, a.last_error, a.reload), (State::Ok, None, None));
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_rendered_before_the_store_was_read_nor_lost_while_it_is_away() {
    let world = World::new();
    world.resource("a", "");
    fs::write(world.path("out/a"), "last good\n").expect("written");
    let running = world.start();
    world.unreachable("connection refused");
    until("staleness", || running.report("a.toml").stale_since.is_some()).await;
    assert_eq!(running.report("a.toml").store_error.as_deref(), Some("connection refused"));
    assert_eq!(world.out("a"), "last good\n");
    world.keys(&[("/a/x", "1")]);
    until("the store", || world.out("a") == "/x=1\n").await;
    until("freshness", || running.report("a.toml").stale_since.is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_thousand_writes_make_few_reloads_and_the_last_one_wins() {
    let world = World::new();
    world.resource("a", &format!("reload_cmd=\"echo >>{}\"", world.path("reloads").display()));
    let running = world.start();
    world.keys(&[]);
    until("the first", || running.report("a.toml").state == State::Ok).await;
    for number in 0..1000 {
        world.set(&format!("/a/{}", number % 100), &number.to_string());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    until("the last", || world.out("a").contains("/99=999\n")).await;
    until("its reload", || running.report("a.toml").reload.is_some_and(|reload| reload.state == "ok")).await;
    // In as many seconds as this took, at most one every 200 ms and one per quiet moment.
    let reloads = world.lines("reloads");
    assert!((1..=20).contains(&reloads), "{reloads} reloads");
    running.stop().await;
}

#[tokio::test]
async fn a_slow_reload_makes_one_more_of_whatever_comes_meanwhile() {
    let world = World::new();
    let (log, gate) = (world.path("reloads"), world.path("gate"));
    let line = format!("echo >>{}; while ! test -e {}; do sleep 0.01; done", log.display(), gate.display());
    world.resource("a", &format!("reload_cmd=\"{line}\""));
    let running = world.start();
    world.keys(&[("/a/x", "0")]);
    until("the first reload", || world.lines("reloads") == 1).await;
    for number in 1..=50 {
        world.set("/a/x", &number.to_string());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(running.report("a.toml").reload.map(|reload| reload.state).as_deref(), Some("running"));
    fs::write(&gate, "").expect("opened");
    until("the last value", || world.out("a") == "/x=50\n" && world.lines("reloads") == 2).await;
    until("its reload", || running.report("a.toml").reload.is_some_and(|reload| reload.state == "ok")).await;
    assert_eq!(world.lines("reloads"), 2);
    running.stop().await;
}

#[tokio::test]
async fn resources_that_share_a_reload_reload_once() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.resource(name, &format!("reload_cmd=\"echo >>{}\"", world.path("reloads").display()));
    }
    world.keys(&[("/a/x", "1"), ("/b/x", "1"), ("/c/x", "1")]);
    let running = world.start();
    until("all", || ["a", "b", "c"].iter().all(|name| world.out(name) == "/x=1\n")).await;
    until("the reload", || {
        running.report("c.toml").reload.is_some_and(|reload| reload.last_success.is_some())
    })
    .await;
    running.stop().await;
    assert_eq!(world.lines("reloads"), 1);
}

#[tokio::test]
async fn a_failed_reload_is_tried_again_and_survives_a_restart() {
    let world = World::new();
    let (log, ready) = (world.path("reloads"), world.path("ready"));
    world.resource("a", &format!("reload_cmd=\"echo >>{}; test -e {}\"", log.display(), ready.display()));
    world.keys(&[("/a/x", "1")]);
    let first = world.start();
    until("three tries", || world.lines("reloads") >= 3).await;
    let report = first.report("a.toml").reload.expect("has one");
    assert!(
        report.failures >= 2 && report.last_error.as_deref().unwrap_or("").contains("exit status 1"),
        "{report:?}"
    );
    assert_eq!(first.report("a.toml").state, State::Ok, "the file is what it should be");
    first.stop().await;

    fs::write(&ready, "").expect("mended");
    let before = world.lines("reloads");
    let second = world.start();
    until("the reload", || {
        second.report("a.toml").reload.is_some_and(|reload| reload.last_success.is_some())
    })
    .await;
    assert_eq!(second.report("a.toml").changes, 0, "the file did not change");
    assert_eq!(world.lines("reloads"), before + 1);
    second.stop().await;

    let third = world.start();
    until("the render", || third.report("a.toml").state == State::Ok).await;
    third.stop().await;
    assert_eq!(world.lines("reloads"), before + 1, "it is not remembered for ever");
}

#[tokio::test]
async fn a_reload_left_to_be_done_and_a_new_one_are_one() {
    let world = World::new();
    world.resource(
        "a",
        &format!("reload_cmd=\"cat {} >>{}\"", world.path("out/a").display(), world.path("read").display()),
    );
    Pending::open(&world.path("run")).expect("run dir").note(&world.path("out/a")).expect("noted");
    fs::write(world.path("out/a"), "old\n").expect("written");
    world.keys(&[("/a/x", "1")]);
    let running = world.start();
    until("the reload", || {
        running.report("a.toml").reload.is_some_and(|reload| reload.last_success.is_some())
    })
    .await;
    running.stop().await;
    assert_eq!(fs::read_to_string(world.path("read")).expect("it ran"), "/x=1\n");
}

#[tokio::test]
async fn a_failure_leaves_its_neighbours_and_the_last_good_file() {
    let world = World::new();
    world.resource("a", "");
    world.resource("b", &format!("check_cmd=\"test -e {}\"", world.path("ready").display()));
    world.resource("c", "min_upstreams=1");
    fs::write(world.path("conf.d/d.toml"), "nonsense").expect("written");
    world.keys(&[("/a/x", "1"), ("/b/x", "1"), ("/c/x", "1")]);
    let running = world.start();
    until("a and c", || world.out("a") == "/x=1\n" && world.out("c") == "/x=1\n").await;
    world.set("/a/fail", "no such key");
    world.set("/c/x", ";\nupstream u { }");
    until("two failures", || {
        ["a.toml", "c.toml"].iter().all(|name| running.report(name).state == State::Failed)
    })
    .await;
    assert_eq!(running.report("a.toml").last_error.as_deref(), Some("a.tmpl:1: no such key"));
    assert!(
        running.report("c.toml").last_error.expect("failed").starts_with("upstream `u` would have 0 servers")
    );
    assert_eq!((world.out("a").as_str(), world.out("c").as_str()), ("/x=1\n", "/x=1\n"));
    assert_eq!(running.report("d.toml").state, State::Rejected);
    until("another try of the check", || running.report("b.toml").renders > 1).await;
    fs::write(world.path("ready"), "").expect("mended");
    until("the check", || world.out("b") == "/x=1\n").await;
    world.change(&[("/a/fail", None), ("/a/x", Some("2"))]);
    until("the template", || world.out("a") == "/x=2\n").await;
    until("the report", || running.report("a.toml").last_error.is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_key_that_is_not_there_yet_is_waited_for() {
    let world = World::new();
    world.resource("a", "");
    world.keys(&[("/a/needs", "/name")]);
    let running = world.start();
    let waiting = Some("waiting for key `/a/name`, which a.tmpl:1 needs");
    until("the wait", || running.report("a.toml").last_error.as_deref() == waiting).await;
    assert_eq!(running.report("a.toml").state, State::Waiting);
    assert!(!world.path("out/a").exists());
    world.set("/a/name", "here");
    until("the file", || world.out("a").contains("/name=here\n")).await;
    until("the report", || running.report("a.toml").state == State::Ok).await;
    running.stop().await;
}

#[tokio::test]
async fn a_value_that_is_no_text_fails_its_own_resource_only() {
    let world = World::new();
    world.resource("a", "");
    world.resource("b", "");
    world.keys(&[("/a/x", "1"), ("/b/x", "1")]);
    let running = world.start();
    until("both", || world.out("a") == "/x=1\n" && world.out("b") == "/x=1\n").await;
    world.live.update(9, |batch| {
        batch.put("/a/y", b"\xff");
        batch.put("/b/x", b"2");
    });
    until("the other one", || world.out("b") == "/x=2\n").await;
    until("the failure", || running.report("a.toml").state == State::Failed).await;
    assert_eq!(
        running.report("a.toml").last_error.as_deref(),
        Some("key `/a/y`: the value is not UTF-8 from byte 0 on")
    );
    assert_eq!(world.out("a"), "/x=1\n", "the last good one");
    world.change(&[("/a/y", None), ("/a/x", Some("3"))]);
    until("the mended one", || world.out("a") == "/x=3\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_check_that_takes_its_time_delays_nobody_else() {
    let world = World::new();
    let (begun, gate) = (world.path("begun"), world.path("gate"));
    let line = format!("echo >>{}; while ! test -e {}; do sleep 0.01; done", begun.display(), gate.display());
    world.resource("a", &format!("check_cmd=\"{line}\""));
    world.resource("b", "");
    world.keys(&[("/a/x", "1"), ("/b/x", "1")]);
    let running = world.start();
    until("the check", || world.lines("begun") == 1).await;
    for value in ["2", "3"] {
        world.set("/a/x", value);
        world.set("/b/x", value);
        until("the other one", || world.out("b") == format!("/x={value}\n")).await;
    }
    assert_eq!((world.out("a").as_str(), world.lines("begun")), ("", 1));
    fs::write(&gate, "").expect("opened");
    until("the slow one", || world.out("a") == "/x=3\n").await;
    running.stop().await;
}

#[tokio::test]
async fn an_interval_puts_right_what_somebody_changed() {
    let mut world = World::new();
    world.options.schedule = Schedule::Every(Duration::from_millis(50));
    world.resource("a", "");
    world.keys(&[("/a/x", "1")]);
    let running = world.start();
    until("the file", || world.out("a") == "/x=1\n").await;
    fs::write(world.path("out/a"), "by hand").expect("written");
    until("the file again", || world.out("a") == "/x=1\n").await;
    running.stop().await;
}

#[tokio::test]
async fn once_says_what_failed_and_renders_the_rest() {
    let world = World::new();
    world.resource("a", "reload_cmd=\"exit 3\"");
    world.resource("b", "");
    world.keys(&[("/a/x", "1"), ("/b/fail", "why")]);
    let failures = world.engine().0.once().await.expect_err("two failures");
    assert_eq!(failures, ["b.toml: a.tmpl:1: why", "reload_cmd `exit 3` failed: exit status 3"]);
    assert_eq!(world.out("a"), "/x=1\n");

    let unreachable = World::new();
    unreachable.unreachable("connection refused");
    let failures = unreachable.engine().0.once().await.expect_err("no store");
    assert_eq!(failures, ["the store cannot be read: connection refused"]);
}

#[tokio::test]
async fn what_is_left_out_is_left_out() {
    let mut world = World::new();
    world.options.apply.sync_only = true;
    let line = format!("echo >>{}", world.path("ran").display());
    world.resource("a", &format!("check_cmd=\"{line}\"\nreload_cmd=\"{line}\""));
    world.keys(&[("/a/x", "1")]);
    let (engine, _, _stop) = world.engine();
    engine.once().await.expect("written");
    world.options.apply = apply::Options { noop: true, ..apply::Options::default() };
    world.set("/a/x", "2");
    let (engine, _, _stop) = world.engine();
    engine.once().await.expect("shown");
    assert_eq!(world.out("a"), "/x=1\n");
    assert_eq!(world.lines("ran"), 0);
}

#[tokio::test]
async fn what_a_command_says_of_a_file_is_as_private_as_those_that_share_it() {
    let (world, names) = (World::new(), ["a.toml", "b.toml", "c.toml"]);
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o755)).expect("chmod");
    world.resource("a", "reload_cmd=\"true\"");
    world.resource("b", "reload_cmd=\"true\"\nmode=\"0600\"");
    world.resource("c", "");
    let running = world.start();
    world.keys(&[("/a/x", "1")]);
    until("all", || names.iter().all(|name| running.report(name).changes == 1)).await;
    let told = names.map(|name| running.report(name)).map(|it| (it.private, it.last_diff.is_some()));
    assert_eq!(told, [(true, true), (true, false), (false, true)]);
    running.stop().await;
}
