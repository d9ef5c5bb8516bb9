//! Other daemons on this host that speak VRRP.

use std::fs;
use std::path::Path;

use super::finding::Finding;

const CHECK: &str = "rivals";
/// Names of the processes, as the kernel has them.
const DAEMONS: [&str; 3] = ["keepalived", "vrrpd", "ucarp"];

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Name and process of each, in our network namespace.
    pub(super) daemons: Vec<(String, u32)>,
    /// An agent of ours serves.
    pub(super) agent: bool,
}

/// Looks at the processes.
pub(super) fn look(agent: bool) -> Seen {
    Seen { daemons: daemons(Path::new("/proc")), agent }
}

fn daemons(proc: &Path) -> Vec<(String, u32)> {
    let namespace = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let own = namespace(&proc.join("self"));
    let mut found: Vec<(String, u32)> = fs::read_dir(proc)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned();
            let wanted = DAEMONS.contains(&name.as_str()) && namespace(&entry.path()) == own;
            wanted.then_some((name, pid))
        })
        .collect();
    found.sort_by_key(|(_, pid)| *pid);
    found
}

/// What to make of it.
pub(super) fn check(seen: &Seen) -> Vec<Finding> {
    let Some((name, _)) = seen.daemons.first() else {
        return vec![Finding::fine(CHECK, "no other VRRP daemon runs here")];
    };
    let pids: Vec<String> =
        seen.daemons.iter().map(|(name, pid)| format!("{name} (process {pid})")).collect();
    let pids = pids.join(", ");
    let remedy = format!("systemctl disable --now {name}");
    vec![if seen.agent {
        Finding::error(
            CHECK,
            format!("{pids} runs beside vipward: they may claim the same addresses"),
            remedy,
        )
    } else {
        Finding::warning(CHECK, format!("{pids} runs here: stop it before vipward starts"), remedy)
    }]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::doctor::finding::Severity;

    fn process(proc: &Path, entry: &str, name: &str, namespace: &str) {
        fs::create_dir_all(proc.join(entry).join("ns")).expect("made");
        fs::write(proc.join(entry).join("comm"), format!("{name}\n")).expect("written");
        symlink(format!("net:[{namespace}]"), proc.join(entry).join("ns/net")).expect("linked");
    }

    #[test]
    fn daemons_of_our_own_network_count() {
        let proc = tempfile::tempdir().expect("temporary directory");
        for (entry, name, namespace) in [
            ("self", "vipward", "1"),
            ("40", "keepalived", "1"),
            ("7", "keepalived", "1"),
            ("8", "keepalived", "2"),
            ("9", "keepalived-exporter", "1"),
            ("sys", "keepalived", "1"),
        ] {
            process(proc.path(), entry, name, namespace);
        }
        assert_eq!(daemons(proc.path()), [("keepalived".to_owned(), 7), ("keepalived".to_owned(), 40)]);
    }

    #[test]
    fn beside_a_running_agent_it_is_an_error() {
        assert_eq!(check(&Seen::default())[0].severity, Severity::Fine);
        let mut seen = Seen { daemons: vec![("keepalived".into(), 7)], agent: false };
        assert_eq!(check(&seen)[0].severity, Severity::Warning);
        seen.agent = true;
        let found = check(&seen);
        assert_eq!(found[0].severity, Severity::Error);
        assert!(found[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("keepalived")));
    }
}
