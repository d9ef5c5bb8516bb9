//! `global_defs`: FIFOs that are told of everything, and the scripts at the agent's start and end.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::{Fifo, Globals, LifeScript, Location, NotifyScript};
use crate::config::tree::Node;

use super::{command, unsupported, values};

/// How long a script at the start or the end may run unless a line says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: u64 = 1000;

/// The lines as they are read: each pair may come in any order.
#[derive(Default)]
pub(super) struct Told {
    /// `notify_fifo`, `vrrp_notify_fifo`
    fifos: [FifoLines; 2],
    /// `startup_script`, `shutdown_script`
    life: [LifeLines; 2],
}

#[derive(Default)]
struct FifoLines {
    fifo: Option<Fifo>,
    script: Option<NotifyScript>,
}

#[derive(Default)]
struct LifeLines {
    script: Option<NotifyScript>,
    timeout: Option<(Duration, Location)>,
}

/// Whether a keyword of `global_defs` is read here.
pub(super) fn is_here(keyword: &str) -> bool {
    keyword.contains("notify_fifo") || keyword.starts_with("startup_") || keyword.starts_with("shutdown_")
}

impl Told {
    /// Takes over one line. As in keepalived the first of a kind stays.
    pub(super) fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        let [all, vrrp] = &mut self.fifos;
        let [startup, shutdown] = &mut self.life;
        match keyword {
            "notify_fifo" => all.fifo = all.fifo.take().or(fifo(node, findings)),
            "vrrp_notify_fifo" => vrrp.fifo = vrrp.fifo.take().or(fifo(node, findings)),
            "notify_fifo_script" => all.script = all.script.take().or(command::notify(node, findings)),
            "vrrp_notify_fifo_script" => vrrp.script = vrrp.script.take().or(command::notify(node, findings)),
            "startup_script" => startup.script = startup.script.take().or(command::notify(node, findings)),
            "shutdown_script" => shutdown.script = shutdown.script.take().or(command::notify(node, findings)),
            "startup_script_timeout" => startup.timeout = Some(timeout(node, findings)?),
            "shutdown_script_timeout" => shutdown.timeout = Some(timeout(node, findings)?),
            _ => unsupported(node, findings),
        }
        Some(())
    }

    /// Puts what was read where it belongs.
    pub(super) fn settle(self, globals: &mut Globals, findings: &mut Findings) {
        for FifoLines { fifo, script } in self.fifos {
            match (fifo, script) {
                (Some(fifo), script) => {
                    if let Some(other) = globals.fifos.iter().find(|other| other.path == fifo.path) {
                        let message =
                            format!("this FIFO is told of everything already, by line {}", other.at.line);
                        findings.error(&fifo.at, message);
                    }
                    globals.fifos.push(Fifo { script, ..fifo });
                }
                (None, Some(script)) => {
                    findings
                        .warning(&script.at, "there is no FIFO for this script to read, so it is not run")
                        .help("name one with the same keyword without `_script`");
                }
                (None, None) => {}
            }
        }
        let [startup, shutdown] = self.life;
        globals.startup = startup.settle(findings);
        globals.shutdown = shutdown.settle(findings);
    }
}

impl LifeLines {
    fn settle(self, findings: &mut Findings) -> Option<LifeScript> {
        if let (None, Some((_, at))) = (&self.script, &self.timeout) {
            findings.warning(at, "a timeout without a script means nothing");
        }
        let timeout = self.timeout.map_or(TIMEOUT, |(timeout, _)| timeout);
        self.script.map(|script| LifeScript { script, timeout })
    }
}

/// `notify_fifo FILE [USER [GROUP]]`
fn fifo(node: &Node, findings: &mut Findings) -> Option<Fifo> {
    let (path, user) = node.args().split_first()?;
    if !path.text.starts_with('/') {
        findings.error(&path.at, format!("{} is no absolute path", quoted(&path.text)));
        return None;
    }
    let owner = values::user(user);
    Some(Fifo { path: PathBuf::from(&path.text), owner, script: None, at: path.at.clone() })
}

