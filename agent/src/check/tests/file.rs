//! Tracked files, as others change them.

use tokio::sync::mpsc;

use super::super::file::{FileSpec, Files, Init};
use super::super::tracking::{Reading, Report};
use super::*;

struct Scene {
    dir: tempfile::TempDir,
    files: Files,
    reports: mpsc::Receiver<Report>,
}

impl Scene {
    fn new() -> Scene {
        let (sender, reports) = mpsc::channel(16);
        Scene { dir: tempfile::tempdir().expect("temporary directory"), files: Files::new(sender), reports }
    }

    fn spec(&self, name: &str, init: Option<Init>) -> FileSpec {
        FileSpec { name: name.to_owned(), path: self.dir.path().join(name), init }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    async fn told(&mut self) -> (String, i64) {
        let limit = Duration::from_secs(20);
        let report =
            tokio::time::timeout(limit, self.reports.recv()).await.expect("in time").expect("watched");
        let Reading::Number(value) = report.reading else { panic!("{report:?}") };
        (report.name, value)
    }
}

#[tokio::test]
async fn a_file_is_followed_however_it_changes() {
    let mut scene = Scene::new();
    scene.write("load", "3\n");
    let spec = scene.spec("load", None);
    scene.files.apply(vec![spec.clone()]);
    let told = |value| ("load".to_owned(), value);
    assert_eq!(scene.told().await, told(3));
    scene.write("load", "-4\n");
    assert_eq!(scene.told().await, told(-4));
    scene.write("new", "9\n");
    std::fs::rename(scene.dir.path().join("new"), &spec.path).expect("renamed");
    assert_eq!(scene.told().await, told(9));
    std::fs::remove_file(&spec.path).expect("removed");
    assert_eq!(scene.told().await, told(0));
    scene.write("load", "5\n");
    assert_eq!(scene.told().await, told(5));
    // What cannot be is not told; what holds nothing is 0.
    scene.write("load", "4000000000\n");
    scene.write("load", "many\n");
    assert_eq!(scene.told().await, told(0));
}

#[tokio::test]
async fn a_folder_that_comes_later_or_goes_is_followed_too() {
    let mut scene = Scene::new();
    let folder = scene.dir.path().join("sub");
    let spec = FileSpec { name: "load".into(), path: folder.join("load"), init: None };
    scene.files.apply(vec![spec.clone()]);
    assert_eq!(scene.told().await.1, 0);
    for value in [7, 8] {
        std::fs::create_dir(&folder).expect("made");
        std::fs::write(&spec.path, format!("{value}\n")).expect("written");
        assert_eq!(scene.told().await.1, value);
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(scene.told().await.1, 0);
    }
}

#[tokio::test]
async fn a_reload_tells_only_what_is_new() {
    let mut scene = Scene::new();
    scene.write("a", "1");
    scene.write("b", "2");
    let (a, b) = (scene.spec("a", None), scene.spec("b", None));
    scene.files.apply(vec![a.clone()]);
    assert_eq!(scene.told().await, ("a".to_owned(), 1));
    scene.files.apply(vec![a, b]);
    assert_eq!(scene.told().await, ("b".to_owned(), 2));
    scene.write("a", "6");
    assert_eq!(scene.told().await, ("a".to_owned(), 6));
}

#[tokio::test]
async fn a_file_is_initialised_once() {
    let mut scene = Scene::new();
    scene.write("kept", "5");
    scene.write("old", "5");
    let init = |overwrite| Some(Init { value: -3, overwrite });
    let specs =
        vec![scene.spec("new", init(false)), scene.spec("kept", init(false)), scene.spec("old", init(true))];
    scene.files.apply(specs);
    let mut told = vec![scene.told().await, scene.told().await, scene.told().await];
    told.sort();
    assert_eq!(told, [("kept".to_owned(), 5), ("new".to_owned(), -3), ("old".to_owned(), -3)]);
    // No reload overwrites anything.
    scene.write("late", "8");
    let late = scene.spec("late", init(true));
    scene.files.apply(vec![late]);
    assert_eq!(scene.told().await, ("late".to_owned(), 8));
}
