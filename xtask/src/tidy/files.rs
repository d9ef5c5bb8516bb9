//! Rules about files as such.

use super::tree::{File, Finding, Tree};

/// Lines that a source file should not pass.
const LONG: usize = 400;
/// Lines that it may not pass.
const TOO_LONG: usize = 450;
/// Bytes that a file in the repository may have.
const TOO_LARGE: u64 = 500_000;

/// Hosts of package registries and their mirrors: which one a machine uses is that machine's business. Written in
/// two halves, so that this list does not find itself.
const REGISTRY_HOSTS: [(&str, &str); 9] = [
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("rsproxy", ".cn"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("registry.npmjs", ".org"),
    ("proxy.golang", ".org"),
    ("deb.debian", ".org"),
    ("archive.ubuntu", ".com"),
];

/// Sources of more than 450 lines.
pub(super) fn length(tree: &Tree) -> Vec<Finding> {
    over(tree, TOO_LONG)
}

/// Sources between 400 and 450 lines: a note, not a failure.
pub(super) fn long(tree: &Tree) -> Vec<Finding> {
    over(tree, LONG).into_iter().filter(|_| length(tree).is_empty()).collect()
}

fn over(tree: &Tree, limit: usize) -> Vec<Finding> {
    let counted = tree.rust().map(|file| (file, file.text.lines().count()));
    counted
        .filter(|(_, lines)| *lines > limit)
        .map(|(file, lines)| {
            file.finding(0, format!("{lines} lines; split it by state or by input ({LONG} are plenty)"))
        })
        .collect()
}

/// Files too large for a repository.
pub(super) fn size(tree: &Tree) -> Vec<Finding> {
    let large = tree.files.iter().filter(|file| file.size > TOO_LARGE);
    large.map(|file| file.finding(0, format!("{} bytes; {TOO_LARGE} are the limit", file.size))).collect()
}

/// Scripts that cannot be run as they stand: a first line `#!` and no permission to execute.
pub(super) fn executable_scripts(tree: &Tree) -> Vec<Finding> {
    // `#![…]` opens a Rust file.
    let script = |file: &&File| file.text.starts_with("#!") && !file.text.starts_with("#![");
    let dead = tree.files.iter().filter(script).filter(|file| !file.executable);
    dead.map(|file| file.finding(1, "a script that is not executable: chmod +x")).collect()
}

/// Registries named in the tree, by host or by a setting that picks one.
pub(super) fn registry_hosts(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let lock = file.name() == "Cargo.lock";
        let settings = file.name() == "Cargo.toml" || file.path.starts_with(".cargo/");
        for (number, line) in file.text.lines().enumerate() {
            let host = REGISTRY_HOSTS.iter().map(|(a, b)| format!("{a}{b}")).find(|host| line.contains(host));
            if let Some(host) = host {
                findings.push(file.finding(number + 1, format!("names the registry host {host}")));
            } else if settings && picks_registry(line) {
                findings.push(file.finding(number + 1, "picks a registry; that is the machine's business"));
            } else if lock && foreign_source(line) {
                findings.push(file.finding(number + 1, "locked to something else than crates.io"));
            }
        }
    }
    findings
}

fn picks_registry(line: &str) -> bool {
    let line = line.trim_start();
    let word = line.split([' ', '=', '.']).next().unwrap_or_default();
    matches!(word, "[source" | "[registries" | "[registry]" | "replace-with" | "registry" | "registry-index")
        || line.contains("registry =")
        || line.contains("registry-index =")
}

fn foreign_source(line: &str) -> bool {
    line.starts_with("source = ")
        && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample::{shown, tree};
    use super::*;

    #[test]
    fn length_allows_450_lines_and_no_more() {
        let tree = tree(&[
            ("a.rs", &"x\n".repeat(450)),
            ("b.rs", &"x\n".repeat(451)),
            ("c.txt", &"x\n".repeat(999)),
        ]);
        assert_eq!(length(&tree).len(), 1);
        assert!(shown(&length(&tree))[0].starts_with("b.rs: 451 lines"));
    }

    #[test]
    fn from_400_lines_on_there_is_a_note() {
        let noted = long(&tree(&[("a.rs", &"x\n".repeat(401)), ("b.rs", &"x\n".repeat(400))]));
        assert_eq!(noted.len(), 1);
    }

    #[test]
    fn size_has_a_limit() {
        let mut tree = tree(&[("corpus.bin", ""), ("small.bin", "")]);
        tree.files[0].size = TOO_LARGE + 1;
        tree.files[1].size = TOO_LARGE;
        assert_eq!(shown(&size(&tree)), ["corpus.bin: 500001 bytes; 500000 are the limit"]);
    }

    #[test]
    fn scripts_are_executable() {
        let mut tree =
            tree(&[("run.sh", "#!/bin/sh\n"), ("good.sh", "#!/bin/sh\n"), ("lib.rs", "#![no_std]\n")]);
        tree.files[1].executable = true;
        assert_eq!(
            shown(&executable_scripts(&tree)),
            ["run.sh:1: a script that is not executable: chmod +x"]
        );
    }

    #[test]
    fn registries_are_not_named() {
        let mirror = format!("curl https://{}{}/x\n", REGISTRY_HOSTS[0].0, REGISTRY_HOSTS[0].1);
        let tree = tree(&[
            ("README.md", &mirror),
            (
                ".cargo/config.toml",
                "[alias]\nxtask = \"run\"\n[source.crates-io]\nreplace-with = \"mirror\"\n",
            ),
            ("a/Cargo.toml", "x = { version = \"1\", registry = \"inner\" }\n"),
            ("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n"),
            ("b.rs", "let registry = Registry::new();\n"),
        ]);
        let found = shown(&registry_hosts(&tree));
        let places: Vec<&str> = found.iter().map(|f| f.split(": ").next().unwrap()).collect();
        let expected =
            ["README.md:1", ".cargo/config.toml:3", ".cargo/config.toml:4", "a/Cargo.toml:1", "Cargo.lock:1"];
        assert_eq!(places, expected, "{found:?}");
    }
}
