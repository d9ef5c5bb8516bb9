//! Rules about Rust sources.

use super::code;
use super::tree::{File, Finding, Tree};

/// What must not be reachable from a packet, a map, a file or a server's answer.
const PANICS: [&str; 7] = [
    ".unwrap()",
    ".expect(",
    "panic!(",
    "todo!(",
    "unimplemented!(",
    "unreachable!(",
    "unreachable_unchecked(",
];
/// Clocks that a person or NTP can set.
const WALL_CLOCKS: [&str; 6] =
    ["CLOCK_REALTIME", "CLOCK_TAI", "SystemTime", "UNIX_EPOCH", "gettimeofday", "bpf_ktime_get_tai_ns"];
/// Where an interval measured on such a clock would be a false failover.
const TIMED: [&str; 8] = [
    "agent/src/clock.rs",
    "agent/src/election",
    "agent/src/guard/",
    "agent/src/kernel/",
    "agent/src/net/",
    "common/src/",
    "vrrp/src/",
    "ebpf/src/",
];

/// Files that do not begin with a `//!` comment.
pub(super) fn module_docs(tree: &Tree) -> Vec<Finding> {
    let undocumented = tree
        .rust()
        .filter(|file| !file.text.lines().any(|line| !line.starts_with("#!") && line.starts_with("//!")));
    undocumented
        .map(|file| file.finding(1, "no module doc: begin the file with `//!` and what it is for"))
        .collect()
}

/// Calls that panic, outside tests and build scripts.
pub(super) fn stray_panics(tree: &Tree) -> Vec<Finding> {
    containing(tree.rust().filter(|file| !is_test(file) && file.name() != "build.rs"), &PANICS, |word| {
        format!("`{word}` outside tests: return an error")
    })
}

/// Wall clocks where time decides who is master.
pub(super) fn clocks(tree: &Tree) -> Vec<Finding> {
    let timed = tree.rust().filter(|file| TIMED.iter().any(|place| file.path.starts_with(place)));
    containing(timed, &WALL_CLOCKS, |word| format!("`{word}`: elections are timed by CLOCK_MONOTONIC alone"))
}

/// The lab's crate is there for tests, and a fuzzing target fails by panicking; elsewhere tests are under `tests/` or in a
/// module of that name.
fn is_test(file: &File) -> bool {
    let mut parts = file.path.split('/');
    parts.any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz"))
}

fn containing<'a>(
    files: impl Iterator<Item = &'a File>,
    words: &[&str],
    message: impl Fn(&str) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let code = code::without_tests(&code::without_comments_and_literals(&file.text));
        for (number, line) in code.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(*word)) {
                findings.push(file.finding(number + 1, message(word)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample::{shown, tree};
    use super::*;

    #[test]
    fn every_file_says_what_it_is_for() {
        let tree = tree(&[
            ("a.rs", "//! Doc.\n"),
            ("b.rs", "#![no_std]\n//! Doc.\n"),
            ("c.rs", "/// Item.\nfn f() {}\n"),
        ]);
        let found = shown(&module_docs(&tree));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("c.rs:1: no module doc"));
    }

    #[test]
    fn panics_are_found_where_they_run() {
        let text = "fn f() {\n    x.unwrap();\n    y.expect(\"z\");\n    s(\"a.unwrap()\"); // panic!()\n    x.unwrap_or(1);\n}\n\
                    #[cfg(test)]\nmod tests {\n    fn t() {\n        x.unwrap();\n    }\n}\n";
        let tree = tree(&[("agent/src/a.rs", text), ("agent/build.rs", text), ("agent/tests/t.rs", text)]);
        let expected = [
            "agent/src/a.rs:2: `.unwrap()` outside tests: return an error",
            "agent/src/a.rs:3: `.expect(` outside tests: return an error",
        ];
        assert_eq!(shown(&stray_panics(&tree)), expected);
    }

    #[test]
    fn elections_do_not_read_the_wall_clock() {
        let text = "fn now() { clock_gettime(ClockId::CLOCK_REALTIME) }\n";
        let tree = tree(&[("agent/src/election/driver.rs", text), ("agent/src/control/status.rs", text)]);
        let found = shown(&clocks(&tree));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("agent/src/election/driver.rs:1: `CLOCK_REALTIME`"));
        for place in [
            "agent/src/clock.rs",
            "agent/src/guard/keep.rs",
            "agent/src/kernel/raw.rs",
            "common/src/lease.rs",
        ] {
            assert_eq!(shown(&clocks(&self::tree(&[(place, text)]))).len(), 1, "{place}");
        }
    }
}
