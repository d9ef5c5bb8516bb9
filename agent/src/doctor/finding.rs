//! What the doctor has to say: findings, how bad they are, and how they are shown.

use std::fmt::Write as _;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    #[serde(rename = "ok")]
    Fine,
    /// Good to know.
    Note,
    /// It works, and somebody should look at this.
    Warning,
    /// It does not work.
    Error,
}

impl Severity {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Fine => "ok",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// Exit status of a visit of which this is the worst.
    pub const fn exit_status(self) -> u8 {
        match self {
            Severity::Fine | Severity::Note => 0,
            Severity::Warning => 1,
            Severity::Error => 2,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at, as `firewall`.
    pub check: &'static str,
    /// The interface that it is about, if it is about one.
    pub interface: Option<String>,
    /// What was found, in one line.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn fine(check: &'static str, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fine, check, interface: None, message: message.into(), remedy: None }
    }

    /// Worth knowing, and nothing to be done.
    pub fn note(check: &'static str, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, ..Finding::fine(check, message) }
    }

    /// Somebody should look at it.
    pub fn warning(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, remedy: Some(remedy.into()), ..Finding::fine(check, message) }
    }

    /// It does not work.
    pub fn error(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Error, remedy: Some(remedy.into()), ..Finding::fine(check, message) }
    }

    /// The same about an interface.
    #[must_use]
    pub fn on(self, interface: &str) -> Finding {
        Finding { interface: Some(interface.to_owned()), ..self }
    }
}

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst of it.
    pub worst: Severity,
    /// Findings in the order in which they were made.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings.
    pub fn of(findings: Vec<Finding>) -> Report {
        let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine);
        Report { worst, findings }
    }

    /// For a person: a line per finding, and one below it for the remedy.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Finding { severity, check, interface, message, remedy } in &self.findings {
            let about = interface.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<8} {check:<10} {about}{}", severity.word(), plain(message));
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "{:<19} → {}", "", plain(remedy));
            }
        }
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let _ = writeln!(text, "{errors} errors, {warnings} warnings");
        text
    }
}

/// Without control characters: some of it comes from other programs' rules and from the network.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_makes_the_exit_status() {
        assert_eq!(Report::of(Vec::new()).worst.exit_status(), 0);
        let mut findings = vec![Finding::fine("a", "b"), Finding::note("a", "b")];
        assert_eq!(Report::of(findings.clone()).worst.exit_status(), 0);
        findings.insert(0, Finding::warning("a", "b", "c"));
        assert_eq!(Report::of(findings.clone()).worst.exit_status(), 1);
        findings.insert(1, Finding::error("a", "b", "c"));
        assert_eq!(Report::of(findings).worst.exit_status(), 2);
    }

    #[test]
    fn a_person_reads_what_where_and_what_to_do() {
        let report = Report::of(vec![
            Finding::fine("kernel", "Linux 6.12"),
            Finding::warning("firewall", "rule \x1b[31m drops", "accept it").on("eth0"),
        ]);
        let expected = "ok       kernel     Linux 6.12\n\
                        warning  firewall   eth0: rule  [31m drops\n                    → accept it\n\
                        0 errors, 1 warnings\n";
        assert_eq!(report.text(), expected);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["worst"], "warning");
        assert_eq!(json["findings"][1]["remedy"], "accept it");
    }
}
