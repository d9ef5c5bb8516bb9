//! The demonstration in virtual machines, as far as it can be checked without any: what its scripts and files say. That it
//! runs is for `cargo xtask vagrant-test` to show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vipward_tests::lab::vipward;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vagrant")
}

/// Files below `below` with this extension, never none.
fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join(below)).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    assert!(!found.is_empty(), "no .{extension} in vagrant/{below}");
    found
}

/// Runs a program in vagrant/; what it says, if it fails.
fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.current_dir(folder()).output();
    let output = output
        .unwrap_or_else(|error| panic!("{}: {error}: cargo xtask setup", command.get_program().display()));
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

#[test]
fn ruby_takes_the_vagrantfile() {
    assert_eq!(succeeds(Command::new("ruby").args(["-w", "-c", "Vagrantfile"])), Ok(()));
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let mut scripts = files(".", "sh");
    for below in ["provision", "files/keepalived"] {
        scripts.extend(files(below, "sh"));
    }
    // The parts of demo.sh are looked at where it reads them, for they know each other's variables.
    let mut check = Command::new("shellcheck");
    check.args(["--external-sources", "--check-sourced"]).args(scripts);
    assert_eq!(succeeds(&mut check), Ok(()));
    let demo = fs::read_to_string(folder().join("demo.sh")).unwrap();
    for part in files("demo", "sh") {
        let name = part.file_name().unwrap().to_str().unwrap();
        assert!(demo.contains(&format!(". demo/{name}\n")), "demo.sh does not read {name}");
    }
}

#[test]
fn python_takes_the_probe() {
    let compile = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')";
    for script in files("demo", "py") {
        assert_eq!(succeeds(Command::new("python3").args(["-c", compile]).arg(script)), Ok(()));
    }
}

#[test]
fn the_nodes_configurations_are_right() {
    let temporary = tempfile::tempdir().unwrap();
    for script in files("files/keepalived", "sh") {
        fs::copy(&script, temporary.path().join(script.file_name().unwrap())).unwrap();
    }
    let mut checked = 0;
    for path in files("files/keepalived", "conf") {
        // The interface is the machines' own; here there is one that every host has.
        let text = fs::read_to_string(&path).unwrap().replace("eth1", "lo");
        let file = temporary.path().join("checked.conf");
        fs::write(&file, text.replace("/etc/keepalived", &temporary.path().display().to_string())).unwrap();
        let check = succeeds(Command::new(vipward::binary().unwrap()).args(["check", "-f"]).arg(&file));
        assert_eq!(check, Ok(()), "{}", path.display());
        checked += 1;
    }
    assert_eq!(checked, 4, "two scenes for two nodes");
}

#[test]
fn the_confd_directory_is_right() {
    let mut check = Command::new(vipward::binary().unwrap());
    assert_eq!(succeeds(check.args(["check", "--render-only", "--confdir", "files/confd"])), Ok(()));
}

/// An address that one file has and another lacks would be found out after minutes only, in the machines.
#[test]
fn the_files_agree_on_addresses() {
    let words = |text: &str| -> BTreeSet<String> {
        let parts = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        parts.filter(|word| word.starts_with("192.168.56.") && word.len() > 11).map(str::to_owned).collect()
    };
    let vagrantfile = words(&fs::read_to_string(folder().join("Vagrantfile")).unwrap());
    let configurations = files("files/keepalived", "conf");
    let vips: BTreeSet<String> =
        configurations.iter().flat_map(|path| words(&fs::read_to_string(path).unwrap())).collect();
    assert_eq!((vagrantfile.len(), vips.len()), (4, 2), "{vagrantfile:?} {vips:?}");
    for script in files("demo", "sh") {
        for word in words(&fs::read_to_string(&script).unwrap()) {
            let known = vips.contains(&word) || vagrantfile.contains(&word);
            assert!(known, "{}: {word} is nobody's", script.display());
        }
    }
}
