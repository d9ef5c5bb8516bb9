//! Notify scripts: order, superseding, hanging scripts, shutdown.

use super::super::notify::{Hooks, Notifier, Subject, Told};
use super::*;

struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { dir: tempfile::tempdir().expect("temporary directory") }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> Vec<String> {
        lines(&self.path("log"))
    }

    /// Appends `words` and its arguments to the log, in one write.
    fn logs(&self, words: &str) -> Launch {
        shell(&format!("f() {{ echo {words} \"$@\" >>{}; }}\nf \"$@\"", self.path("log").display()))
    }

    fn open(&self, gate: &str) {
        std::fs::write(self.path(gate), "").expect("written");
    }

    /// A notify script that logs, and stays until `gate` is opened.
    fn gated(&self, gate: &str) -> Launch {
        let (log, gate) = (self.path("log"), self.path(gate));
        shell(&format!(
            "echo begin $3 >>{0}; while [ ! -e {1} ]; do sleep 0.01; done; echo end $3 >>{0};",
            log.display(),
            gate.display()
        ))
    }
}

fn of(instance: &str) -> Subject {
    Subject::Instance(instance.to_owned())
}

fn notifier(hooks: Hooks) -> Notifier {
    let mut notifier = Notifier::new(DEADLINE);
    notifier.apply(vec![(of("VI 1"), hooks)]);
    notifier
}

#[tokio::test]
async fn scripts_get_keepalived_arguments_in_keepalived_order() {
    let scene = Scene::new();
    let mut notifier = notifier(Hooks {
        any: Some(scene.logs("any")),
        master: Some(scene.logs("master")),
        stop: Some(scene.logs("stop")),
        ..Hooks::default()
    });
    notifier.tell(&of("VI 1"), Told::Master, 150);
    until("told", || scene.log().len() == 2).await;
    notifier.tell(&of("VI 1"), Told::Fault, 100);
    until("told", || scene.log().len() == 3).await;
    notifier.tell(&of("VI 1"), Told::Stop, 100);
    notifier.tell(&of("nobody"), Told::Master, 1);
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(
        scene.log(),
        [
            "master",
            "any INSTANCE VI 1 MASTER 150",
            "any INSTANCE VI 1 FAULT 100",
            "stop",
            "any INSTANCE VI 1 STOP 100"
        ]
    );
}

#[tokio::test]
async fn the_newest_state_is_told_last_and_what_nobody_was_told_is_skipped() {
    let scene = Scene::new();
    let mut notifier = notifier(Hooks { any: Some(scene.gated("gate")), ..Hooks::default() });
    notifier.tell(&of("VI 1"), Told::Backup, 100);
    until("the first one hangs", || scene.log() == ["begin BACKUP"]).await;
    notifier.tell(&of("VI 1"), Told::Master, 100);
    notifier.tell(&of("VI 1"), Told::Fault, 100);
    notifier.tell(&of("VI 1"), Told::Backup, 90);
    notifier.tell(&of("VI 1"), Told::Master, 100);
    scene.open("gate");
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(scene.log(), ["begin BACKUP", "end BACKUP", "begin MASTER", "end MASTER"]);
}

#[tokio::test]
async fn both_scripts_of_a_state_that_was_begun_are_run() {
    let scene = Scene::new();
    let mut notifier = notifier(Hooks {
        any: Some(scene.logs("any")),
        master: Some(scene.gated("gate")),
        backup: Some(scene.logs("backup")),
        ..Hooks::default()
    });
    notifier.tell(&of("VI 1"), Told::Master, 100);
    until("it hangs", || scene.log().len() == 1).await;
    notifier.tell(&of("VI 1"), Told::Backup, 100);
    scene.open("gate");
    within(notifier.shutdown(DEADLINE)).await;
    let told = ["begin", "end", "any INSTANCE VI 1 MASTER 100", "backup", "any INSTANCE VI 1 BACKUP 100"];
    assert_eq!(scene.log(), told);
}

#[tokio::test]
async fn a_hanging_script_delays_its_own_instance_only_and_not_for_ever() {
    let scene = Scene::new();
    let pid_file = scene.path("pid");
    let hanging = shell(&format!("echo $$ >{}; exec sleep 60", pid_file.display()));
    let mut notifier = Notifier::new(Duration::from_millis(300));
    notifier.apply(vec![
        (of("bad"), Hooks { master: Some(hanging), backup: Some(scene.logs("bad")), ..Hooks::default() }),
        (of("good"), Hooks { any: Some(scene.logs("good")), ..Hooks::default() }),
    ]);
    notifier.tell(&of("bad"), Told::Master, 1);
    until("it hangs", || !lines(&pid_file).is_empty()).await;
    notifier.tell(&of("bad"), Told::Backup, 1);
    notifier.tell(&of("good"), Told::Master, 2);
    until("both are told", || scene.log().len() == 2).await;
    assert_eq!(scene.log(), ["good INSTANCE good MASTER 2", "bad"]);
    assert!(!is_alive(&lines(&pid_file).concat()), "ended at its timeout");
    within(notifier.shutdown(DEADLINE)).await;
}

