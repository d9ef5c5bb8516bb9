//! What would change, or has changed, as people read it.

use std::path::Path;
use std::time::Duration;

use similar::TextDiff;

use super::target::{Existing, Target};

/// Longer than this nobody waits to see a difference; what follows is then coarser, not wrong.
const DEADLINE: Duration = Duration::from_secs(2);
/// Characters that are shown at most.
const MAX_SHOWN: usize = 1 << 20;
/// The same for a difference that is kept for whoever looks later, with what may be spent on it: a reload waits for it.
const MAX_KEPT: usize = 4096;
const MAX_COMPARED: usize = 1 << 20;
const KEPT_DEADLINE: Duration = Duration::from_millis(20);
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// The unified diff from `old` to `new`. Control characters of either are made harmless, for values come from a store.
pub fn unified(dest: &Path, old: Option<&[u8]>, new: &str) -> String {
    within(DEADLINE, MAX_SHOWN, dest, old, new)
}

/// What was put in place of what stood there, in short.
pub(super) fn kept(target: &Target, new: &str) -> String {
    let old = target.now.as_ref().map(|now: &Existing| now.content.as_deref());
    let old = match old {
        None => None,
        Some(Some(old)) if old.len().max(new.len()) <= MAX_COMPARED => Some(old),
        Some(_) => return format!("{} bytes, too many to be compared for this\n", new.len()),
    };
    // The beginning of a new file is all that is kept of it.
    let new = new
        .char_indices()
        .nth(MAX_KEPT)
        .filter(|_| old.is_none())
        .map_or(new, |(end, _)| new.get(..end).unwrap_or(new));
    within(KEPT_DEADLINE, MAX_KEPT, &target.path, old, new)
}

fn within(deadline: Duration, most: usize, dest: &Path, old: Option<&[u8]>, new: &str) -> String {
    let old_name = if old.is_some() { dest.display().to_string() } else { "/dev/null".to_owned() };
    let (old, new) = (harmless(&String::from_utf8_lossy(old.unwrap_or_default())), harmless(new));
    let diff = TextDiff::configure().timeout(deadline).diff_lines(old.as_str(), new.as_str());
    let text =
        diff.unified_diff().context_radius(3).header(&old_name, &dest.display().to_string()).to_string();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}\n[cut short]\n", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The same in colours.
pub fn coloured(diff: &str) -> String {
    let mut out = String::with_capacity(diff.len() * 2);
    for line in diff.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@') => CYAN,
            _ => "",
        };
        let reset = if colour.is_empty() { "" } else { RESET };
        out.extend([colour, line, reset, "\n"]);
    }
    out
}

fn harmless(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_without_control_characters() {
        let diff = unified(Path::new("/d"), Some(b"a\nb\nc\n"), "a\nB\x1b[2J\nc\n");
        assert_eq!(diff, "--- /d\n+++ /d\n@@ -1,3 +1,3 @@\n a\n-b\n+B\u{fffd}[2J\n c\n");
        let coloured = coloured(&diff);
        assert!(coloured.contains("\x1b[31m-b\x1b[0m\n") && coloured.contains("\n a\n"), "{coloured}");
        assert!(unified(Path::new("/d"), None, "x").starts_with("--- /dev/null\n+++ /d\n"));
    }
}
