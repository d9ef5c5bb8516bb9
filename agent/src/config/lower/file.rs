//! `track_file`, which older files call `vrrp_track_file`.

use std::path::PathBuf;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::keywords::Place;
use crate::config::model::{FileInit, TrackFile};
use crate::config::tree::Node;

use super::{mentions, track, unsupported, values, walk};

/// What keepalived calls the sensible range of what a file holds at first.
const SENSIBLE: std::ops::RangeInclusive<i32> = -254..=254;

/// A block as it is being read.
struct Draft {
    path: Option<PathBuf>,
    weight: i32,
    reverse: bool,
    init: Option<FileInit>,
}

/// One block; `None` if it names no file.
pub(super) fn lower(node: &Node, findings: &mut Findings) -> Option<TrackFile> {
    let name = node.args().first()?.text.clone();
    let mut draft = Draft { path: None, weight: 1, reverse: false, init: None };
    walk(Place::File, node.children(), findings, |keyword, node, findings| {
        draft.set(keyword, node, findings);
    });
    if draft.path.is_none() && !mentions(node, "file", findings) {
        findings.error(node.at(), format!("the track_file {} has no `file`", quoted(&name)));
    }
    let Draft { path, weight, reverse, init } = draft;
    Some(TrackFile { name, at: node.at().clone(), path: path?, weight, reverse, init })
}

impl Draft {
    fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        match keyword {
            "file" => {
                let word = node.args().first()?;
                if !word.text.starts_with('/') {
                    findings
                        .error(&word.at, format!("{} is no absolute path", quoted(&word.text)))
                        .help("keepalived would look for it in the folder that it was started in");
                    return None;
                }
                self.path = Some(PathBuf::from(&word.text));
            }
            "weight" => (self.weight, self.reverse) = track::weight(node.args(), track::WIDE, findings)?,
            "init_file" => self.init = Some(init(node, findings)?),
            _ => unsupported(node, findings),
        }
        Some(())
    }
}

/// `init_file [VALUE] [overwrite]`
fn init(node: &Node, findings: &mut Findings) -> Option<FileInit> {
    let mut init = FileInit { value: 0, overwrite: false };
    for word in node.args() {
        if word.text == "overwrite" {
            init.overwrite = true;
            continue;
        }
        init.value = values::number(word, i32::MIN..=i32::MAX, findings)?;
        if !SENSIBLE.contains(&init.value) {
            findings.warning(&word.at, format!("{} is more than any priority", init.value));
        }
    }
    Some(init)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::model::FileInit;
    use crate::config::{Loaded, Options, load_str};

    fn load(file: &str, line: &str, priority: u8) -> Loaded {
        let text = format!(
            "track_file load {{\n{file}\n}}\nvrrp_instance i {{\ninterface e\nvirtual_router_id 1\n\
             priority {priority}\nvirtual_ipaddress {{ 10.0.0.1 }}\ntrack_file {{\n{line}\n}}\n}}\n"
        );
        load_str(Path::new("f"), &text, &Options::default())
    }

    fn said(loaded: &Loaded) -> String {
        loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn weights_come_from_the_line_or_the_block() {
        for (block, line, expected) in [
            ("", "load", (1, false)),
            ("weight -3 reverse", "load", (-3, true)),
            ("weight 254", "load", (254, false)),
            ("weight -3 reverse", "load weight 2", (2, true)),
            ("weight -3 reverse", "load weight -254 noreverse", (-254, false)),
            ("", "load weight 0 reverse", (0, true)),
        ] {
            let loaded = load(&format!("file \"/run/load\"\n{block}"), line, 100);
            assert!(loaded.diagnostics.is_empty(), "{}", said(&loaded));
            let config = loaded.config.unwrap();
            let track = &config.instances[0].track_files[0];
            assert_eq!((track.weight, track.reverse), expected, "{block} {line}");
            assert_eq!(config.files[0].path, Path::new("/run/load"));
        }
    }

    #[test]
    fn a_file_may_be_written_at_first() {
        for (line, expected) in [
            ("init_file", FileInit { value: 0, overwrite: false }),
            ("init_file overwrite", FileInit { value: 0, overwrite: true }),
            ("init_file -7 overwrite", FileInit { value: -7, overwrite: true }),
        ] {
            let loaded = load(&format!("file /run/load\n{line}"), "load", 100);
            assert_eq!(loaded.config.unwrap().files[0].init, Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (block, line, expected) in [
            ("file load", "load", "`load` is no absolute path"),
            ("", "load", "the track_file `load` has no `file`"),
            ("file /run/load\nweight 255", "load", "`255` is no whole number from -254 to 254"),
            ("file /run/load\ninit_file often", "load", "`often` is no whole number"),
            ("file /run/load\ninit_file 300", "load", "300 is more than any priority"),
            ("file /run/load", "laod", "there is no track_file `laod`; did you mean `load`?"),
            ("file /run/load", "load\nload", "tracked already"),
            ("file /run/load", "load wait 3", "`wait` is no option"),
        ] {
            let loaded = load(block, line, 100);
            assert!(said(&loaded).contains(expected), "{block} {line}: {}", said(&loaded));
        }
    }

    /// As in keepalived: nothing can be added to the owner's priority.
    #[test]
    fn the_owner_of_the_addresses_takes_any_value_for_a_fault() {
        let loaded = load("file /run/load", "load", 255);
        assert!(said(&loaded).contains("counts as weight 0"), "{}", said(&loaded));
        assert_eq!(loaded.config.unwrap().instances[0].track_files[0].weight, 0);
    }
}