fn timeout(node: &Node, findings: &mut Findings) -> Option<(Duration, Location)> {
    let word = node.args().first()?;
    Some((values::whole_seconds(word, 1..=MAX_TIMEOUT, findings)?, word.at.clone()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Loaded, Options, load_str};

    fn load(globals: &str, lines: &str, group: &str) -> Loaded {
        let text = format!(
            "global_defs {{\n{globals}\n}}\n{group}\nvrrp_instance i {{\ninterface e\nvirtual_router_id 1\n\
             virtual_ipaddress {{ 10.0.0.1 }}\n{lines}\n}}\n"
        );
        load_str(Path::new("f"), &text, &Options::default())
    }

    fn said(globals: &str) -> String {
        load(globals, "", "").diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn fifos_and_their_scripts_come_in_any_order() {
        let globals = "vrrp_notify_fifo_script \"/bin/cat -u\" nobody\nvrrp_notify_fifo /run/b\nnotify_fifo /run/a root";
        let config = load(globals, "", "").config.unwrap();
        let [a, b] = config.globals.fifos.as_slice() else { panic!("{:?}", config.globals.fifos) };
        assert_eq!((a.path.to_str(), b.path.to_str()), (Some("/run/a"), Some("/run/b")));
        assert_eq!(a.owner.as_ref().map(|user| user.name.as_str()), Some("root"));
        assert!(a.script.is_none() && b.owner.is_none());
        assert_eq!(b.script.as_ref().map(|script| script.command.source.as_str()), Some("/bin/cat -u"));
    }

    #[test]
    fn scripts_of_start_and_end_have_timeouts() {
        let globals = "startup_script /bin/a\nshutdown_script_timeout 3\nshutdown_script \"/bin/b x\"";
        let globals = load(globals, "", "").config.unwrap().globals;
        assert_eq!(globals.startup.map(|script| script.timeout), Some(TIMEOUT));
        assert_eq!(globals.shutdown.map(|script| script.timeout), Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (globals, expected) in [
            ("notify_fifo run/a", "`run/a` is no absolute path"),
            ("notify_fifo_script /bin/cat", "there is no FIFO for this script"),
            ("notify_fifo /run/a\nvrrp_notify_fifo /run/a", "told of everything already, by line 2"),
            ("startup_script_timeout 5", "a timeout without a script"),
            ("startup_script /bin/a\nstartup_script_timeout 1001", "no whole number from 1 to 1000"),
        ] {
            let said = said(globals);
            assert!(said.contains(expected), "{globals}: {said}");
        }
    }

    #[test]
    fn what_is_told_is_decided_by_instance_then_group_then_globals() {
        let group = |lines: &str| format!("vrrp_sync_group g {{\ngroup {{ i }}\n{lines}\n}}");
        for (globals, in_group, lines, expected) in [
            ("", "", "", false),
            ("vrrp_notify_priority_changes", "", "", true),
            ("vrrp_notify_priority_changes", "notify_priority_changes off", "", false),
            ("", "notify_priority_changes", "notify_priority_changes no", false),
            ("", "", "notify_priority_changes yes", true),
        ] {
            let config = load(globals, lines, &group(in_group)).config.unwrap();
            assert_eq!(config.instances[0].notify_priority_changes, expected, "{globals} {in_group} {lines}");
        }
    }

    #[test]
    fn what_was_deleted_is_told_with_and_without_a_script() {
        let notify = |lines: &str| load("", lines, "").config.unwrap().instances.remove(0).notify;
        let plain = notify("notify_deleted\nnotify_master_rx_lower_pri /bin/c");
        assert!(plain.tells_deleted && plain.deleted.is_none() && plain.lower_priority.is_some());
        let scripted = notify("notify_deleted \"/bin/d e\"");
        assert!(scripted.tells_deleted && scripted.deleted.is_some());
        assert!(!notify("").tells_deleted);
    }
}
