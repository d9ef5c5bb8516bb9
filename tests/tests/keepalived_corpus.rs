//! The corpus of keepalived configurations: what vipward says of each and makes of it, and whether the real
//! keepalived agrees.
//!
//! * `runs/`: both accept it without a word;
//! * `advised/`: vipward runs it and has advice;
//! * `refused/`: vipward does not run it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vipward::config::diagnostic::Severity;
use vipward::config::{self, Options};

const CORPUS: &str = "corpus/keepalived";

/// The configurations of one kind; files that they include have no place among them.
fn configs(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(CORPUS).join(kind);
    let mut found: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    found.sort();
    assert!(found.len() >= 5, "{}", directory.display());
    found
}

/// For which host a configuration is read: its first line may say so, as `# config-id: ID`.
fn options(path: &Path) -> Options {
    let text = fs::read_to_string(path).unwrap();
    let config_id =
        text.lines().next().and_then(|line| line.strip_prefix("# config-id: ")).map(str::to_owned);
    Options { config_id, ..Options::default() }
}

fn snapshot(kind: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../{CORPUS}/{kind}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in configs(kind) {
        let loaded = config::load(&path, &options(&path));
        let mut text = String::new();
        for diagnostic in &loaded.diagnostics {
            writeln!(text, "{diagnostic}").unwrap();
        }
        if let Some(config) = &loaded.config {
            writeln!(text, "{config:#?}").unwrap();
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn what_runs() {
    snapshot("runs");
    for path in configs("runs") {
        let loaded = config::load(&path, &options(&path));
        assert!(loaded.config.is_some() && loaded.diagnostics.is_empty(), "{}", path.display());
    }
}

#[test]
fn what_runs_with_advice() {
    snapshot("advised");
    for path in configs("advised") {
        let loaded = config::load(&path, &options(&path));
        assert!(loaded.config.is_some() && !loaded.diagnostics.is_empty(), "{}", path.display());
    }
}

#[test]
fn what_is_refused() {
    snapshot("refused");
    for path in configs("refused") {
        let loaded = config::load(&path, &options(&path));
        assert!(loaded.config.is_none(), "{}", path.display());
        assert!(
            loaded.diagnostics.iter().any(|found| found.severity == Severity::Error),
            "{}",
            path.display()
        );
    }
}

/// In a network namespace with the interfaces that the corpus names, so that keepalived misses nothing.
#[test]
fn keepalived_accepts_what_runs() {
    let available = nix::unistd::geteuid().is_root()
        && Command::new("keepalived").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(available, "this test needs root and keepalived: run `cargo xtask setup`");
    let script = "for i in eth0 eth1 eth2; do \
                      ip link add $i type veth peer name peer-$i && ip link set $i up || exit 70; \
                  done; \
                  exec keepalived --config-test --config-id \"$2\" --use-file \"$1\"";
    for path in configs("runs") {
        let id = options(&path).config_id.unwrap_or_else(|| "nobody".to_owned());
        let output = Command::new("unshare")
            .args(["--net", "sh", "-c", script, "sh"])
            .arg(&path)
            .arg(id)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{said}", path.display(), output.status);
    }
}
