//! What would change, as people read it.

use std::path::Path;
use std::time::Duration;

use similar::TextDiff;

/// Longer than this nobody waits to see a difference; what follows is then coarser, not wrong.
const DEADLINE: Duration = Duration::from_secs(2);
/// Characters that are shown at most.
const MAX_SHOWN: usize = 1 << 20;
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// The unified diff from `old` to `new`. Control characters of either are made harmless, for values come from a store.
pub fn unified(dest: &Path, old: Option<&[u8]>, new: &str) -> String {
    let old_name = if old.is_some() { dest.display().to_string() } else { "/dev/null".to_owned() };
    let (old, new) = (harmless(&String::from_utf8_lossy(old.unwrap_or_default())), harmless(new));
    let diff = TextDiff::configure().timeout(DEADLINE).diff_lines(old.as_str(), new.as_str());
    let text =
        diff.unified_diff().context_radius(3).header(&old_name, &dest.display().to_string()).to_string();
    match text.char_indices().nth(MAX_SHOWN) {
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
