//! Whether the programs that a configuration names are there, can be run, and can be trusted. Apart from the other
//! checks because it looks at this machine, and the file may be for another one.

use std::env;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::diagnostic::{Findings, quoted};
use super::model::{Command, Config, How};

/// Searched when the environment names no path.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const ANY_EXECUTE: u32 = 0o111;
const GROUP_OR_OTHER_WRITE: u32 = 0o022;
const OTHER_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Looks at every program that scripts and notifications run.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let scripts = config.scripts.iter().map(|script| &script.command);
    let notify = config.instances.iter().flat_map(|instance| {
        let notify = &instance.notify;
        [&notify.any, &notify.master, &notify.backup, &notify.fault, &notify.stop]
    });
    for command in scripts.chain(notify.flatten().map(|script| &script.command)) {
        program(command, config.globals.script_security, findings);
    }
}

fn program(command: &Command, script_security: bool, findings: &mut Findings) {
    let name = match &command.how {
        How::Exec(words) => words.first().map(String::as_str),
        // A line for the shell begins with a program only if it begins with a path.
        How::Shell { line, .. } => line.split_whitespace().next().filter(|word| word.starts_with('/')),
    };
    let Some(name) = name else { return };
    let shown = quoted(name);
    let Some((path, metadata)) = find(name) else {
        findings.warning(&command.at, format!("{shown} is not there, so it counts as failed"));
        return;
    };
    if !metadata.is_file() || metadata.permissions().mode() & ANY_EXECUTE == 0 {
        findings.warning(&command.at, format!("{shown} is not executable, so it counts as failed"));
        return;
    }
    let forbidden = if script_security { GROUP_OR_OTHER_WRITE } else { OTHER_WRITE };
    if let Some(weak) = writable(&path, forbidden) {
        let weak = quoted(&weak.display().to_string());
        findings
            .warning(&command.at, format!("others than root can change {weak}, and so what {shown} does"))
            .help(if script_security {
                "with `enable_script_security` it is not run as root"
            } else {
                "it may run as root: take the write permission away"
            });
    }
}

/// The file that `name` stands for, looked up as execvp(3) does.
fn find(name: &str) -> Option<(PathBuf, Metadata)> {
    let regular = |path: PathBuf| path.metadata().ok().map(|metadata| (path, metadata));
    if name.contains('/') {
        return regular(PathBuf::from(name));
    }
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path).filter_map(|directory| regular(directory.join(name))).find(|(_, m)| m.is_file())
}

/// The file or the directory above it that somebody else than root can change.
fn writable(path: &Path, forbidden: u32) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    let weak = real.ancestors().find(|part| {
        part.metadata().is_ok_and(|metadata| {
            let mode = metadata.permissions().mode();
            // In a sticky directory only the owner of a file can replace it.
            let replaceable = !metadata.is_dir() || mode & STICKY == 0;
            // Root's own group is no stranger.
            let strangers = if metadata.gid() == 0 { forbidden & OTHER_WRITE } else { forbidden };
            replaceable && mode & strangers != 0
        })
    });
    weak.map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Options, load_str};

    /// What is said of `command` as the script of a tracked check.
    fn said(command: &str, security: &str) -> Vec<String> {
        let text = format!(
            "global_defs {{\n{security}\n}}\nvrrp_script s {{\nscript \"{command}\"\n}}\n\
             vrrp_instance i {{\ninterface e\nvirtual_router_id 1\nvirtual_ipaddress {{ 10.0.0.1 }}\ntrack_script {{ s }}\n}}"
        );
        let config = load_str(Path::new("f"), &text, &Options::default()).config.unwrap();
        let mut findings = Findings::new(false);
        check(&config, &mut findings);
        findings.into_sorted(&[]).iter().map(ToString::to_string).collect()
    }

    fn file(directory: &Path, name: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn programs_are_looked_at() {
        let directory = env::temp_dir().join(format!("vipward-programs-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let fine = said(&file(&directory, "fine", 0o755).display().to_string(), "");
        let plain = said(&file(&directory, "plain", 0o644).display().to_string(), "");
        let open = said(&file(&directory, "open", 0o777).display().to_string(), "");
        let absent = said("/absent/check && true", "");
        let found = said("true", "");
        let lost = said("no-such-program-anywhere", "");
        fs::remove_dir_all(&directory).unwrap();

        assert_eq!(fine, [""; 0]);
        assert!(plain[0].contains("is not executable"), "{plain:?}");
        assert!(open[0].contains("others than root can change"), "{open:?}");
        assert!(absent[0].contains("`/absent/check` is not there"), "{absent:?}");
        assert_eq!(found, [""; 0]);
        assert!(lost[0].contains("is not there"), "{lost:?}");
    }
}
