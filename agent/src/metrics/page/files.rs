//! Rendered files on the page: how they stand, what changed last, and what is wrong.

use std::fmt::{Result, Write};

use super::html::Text;
use super::tables::{badge, cell, close, dash, open, time};
use crate::control::render::to_the_second;
use crate::render::engine::{ResourceReport, State};

/// Differences that are shown, of the files that changed last: a page must stay one that can be sent at every change.
const MAX_DIFFS: usize = 20;
/// Characters of an error that are shown.
const MAX_ERROR: usize = 2000;

pub(super) fn resources(out: &mut String, resources: &[ResourceReport]) -> Result {
    if resources.is_empty() {
        return Ok(());
    }
    open(out, "Files", &["Resource", "State", "File", "Changed (UTC)", "Reload", "Error"])?;
    for resource in resources {
        out.push_str("<tr>");
        cell(out, "Resource", &resource.name, &[])?;
        let (word, mood) = match resource.state {
            State::Ok if resource.stale_since.is_some() => ("STALE", "init"),
            State::Ok => ("OK", "backup"),
            State::Waiting => ("WAITING", "init"),
            State::Failed => ("FAILED", "fault"),
            State::Rejected => ("REJECTED", "fault"),
        };
        badge(out, "State", word, mood)?;
        cell(out, "File", dash(&resource.dest), &[])?;
        cell(out, "Changed (UTC)", time(resource.last_change.as_deref()), &[])?;
        let reload = resource.reload.as_ref().map_or("", |reload| reload.state.as_str());
        cell(out, "Reload", dash(reload), &[])?;
        let since = resource.failing_since.as_deref().map(|since| format!("since {}", to_the_second(since)));
        let again = resource.next_try.as_deref().map(|at| format!("next try {}", to_the_second(at)));
        let reload = resource.public_reload_error().map(|why| short(why).into_owned());
        let notes: Vec<String> = since.into_iter().chain(again).chain(reload).collect();
        let error = resource.public_error().or(resource.store_error.as_deref()).unwrap_or("–");
        cell(out, "Error", short(error), &notes)?;
        out.push_str("</tr>");
    }
    close(out);
    changes(out, resources)
}

/// What changed last, the newest first.
fn changes(out: &mut String, resources: &[ResourceReport]) -> Result {
    let mut changed: Vec<&ResourceReport> =
        resources.iter().filter(|resource| resource.last_change.is_some()).collect();
    // RFC 3339 of one length and zone sorts by time.
    changed.sort_by(|a, b| b.last_change.cmp(&a.last_change));
    if changed.is_empty() {
        return Ok(());
    }
    out.push_str("<section><h2>Last changes of files</h2>");
    for resource in changed.into_iter().take(MAX_DIFFS) {
        let Some(diff) = &resource.last_diff else {
            write!(
                out,
                "<p>{} <small>{}: not shown, for not everybody may read that file</small></p>",
                Text(&resource.dest),
                Text(time(resource.last_change.as_deref()))
            )?;
            continue;
        };
        // Opened by hand: the page remembers it by this name when it is brought up to date.
        write!(
            out,
            "<details data-name=\"{}\"><summary>{} <small>{}</small></summary><pre>",
            Text(&resource.name),
            Text(&resource.dest),
            Text(time(resource.last_change.as_deref()))
        )?;
        for line in diff.lines() {
            let class = match line.as_bytes() {
                [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] | [b'@', ..] => "place",
                [b'+', ..] => "added",
                [b'-', ..] => "removed",
                _ => "same",
            };
            writeln!(out, "<span class=\"{class}\">{}</span>", Text(line.replace('\t', "    ")))?;
        }
        out.push_str("</pre></details>");
    }
    out.push_str("</section>");
    Ok(())
}

/// A command may say a lot.
fn short(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(MAX_ERROR) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(name: &str, diff: Option<&str>) -> ResourceReport {
        ResourceReport {
            name: name.into(),
            dest: format!("/etc/{name}"),
            last_change: Some("2023-11-14T22:13:20.123Z".into()),
            last_diff: diff.map(str::to_owned),
            private: diff.is_none(),
            last_error: Some("unknown directive s3cret".into()),
            ..ResourceReport::default()
        }
    }

    fn shown(of: &[ResourceReport]) -> String {
        let mut out = String::new();
        resources(&mut out, of).expect("a string takes all");
        out
    }

    #[test]
    fn a_difference_is_shown_line_by_line_as_text() {
        let html = shown(&[changed("a", Some("--- /etc/a\n+++ /etc/a\n@@ -1 +1 @@\n-<b>\n+\tc\n d\n"))]);
        for line in [
            "<span class=\"place\">+++ /etc/a</span>",
            "<span class=\"removed\">-&lt;b&gt;</span>",
            "<span class=\"added\">+    c</span>",
            "<span class=\"same\"> d</span>",
            "unknown directive s3cret",
        ] {
            assert!(html.contains(line), "{line} in {html}");
        }
    }

    #[test]
    fn of_a_file_that_not_everybody_may_read_nothing_is_shown_and_that_is_said() {
        let html = shown(&[changed("a", None)]);
        assert!(
            html.contains("not shown, for not everybody may read") && html.contains("not shown here"),
            "{html}"
        );
        assert!(!html.contains("s3cret"), "{html}");
    }

    #[test]
    fn thousands_of_changes_and_long_errors_make_no_endless_page() {
        let diff = "+x\n".repeat(1000);
        let mut many: Vec<ResourceReport> =
            (0..1000).map(|number| changed(&number.to_string(), Some(&diff))).collect();
        assert_eq!(shown(&many).matches("<details").count(), MAX_DIFFS);
        many.truncate(1);
        many[0].last_error = Some("ä".repeat(100_000));
        assert!(shown(&many).len() < 100_000, "a long error");
    }
}
