//! Whether the programs that a configuration names are there, can be run, and can be trusted, and whether there are the
//! users whom they run as. Apart from the other checks because it looks at this machine, and the file may be for
//! another one. The rules are those by which the agent runs them.

use std::collections::HashSet;

use super::diagnostic::{Findings, quoted};
use super::model::{Command, Config, User};
use crate::check::launch::{Launch, Program};
use crate::check::plan::{Users, tracked_scripts};
use crate::check::secure;

/// What becomes of a script that cannot be run.
const CHECK_FAILS: &str = "it counts as failed";
const NOTIFY_IS_LEFT_OUT: &str = "it is not run";

/// A command that the agent would run.
struct Run<'c> {
    command: &'c Command,
    user: Option<&'c User>,
    consequence: &'static str,
}

/// Looks at every program that scripts and notifications run.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let mut users = Users::new(&config.globals);
    // One line of `script_user` may be wrong for many scripts.
    let mut said = HashSet::new();
    for run in runs(config) {
        match users.launch(run.command, run.user) {
            Ok(launch) => program(&run, &launch, findings),
            Err(error) => {
                if said.insert(error.to_string()) {
                    findings.error(&error.at, error.cause.to_string());
                }
            }
        }
    }
}

fn runs(config: &Config) -> impl Iterator<Item = Run<'_>> {
    let scripts = tracked_scripts(config).map(|script| Run {
        command: &script.command,
        user: script.user.as_ref(),
        consequence: CHECK_FAILS,
    });
    let instances = config.instances.iter().map(|instance| &instance.notify);
    let groups = config.groups.iter().map(|group| &group.notify);
    let notify = instances.chain(groups).flat_map(|notify| {
        [
            &notify.any,
            &notify.master,
            &notify.backup,
            &notify.fault,
            &notify.stop,
            &notify.deleted,
            &notify.lower_priority,
        ]
    });
    let globals = &config.globals;
    let readers = globals.fifos.iter().filter_map(|fifo| fifo.script.as_ref());
    let life = globals.startup.iter().chain(&globals.shutdown).map(|life| &life.script);
    let others = notify.flatten().chain(readers).chain(life);
    scripts.chain(others.map(|script| Run {
        command: &script.command,
        user: script.user.as_ref(),
        consequence: NOTIFY_IS_LEFT_OUT,
    }))
}

fn program(run: &Run<'_>, launch: &Launch, findings: &mut Findings) {
    let (at, consequence) = (&run.command.at, run.consequence);
    let name = match &launch.program {
        Program::Exec(words) => words.first().map(String::as_str),
        // A line for the shell begins with a program only if it begins with a path.
        Program::Shell { line, .. } => line.split_whitespace().next().filter(|word| word.starts_with('/')),
    };
    if let Some(name) = name {
        let wrong = match secure::find(name) {
            None => Some("there"),
            Some(path) if !secure::is_executable(&path) => Some("executable"),
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            findings.warning(at, format!("{} is not {wrong}, so {consequence}", quoted(name)));
            return;
        }
    }
    let Err(weakness) = secure::look(launch) else { return };
    if launch.secure {
        findings
            .warning(at, format!("{weakness}, so {consequence}"))
            .help("`enable_script_security` lets nothing run as root that others can change");
    } else {
        findings
            .warning(at, format!("{weakness}: others can change what is run here as root"))
            .help("mend its owner and mode, or name a `user` for it");
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Options, load_str};

    /// What is said of `command` as the script of a tracked check or of `notify`, with these `global_defs`.
    fn said(command: &str, globals: &str) -> [Vec<String>; 2] {
        let check = format!("vrrp_script s {{\nscript \"{command}\"\n}}");
        let [tracked, notify] = ["track_script { s }".to_owned(), format!("notify \"{command}\"")];
        [(check, tracked), (String::new(), notify)].map(|(block, line)| {
            let text = format!(
                "global_defs {{\n{globals}\n}}\n{block}\nvrrp_instance i {{\ninterface e\nvirtual_router_id 1\n\
                 virtual_ipaddress {{ 10.0.0.1 }}\n{line}\n}}"
            );
            found(&text)
        })
    }

    fn found(text: &str) -> Vec<String> {
        let config = load_str(Path::new("f"), text, &Options::default()).config.unwrap();
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

    const ROOT: &str = "script_user root";
    const SECURE: &str = "script_user root\nenable_script_security";

    #[test]
    fn programs_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let named = |path: PathBuf| path.display().to_string();
        let fine = named(file(directory.path(), "fine", 0o755));
        let plain = named(file(directory.path(), "plain", 0o644));
        for command in [fine.as_str(), "true"] {
            assert_eq!(said(command, SECURE), [const { Vec::<String>::new() }; 2], "{command}");
        }
        for (command, wrong) in [
            (plain.as_str(), "is not executable"),
            ("/absent/check && true", "`/absent/check` is not there"),
            ("no-such-program-anywhere", "is not there"),
        ] {
            let [check, notify] = said(command, ROOT).map(|said| said.concat());
            assert!(check.contains(wrong) && check.contains("counts as failed"), "{check}");
            assert!(notify.contains(wrong) && notify.contains("is not run"), "{notify}");
        }
    }

    #[test]
    fn what_others_can_change_is_judged_as_when_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let open = file(directory.path(), "open", 0o777);
        let foreign = file(directory.path(), "foreign", 0o755);
        chown(&foreign, Some(65534), None).unwrap();
        for (path, weakness) in [(&open, "others can write to"), (&foreign, "does not belong to root")] {
            let command = path.display().to_string();
            let [check, notify] = said(&command, SECURE).map(|said| said.concat());
            assert!(check.contains(weakness) && check.contains("counts as failed"), "{check}");
            assert!(notify.contains(weakness) && notify.contains("is not run"), "{notify}");
            let [check, _] = said(&command, ROOT).map(|said| said.concat());
            assert!(check.contains(weakness) && !check.contains("counts as failed"), "{check}");
            // Nobody's rights are everybody's.
            let harmless = said(&command, "script_user nobody\nenable_script_security");
            assert_eq!(harmless, [const { Vec::<String>::new() }; 2]);
        }
    }

    #[test]
    fn users_that_do_not_exist_are_named_with_their_places() {
        let text = "global_defs {\nscript_user ghost\n}\nvrrp_script a {\nscript true\nuser nobody phantoms\n}\n\
                    vrrp_script b {\nscript true\n}\nvrrp_script unused {\nscript true\nuser spectre\n}\n\
                    vrrp_instance i {\ninterface e\nvirtual_router_id 1\nvirtual_ipaddress { 10.0.0.1 }\n\
                    track_script {\na\nb\n}\nnotify_master true wraith\nnotify true\n}";
        let expected = [
            "f:2:13: error: there is no user `ghost`",
            "f:6:6: error: there is no group `phantoms`",
            "f:23:15: error: there is no user `wraith`",
        ];
        assert_eq!(found(text), expected);
    }
}
