//! The folder `conf.d`: which files are resources, and whether two of them would write one file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Defaults, Loaded, parse};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::render::apply::target;
use crate::render::document::whole_file;

/// How deep `conf.d` is searched; a link to a folder above must not keep us for ever.
const MAX_DEPTH: usize = 16;
/// How many resources are read at most.
const MAX_FILES: usize = 10_000;

pub(super) fn load(confdir: &Path, defaults: &Defaults) -> Loaded {
    let mut loaded = Loaded::default();
    let folder = confdir.join("conf.d");
    let mut files = Vec::new();
    if let Err(error) = collect(&folder, 0, &mut files) {
        loaded.findings.push(whole_file(&folder, format!("cannot read this folder: {error}")));
    }
    files.sort();
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    for file in files {
        let name = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
        let (resource, mut findings) = parse::parse(&file, name, confdir, defaults);
        if let Some(resource) = resource {
            // A link and what it points to are one file.
            let place = target::follow(&resource.dest).unwrap_or_else(|_| resource.dest.clone());
            if let Some(other) = taken.get(&place) {
                let dest = resource.dest.display();
                let message = format!("{dest} is written by {} already", other.display());
                findings.push(Diagnostic {
                    help: Some("give one of the two another dest, or remove it".into()),
                    ..whole_file(&file, message)
                });
            } else {
                taken.insert(place, file.clone());
                loaded.resources.push(resource);
            }
        }
        if let Some(error) = findings.iter().find(|finding| finding.severity == Severity::Error) {
            loaded.rejected.push((file, error.to_string()));
        }
        loaded.findings.append(&mut findings);
    }
    loaded
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        if files.len() >= MAX_FILES {
            return Err(std::io::Error::other(format!("there are more than {MAX_FILES} resources")));
        }
        let path = entry?.path();
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect(&path, depth + 1, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
