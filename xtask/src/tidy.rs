//! `cargo xtask tidy`: the rules of this tree that no compiler checks. Each rule is a function from the tree to
//! its findings, and has a test that shows it can fail.

mod abi;
mod code;
mod files;
mod manifests;
mod metrics;
mod rust;
mod tree;

use std::process::ExitCode;

use anyhow::Result;

use crate::say;
use tree::{Finding, Tree};

/// A rule: what it is called, and what finds its violations.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("file length", files::length),
    ("file size", files::size),
    ("executable scripts", files::executable_scripts),
    ("registry hosts", files::registry_hosts),
    ("module docs", rust::module_docs),
    ("stray panics", rust::stray_panics),
    ("clocks", rust::clocks),
    ("ABI sizes", abi::asserted_sizes),
    ("metrics in use", metrics::known),
    ("workspace versions", manifests::workspace_versions),
    ("workspace lints", manifests::workspace_lints),
    ("dependency direction", manifests::direction),
];

/// Runs the verb.
pub(crate) fn run() -> Result<ExitCode> {
    let tree = Tree::read()?;
    let mut found = 0;
    for (name, rule) in RULES {
        let findings = rule(&tree);
        for finding in &findings {
            eprintln!("{finding}");
        }
        found += findings.len();
        let verdict = if findings.is_empty() { "ok".to_owned() } else { format!("{} found", findings.len()) };
        say::line("tidy", format_args!("{name:<22} {verdict}"));
    }
    for note in files::long(&tree) {
        eprintln!("note: {note}");
    }
    if found > 0 {
        eprintln!("tidy: {found} things to put right in {} files", tree.files.len());
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("tidy: {} files, {} rules, nothing found", tree.files.len(), RULES.len());
    Ok(ExitCode::SUCCESS)
}
