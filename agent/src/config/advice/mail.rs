//! Mail that nobody gets.

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::{Config, Location};
use crate::config::tree::Node;

use super::{Lines, line};

/// Says so at one line: at the alert that leads nowhere, or at the recipients who are told nothing.
pub(super) fn reaches_nobody(config: &Config, nodes: &[Node], lines: &Lines<'_>, findings: &mut Findings) {
    let globals = || nodes.iter().filter(|node| node.keyword().text == "global_defs");
    let global = |keyword: &str| globals().find_map(|block| line(block, keyword));
    let instance = config.instances.iter().find(|instance| instance.smtp_alert);
    let group = config.groups.iter().find(|group| group.smtp_alert);
    let told = instance.map(|instance| (&instance.name, &instance.at));
    let told = told.or(group.map(|group| (&group.name, &group.at)));
    match (&config.globals.mail, told) {
        (None, Some((name, at))) => {
            let own = instance.and_then(|instance| lines.of_instance(&instance.name, "smtp_alert"));
            let line = own.or_else(|| global("smtp_alert_vrrp")).or_else(|| global("smtp_alert"));
            let at: &Location = line.map_or(at, Node::at);
            let missing = if global("smtp_server").is_none() { "smtp_server" } else { "notification_email" };
            findings
                .warning(at, format!("nobody is mailed about {}", quoted(name)))
                .help(format!("`global_defs` has no `{missing}`"));
        }
        (Some(_), None) => {
            let Some(line) = global("notification_email") else { return };
            findings
                .warning(line.at(), "nobody is mailed: no instance has `smtp_alert`")
                .help("in `global_defs` it is for all of them");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Options, load_str};

    fn said(globals: &str, line: &str) -> Vec<String> {
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance i {{\ninterface e\nvirtual_router_id 1\n{line}\n\
             virtual_ipaddress {{ 10.0.0.1 }}\n}}"
        );
        let loaded = load_str(Path::new("f"), &text, &Options::default());
        loaded.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mail_that_reaches_nobody_is_told_once() {
        let (server, to) = ("smtp_server m.example", "notification_email { a@b.example }");
        let both = format!("{server}\n{to}");
        assert!(said("", "").is_empty());
        assert!(said(server, "").is_empty());
        assert!(said(&both, "smtp_alert").is_empty());
        let unasked = said(&both, "");
        assert_eq!(unasked.len(), 1);
        assert!(unasked[0].starts_with("f:3:1: warning: nobody is mailed: no instance"), "{unasked:?}");
        for (globals, line, expected) in [
            (
                "",
                "smtp_alert",
                "f:7:1: warning: nobody is mailed about `i`; `global_defs` has no `smtp_server`",
            ),
            (
                server,
                "smtp_alert",
                "f:7:1: warning: nobody is mailed about `i`; `global_defs` has no `notification_email`",
            ),
            (
                "smtp_alert",
                "",
                "f:2:1: warning: nobody is mailed about `i`; `global_defs` has no `smtp_server`",
            ),
        ] {
            assert_eq!(said(globals, line), [expected]);
        }
    }
}
