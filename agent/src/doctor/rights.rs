//! What the caller may do: the doctor looks with the rights that it was started with, and the agent needs more of them.

use super::finding::Finding;
use crate::privileges::{self, BPF, NET_ADMIN, NET_RAW, PERFMON};

const CHECK: &str = "rights";

/// The capabilities that are missing of those without which nothing works, and of those without which XDP does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// No address can be set, no advert sent.
    pub(super) needed: Vec<&'static str>,
    /// No program can be loaded.
    pub(super) wanted: Vec<&'static str>,
}

/// Looks at the calling thread.
pub(super) fn look() -> Seen {
    Seen { needed: privileges::missing(&[NET_ADMIN, NET_RAW]), wanted: privileges::missing(&[BPF, PERFMON]) }
}

/// What to make of it.
pub(super) fn check(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !seen.needed.is_empty() {
        findings.push(Finding::error(
            CHECK,
            format!(
                "this process lacks {}: it can neither send adverts nor set addresses",
                seen.needed.join(" and ")
            ),
            "ask as root (sudo vipward doctor); in a container, add the capabilities",
        ));
    }
    if !seen.wanted.is_empty() {
        findings.push(Finding::warning(
            CHECK,
            format!(
                "this process lacks {}: no XDP, adverts are received by a raw socket",
                seen.wanted.join(" and ")
            ),
            "add them to the service or container; with Docker: --cap-add BPF --cap-add PERFMON",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(CHECK, "CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_PERFMON"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn what_is_needed_is_an_error_and_what_is_wanted_a_warning() {
        assert_eq!(check(&Seen::default())[0].severity, Severity::Fine);
        let no_bpf = check(&Seen { needed: Vec::new(), wanted: vec!["CAP_BPF"] });
        assert!(no_bpf.len() == 1 && no_bpf[0].severity == Severity::Warning, "{no_bpf:?}");
        let none = check(&Seen { needed: vec!["CAP_NET_RAW"], wanted: vec!["CAP_BPF", "CAP_PERFMON"] });
        assert_eq!(none[0].severity, Severity::Error);
        assert!(none[1].message.contains("CAP_BPF and CAP_PERFMON"), "{none:?}");
    }
}
