//! Rules about Cargo manifests. They are read line by line, which is enough for manifests written as ours are.

use super::tree::{File, Finding, Tree};

/// Which members each member's product code may use. A member that is not here may use all but the XDP program.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("common", &[]),
    ("ebpf", &["vipward-common"]),
    ("vrrp", &["vipward-common"]),
    ("agent", &["vipward-common", "vipward-vrrp"]),
    // Set-up is part of xtask and runs before there is a compiler for what the agent embeds.
    ("tests", &["vipward-common", "vipward-vrrp"]),
    ("xtask", &["vipward-tests"]),
];
/// Prefix of our own packages' names.
const OURS: &str = "vipward";
/// Builds only for a BPF target, so nobody can depend on it.
const XDP_PROGRAM: &str = "vipward-ebpf";

/// Dependencies whose version stands in a member instead of the workspace's table.
pub(super) fn workspace_versions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in members(tree) {
        for dependency in dependencies(file) {
            if !dependency.workspace {
                let message = format!("{}: give its version in the workspace's table", dependency.name);
                findings.push(file.finding(dependency.line, message));
            }
        }
    }
    findings
}

/// Members that opt out of the workspace's lints.
pub(super) fn workspace_lints(tree: &Tree) -> Vec<Finding> {
    let inherits = |file: &&File| {
        sections(file)
            .any(|(_, section, line)| section == "lints" && line.replace(' ', "") == "workspace=true")
    };
    let missing = members(tree).filter(|file| !inherits(file));
    missing.map(|file| file.finding(0, "no `[lints] workspace = true`")).collect()
}

/// Dependencies against the direction ebpf → common ← vrrp ← agent.
pub(super) fn direction(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in members(tree) {
        let folder = file.path.trim_end_matches("/Cargo.toml");
        let allowed = ALLOWED.iter().find(|(member, _)| *member == folder).map(|(_, allowed)| *allowed);
        for dependency in dependencies(file) {
            let name = dependency.name.as_str();
            let against = match allowed {
                Some(allowed) => name.starts_with(OURS) && !dependency.dev && !allowed.contains(&name),
                None => name == XDP_PROGRAM,
            };
            if against {
                findings.push(file.finding(dependency.line, format!("{folder} may not depend on {name}")));
            }
        }
    }
    findings
}

struct Dependency {
    name: String,
    line: usize,
    workspace: bool,
    dev: bool,
}

/// Members' manifests: those in folders.
fn members(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"))
}

/// Lines with a setting, as (number from 1, section, line).
fn sections(file: &File) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    file.text.lines().enumerate().filter_map(move |(number, line)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = header;
            return None;
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((number + 1, section, line))
    })
}

fn dependencies(file: &File) -> impl Iterator<Item = Dependency> {
    sections(file).filter(|(_, section, _)| section.ends_with("dependencies")).filter_map(
        |(number, section, line)| {
            let (key, value) = line.split_once('=')?;
            let key = key.trim();
            let (name, workspace) = match key.strip_suffix(".workspace") {
                Some(name) => (name, value.trim() == "true"),
                None => (key, value.replace(' ', "").contains("workspace=true")),
            };
            let dev = section.ends_with("dev-dependencies");
            Some(Dependency { name: name.trim_matches('"').to_owned(), line: number, workspace, dev })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample::{shown, tree};
    use super::*;

    #[test]
    fn versions_come_from_the_workspace() {
        let manifest = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                        c = { workspace = true, features = [\"x\"] }\n[target.'cfg(unix)'.dev-dependencies]\nd = { version = \"2\" }\n";
        let found = shown(&workspace_versions(&tree(&[
            ("Cargo.toml", "[dependencies]\nx = \"1\"\n"),
            ("m/Cargo.toml", manifest),
        ])));
        let expected = [
            "m/Cargo.toml:5: b: give its version in the workspace's table",
            "m/Cargo.toml:8: d: give its version in the workspace's table",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn members_inherit_the_lints() {
        let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n";
        let bad = "[package]\nname = \"b\"\n[dependencies]\nworkspace = true\n";
        let found = shown(&workspace_lints(&tree(&[("a/Cargo.toml", good), ("b/Cargo.toml", bad)])));
        assert_eq!(found, ["b/Cargo.toml: no `[lints] workspace = true`"]);
    }

    #[test]
    fn dependencies_point_one_way() {
        let uses = |name: &str| format!("[dependencies]\n{name}.workspace = true\n");
        let tree = tree(&[
            ("vrrp/Cargo.toml", &uses("vipward")),
            ("common/Cargo.toml", &uses("vipward-vrrp")),
            ("agent/Cargo.toml", &uses("vipward-vrrp")),
            ("tests/Cargo.toml", &uses("vipward")),
            ("other/Cargo.toml", &uses("vipward-ebpf")),
            ("ebpf/Cargo.toml", "[dev-dependencies]\nvipward.workspace = true\n"),
        ]);
        let expected = [
            "vrrp/Cargo.toml:2: vrrp may not depend on vipward",
            "common/Cargo.toml:2: common may not depend on vipward-vrrp",
            "tests/Cargo.toml:2: tests may not depend on vipward",
            "other/Cargo.toml:2: other may not depend on vipward-ebpf",
        ];
        assert_eq!(shown(&direction(&tree)), expected);
    }
}
