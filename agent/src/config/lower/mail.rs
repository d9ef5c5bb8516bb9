//! `global_defs`: mail upon transitions.

use std::time::Duration;

use lettre::Address;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;
use crate::config::model::Mail;
use crate::config::tree::Node;

use super::address::plain_line;
use super::{unsupported, values};

/// keepalived's defaults and bounds.
const PORT: u16 = 25;
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIMEOUT: u64 = 4294;
/// Recipients of one mail; RFC 5321 §4.5.3.1.8 has servers take as many.
const MAX_RECIPIENTS: usize = 100;

/// The lines as they are read.
#[derive(Default)]
pub(super) struct MailLines {
    server: Option<(String, u16)>,
    helo: Option<String>,
    timeout: Option<Duration>,
    from: Option<String>,
    to: Vec<String>,
    no_faults: bool,
    /// `smtp_alert`
    all: Option<bool>,
    /// `smtp_alert_vrrp`
    vrrp: Option<bool>,
}

/// Whether a keyword of `global_defs` is read here.
pub(super) fn is_here(keyword: &str) -> bool {
    keyword.starts_with("smtp_") || keyword.starts_with("notification_email") || keyword == "no_email_faults"
}

impl MailLines {
    pub(super) fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        match keyword {
            "smtp_alert" => self.all = Some(values::flag(node, findings)?),
            "smtp_alert_vrrp" => self.vrrp = Some(values::flag(node, findings)?),
            "no_email_faults" => self.no_faults = true,
            "notification_email" => {
                for line in node.children() {
                    // As in keepalived several may stand in one line.
                    let words = plain_line(line, findings).into_iter().flat_map(|()| words(line));
                    let found: Vec<String> = words.filter_map(|word| address(word, findings)).collect();
                    self.to.extend(found);
                }
                if self.to.len() > MAX_RECIPIENTS {
                    findings.error(node.at(), format!("a mail has at most {MAX_RECIPIENTS} recipients"));
                    self.to.truncate(MAX_RECIPIENTS);
                }
            }
            _ => {
                let word = node.args().first()?;
                match keyword {
                    "smtp_server" => {
                        let port =
                            node.args().get(1).map(|port| values::number(port, 1..=u16::MAX, findings));
                        let port = port.unwrap_or(Some(PORT))?;
                        self.server = Some((word.text.clone(), port));
                    }
                    "smtp_helo_name" => self.helo = Some(word.text.clone()),
                    "smtp_connect_timeout" => {
                        self.timeout = Some(values::whole_seconds(word, 1..=MAX_TIMEOUT, findings)?);
                    }
                    "notification_email_from" => self.from = Some(address(word, findings)?),
                    _ => unsupported(node, findings),
                }
            }
        }
        Some(())
    }

    /// Whether transitions are mailed where an instance or group does not say.
    pub(super) fn alerts(&self) -> bool {
        self.vrrp.or(self.all).unwrap_or(false)
    }

    /// What came of the lines, if it suffices for a mail.
    pub(super) fn settle(&mut self) -> Option<Mail> {
        let to = std::mem::take(&mut self.to);
        let (server, port) = self.server.take().filter(|_| !to.is_empty())?;
        Some(Mail {
            server,
            port,
            helo: self.helo.take(),
            timeout: self.timeout.unwrap_or(TIMEOUT),
            from: self.from.take(),
            to,
            faults: !self.no_faults,
        })
    }
}

fn words(line: &Node) -> impl Iterator<Item = &Word> {
    std::iter::once(line.keyword()).chain(line.args())
}

/// An address without a name. One that no server takes is left out: it is no reason to serve no VIPs.
fn address(word: &Word, findings: &mut Findings) -> Option<String> {
    if word.text.parse::<Address>().is_err() {
        findings
            .warning(&word.at, format!("{} is no mail address and left out", quoted(&word.text)))
            .help("it is like `root@host.example`");
        return None;
    }
    Some(word.text.clone())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Loaded, Options, load_str};

    fn load(globals: &str, group: &str, instance: &str) -> Loaded {
        let vrid = |name: &str, vrid: u8, lines: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface e\nvirtual_router_id {vrid}\n\
                 virtual_ipaddress {{ 10.0.0.{vrid} }}\n{lines}\n}}\n"
            )
        };
        let (a, b) = (vrid("a", 1, instance), vrid("b", 2, ""));
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_sync_group g {{\ngroup {{ a b }}\n{group}\n}}\n{a}{b}"
        );
        load_str(Path::new("f"), &text, &Options::default())
    }

    fn said(globals: &str, instance: &str) -> String {
        let loaded = load(globals, "", instance);
        loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    const BOTH: &str =
        "smtp_server mail.example\nnotification_email {\na@b.example c@localhost\nd@e.example\n}";

    #[test]
    fn a_server_and_recipients_make_mail() {
        let globals = format!("{BOTH}\nsmtp_alert\nnotification_email_from x@y.example\nno_email_faults");
        let loaded = load(&globals, "", "");
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let mail = loaded.config.unwrap().globals.mail.unwrap();
        assert_eq!((mail.server.as_str(), mail.port, mail.timeout), ("mail.example", PORT, TIMEOUT));
        assert_eq!(mail.to, ["a@b.example", "c@localhost", "d@e.example"]);
        assert_eq!((mail.from.as_deref(), mail.faults), (Some("x@y.example"), false));
        let globals = "smtp_server 192.0.2.1 2525\nsmtp_connect_timeout 5\nsmtp_helo_name me.example\n\
                       notification_email {\na@b.example\n}\nsmtp_alert_vrrp";
        let mail = load(globals, "", "").config.unwrap().globals.mail.unwrap();
        assert_eq!((mail.port, mail.timeout), (2525, Duration::from_secs(5)));
        assert_eq!((mail.helo.as_deref(), mail.faults), (Some("me.example"), true));
        for part in ["smtp_server mail.example", "notification_email {\na@b.example\n}"] {
            assert!(load(part, "", "").config.unwrap().globals.mail.is_none(), "{part}");
        }
    }

    #[test]
    fn an_alert_is_decided_by_the_nearest_line() {
        for (globals, group, instance, expected) in [
            ("", "", "", [false, false, false]),
            ("smtp_alert", "", "", [true, true, true]),
            ("smtp_alert\nsmtp_alert_vrrp off", "", "", [false, false, false]),
            ("smtp_alert_vrrp yes", "smtp_alert no", "", [false, true, true]),
            ("", "smtp_alert", "", [true, false, false]),
            ("smtp_alert", "", "smtp_alert false", [true, false, true]),
            ("", "", "smtp_alert", [false, true, false]),
        ] {
            let config = load(&format!("{BOTH}\n{globals}"), group, instance).config.unwrap();
            let [a, b] = config.instances.as_slice() else { panic!("{config:?}") };
            let found = [config.groups[0].smtp_alert, a.smtp_alert, b.smtp_alert];
            assert_eq!(found, expected, "{globals} {group} {instance}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (globals, expected) in [
            ("notification_email {\nroot\n}", "f:3:1: warning: `root` is no mail address and left out"),
            ("smtp_server a 0", "f:2:15: error: `0` is no whole number from 1 to 65535"),
            ("notification_email a@b.example", "`notification_email` needs a block"),
            ("smtp_connect_timeout 0", "no whole number from 1 to 4294"),
        ] {
            let said = said(globals, "");
            assert!(said.contains(expected), "{globals}: {said}");
        }
        let many = format!("notification_email {{\n{}\n}}", "a@b.example ".repeat(101));
        assert!(said(&many, "").contains("at most 100 recipients"));
    }
}
