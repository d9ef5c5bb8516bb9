//! The table of keywords in `docs/keepalived.md`, held against the one that decides.

use std::fmt::Write;
use std::{env, fs};

use crate::config::keywords::{Place, Status, TABLE};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/keepalived.md");
/// The table is between these lines.
const BEGIN: &str = "<!-- keywords: written by the test that compares them -->\n";
const END: &str = "<!-- end of keywords -->\n";
/// Set to have the file written instead of compared.
const BLESS: &str = "VIPWARD_BLESS";

fn table() -> String {
    let mut places: Vec<Place> = Vec::new();
    for entry in TABLE {
        if !places.contains(&entry.place) {
            places.push(entry.place);
        }
    }
    let mut text = String::new();
    for place in places {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n### In {}\n\n| keyword | in vipward |\n|---|---|", place.name());
        let entries = TABLE.iter().filter(|entry| entry.place == place);
        let mut rows: Vec<(&str, String)> =
            entries.flat_map(|entry| entry.names.iter().map(|name| (*name, what(entry.status)))).collect();
        rows.sort_unstable();
        for (name, what) in rows {
            let _ = writeln!(text, "| `{name}` | {what} |");
        }
    }
    text
}

fn what(status: Status) -> String {
    match status {
        Status::Works(_) => "works".to_owned(),
        Status::Harmless(why) => format!("accepted, does nothing: {why}"),
        Status::Ignored(why) => format!("accepted with a warning, does nothing: {why}"),
        Status::NotYet => "refused: not there yet".to_owned(),
        Status::Refused(why) => format!("refused: {why}"),
        Status::RefusedUnless(value, why) => {
            format!("refused: {why}; `{value}` is accepted, for it changes nothing")
        }
    }
}

#[test]
fn the_documentation_has_every_keyword() {
    let text = fs::read_to_string(FILE).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let right = table() + "\n";
    if env::var_os(BLESS).is_some() {
        fs::write(FILE, format!("{before}{BEGIN}{right}{END}{after}")).unwrap();
    } else {
        assert!(written == right, "docs/keepalived.md is out of date: run this test with {BLESS}=1");
    }
}
