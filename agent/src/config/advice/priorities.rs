//! Weights that leave the order of priorities as it is.
//!
//! One file knows one node's priority. But people note the other node's beside it, `priority 101 # 100 on the backup`,
//! and then it can be seen that a weight is too small.

use crate::config::diagnostic::Findings;
use crate::config::model::Instance;
use vipward_common::wire::PRIORITY_OWNER;

use super::{Lines, Weighted};

/// Highest priority that tracking leads to.
const MAX_PRIORITY: i32 = 254;

/// Says which weights of `instance` cannot do what they are for.
pub(super) fn order(
    instance: &Instance,
    weighted: &[Weighted<'_>],
    lines: &Lines<'_>,
    findings: &mut Findings,
) {
    let [first, ..] = weighted else { return };
    let base = i32::from(instance.priority);
    if instance.priority == PRIORITY_OWNER {
        for Weighted { at, .. } in weighted {
            findings
                .warning(at, "this weight does nothing: with priority 255 none counts")
                .help("a priority of 254 at most, or weight 0, by which a failure means FAULT");
        }
        return;
    }
    // What a file does is a matter of the number in it.
    if weighted.iter().any(|tracked| tracked.file) {
        return;
    }
    let sum = |of: fn(i32) -> i32| weighted.iter().map(|tracked| of(tracked.weight)).sum::<i32>();
    let (most, least) = (base + sum(|weight| weight.max(0)), base + sum(|weight| weight.min(0)));
    let within = |priority: i32| priority.clamp(1, MAX_PRIORITY);
    if within(most) == within(least) {
        findings
            .warning(first.at, format!("the priority stays {base} whatever the weights say"))
            .help(format!("it is kept within 1 and {MAX_PRIORITY}: leave it room"));
        return;
    }
    let Some(line) = lines.of_instance(&instance.name, "priority") else { return };
    let nearest = others(&line.statement.comment, base).min_by_key(|other| other.abs_diff(base));
    let span = sum(i32::abs);
    if let Some(other) = nearest.filter(|other| other.abs_diff(base) >= span.unsigned_abs()) {
        let needed = other.abs_diff(base) + 1;
        findings
            .warning(
                first.at,
                format!(
                    "the weights move the priority by {span} in all, which never changes who is first if another \
                     node has {other}, as the comment in line {} says",
                    line.at().line
                ),
            )
            .help(format!("weights of {needed} or more, or priorities nearer to each other"));
    }
}

/// The priorities that a comment beside `own` most likely names: numbers of the same magnitude that stand for
/// themselves. Addresses, ranges and names with digits are none.
fn others(comment: &str, own: i32) -> impl Iterator<Item = i32> {
    let words =
        comment.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '=' | ':' | '/'));
    words
        .filter_map(|word| word.trim_end_matches(['.', '!']).parse::<u8>().ok())
        .map(i32::from)
        .filter(move |other| *other != own && *other <= MAX_PRIORITY && 2 * other > own && *other < 2 * own)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Options, load_str};

    fn said(priority: &str, tracked: &str) -> String {
        let text = format!(
            "vrrp_script s {{\nscript /bin/true\nweight -10\n}}\nvrrp_script t {{\nscript /bin/true\nweight 10\n}}\n\
             vrrp_instance i {{\ninterface e\nvirtual_router_id 1\npriority {priority}\n\
             virtual_ipaddress {{ 10.0.0.1 }}\ntrack_script {{\n{tracked}\n}}\ntrack_interface {{ e2 weight -1 }}\n}}"
        );
        let loaded = load_str(Path::new("f"), &text, &Options::default());
        let said: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        said.into_iter().filter(|said| !said.contains("nobody tracks")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn weights_that_the_comment_shows_too_small_are_told() {
        for (priority, tracked) in [
            ("111 # 100 on the backup", "s"),
            ("100 # 111 on master, 100 on backups", "s"),
            ("120 ! backup: 100.", "t"),
        ] {
            let said = said(priority, tracked);
            assert!(
                said.starts_with("f:15:1: warning: the weights move the priority by 11 in all"),
                "{said}"
            );
            assert!(said.contains("the comment in line 12"), "{said}");
        }
    }

    #[test]
    fn nothing_is_said_where_the_order_changes_or_nobody_knows() {
        for (priority, tracked) in [
            ("110 # 100 on the backup", "s"),
            ("150", "s"),
            ("150 # 100 on the backup", "s weight -50"),
            ("150 # within 1-254, see 10.0.0.100, node110, 20 more than there", "s"),
            ("150 # 100 on the spare, 145 on the backup", "s"),
        ] {
            assert_eq!(said(priority, tracked), "", "{priority}");
        }
    }

    #[test]
    fn weights_without_room_are_told() {
        assert!(said("255", "s").contains("f:15:1: warning: this weight does nothing: with priority 255"));
        assert!(said("1", "s").contains("the priority stays 1 whatever the weights say"));
        assert_eq!(said("254", "t"), "", "the interface takes 1 away");
    }

    #[test]
    fn numbers_of_a_comment() {
        let found = |comment| others(comment, 100).collect::<Vec<_>>();
        assert_eq!(found(" 100 on one, 90/80 elsewhere (prio=110)!"), [90, 80, 110]);
        assert!(found("10.0.0.90 90-95 v90 90%").is_empty());
    }
}