#[tokio::test]
async fn an_instance_that_is_gone_is_told_to_the_end_and_one_that_returns_waits_for_it() {
    let scene = Scene::new();
    let mut notifier = notifier(Hooks { any: Some(scene.gated("gate")), ..Hooks::default() });
    notifier.tell(&of("VI 1"), Told::Fault, 0);
    until("it hangs", || scene.log().len() == 1).await;
    notifier.apply(Vec::new());
    notifier.forget("VI 1");
    notifier.apply(vec![(of("VI 1"), Hooks { any: Some(scene.logs("new")), ..Hooks::default() })]);
    notifier.tell(&of("VI 1"), Told::Backup, 9);
    scene.open("gate");
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(scene.log(), ["begin FAULT", "end FAULT", "new INSTANCE VI 1 BACKUP 9"]);
}

#[tokio::test]
async fn an_instance_that_is_gone_keeps_its_scripts_until_it_is_forgotten() {
    let scene = Scene::new();
    let mut notifier = notifier(Hooks { any: Some(scene.logs("any")), ..Hooks::default() });
    notifier.apply(Vec::new());
    notifier.tell(&of("VI 1"), Told::Fault, 0);
    until("its end is told", || scene.log() == ["any INSTANCE VI 1 FAULT 0"]).await;
    notifier.forget("VI 1");
    notifier.tell(&of("VI 1"), Told::Master, 1);
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(scene.log(), ["any INSTANCE VI 1 FAULT 0"]);
}

#[tokio::test]
async fn one_that_returned_before_it_was_forgotten_stays() {
    let scene = Scene::new();
    let hooks = || vec![(of("VI 1"), Hooks { any: Some(scene.logs("any")), ..Hooks::default() })];
    let mut notifier = notifier(Hooks::default());
    notifier.apply(Vec::new());
    notifier.apply(hooks());
    notifier.forget("VI 1");
    notifier.tell(&of("VI 1"), Told::Backup, 9);
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(scene.log(), ["any INSTANCE VI 1 BACKUP 9"]);
}

#[tokio::test]
async fn shutdown_ends_what_hangs() {
    let scene = Scene::new();
    let pid_file = scene.path("pid");
    let hanging = shell(&format!("echo $$ >{}; exec sleep 60", pid_file.display()));
    let mut notifier =
        notifier(Hooks { stop: Some(hanging), any: Some(scene.logs("any")), ..Hooks::default() });
    notifier.tell(&of("VI 1"), Told::Stop, 1);
    until("it hangs", || !lines(&pid_file).is_empty()).await;
    within(notifier.shutdown(Duration::from_millis(10))).await;
    assert!(!Path::new(&format!("/proc/{}", lines(&pid_file).concat())).exists(), "ended and reaped");
    assert!(scene.log().is_empty(), "nothing is started any more");
}

#[tokio::test]
async fn an_advert_of_lower_priority_displaces_no_state() {
    let scene = Scene::new();
    let mut notifier = notifier(Hooks {
        any: Some(scene.gated("gate")),
        lower_priority: Some(scene.logs("lower")),
        ..Hooks::default()
    });
    notifier.tell(&of("VI 1"), Told::Backup, 1);
    until("it hangs", || scene.log().len() == 1).await;
    notifier.tell(&of("VI 1"), Told::Master, 1);
    notifier.tell(&of("VI 1"), Told::LowerPriority, 1);
    scene.open("gate");
    until("the states are told", || scene.log().len() == 4).await;
    notifier.tell(&of("VI 1"), Told::LowerPriority, 1);
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(scene.log(), ["begin BACKUP", "end BACKUP", "begin MASTER", "end MASTER", "lower"]);
}

#[tokio::test]
async fn groups_and_what_is_deleted_have_words_of_their_own() {
    let scene = Scene::new();
    let group = Subject::Group("VI 1".to_owned());
    let hooks = || Hooks { any: Some(scene.logs("any")), ..Hooks::default() };
    let deleted = Hooks { tells_deleted: true, deleted: Some(scene.logs("deleted")), ..hooks() };
    let mut notifier = Notifier::new(DEADLINE);
    notifier.apply(vec![(of("VI 1"), deleted), (of("other"), hooks()), (group.clone(), hooks())]);
    assert_eq!((notifier.end_of("VI 1"), notifier.end_of("other")), (Told::Deleted, Told::Fault));
    notifier.tell(&group, Told::Fault, 0);
    until("the group is told", || scene.log() == ["any GROUP VI 1 FAULT 0"]).await;
    notifier.apply(Vec::new());
    notifier.tell(&group, Told::Master, 0);
    notifier.tell(&of("VI 1"), Told::Deleted, 0);
    within(notifier.shutdown(DEADLINE)).await;
    assert_eq!(scene.log()[1..], ["deleted", "any INSTANCE VI 1 DELETED 0"]);
}
